"""Groups of images that show the same picture: exact copies and near duplicates.

Exact copies have the same pixels. Near duplicates show the same photograph again: resized,
recompressed, brighter, shifted by a few pixels, or with a watermark. They are found in two looks:

1. candidates are pairs whose perceptual hashes (pHash, 64 bits) differ in few bits;
2. a candidate counts when its band-pass filtered images correlate strongly at some small shift.

The second look is needed because all faces share their low frequencies: on FER-2013 nineteen of
twenty candidates within 12 bits are two different people. `docs/split.md` has the figures.
"""

from __future__ import annotations

from collections.abc import Iterator

import imagehash
import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ferflow.data.store import Column, Images
from ferflow.labels import IMAGE_SIZE
from ferflow.progress import track

Groups = NDArray[np.int64]
Pairs = NDArray[np.int64]

# Band-pass: eyes, mouth and outlines stay; noise below and lighting above are taken away (pixels).
_FINE_SIGMA = 1.0
_COARSE_SIGMA = 3.0
# The border fades out over this many pixels, so that a shift around the edge compares nothing.
_FADE_PIXELS = 4
# Two crops of one photograph may be shifted against each other by this much (pixels).
_MAX_SHIFT = 4
# Below this root mean square after the band-pass (grey levels) an image shows nothing to compare.
_MIN_CONTRAST = 0.5
# Sizes of blocks that keep memory bounded.
_HASH_ROWS = 32
_PAIRS_AT_ONCE = 2048
_IMAGES_AT_ONCE = 2048


def exact_groups(sha256: Column) -> Groups:
    """Number the images so that those with the same pixels share a number.

    Args:
        sha256: (N,) hashes of the pixels.

    Returns:
        (N,) int64 from 0; numbers follow the order of the hashes, not of the rows.
    """
    return np.unique(sha256, return_inverse=True)[1].astype(np.int64)


def near_groups(images: Images, sha256: Column, *, distance: int, correlation: float) -> Groups:
    """Number the images so that exact copies and near duplicates share a number.

    Likeness is carried on: where A resembles B and B resembles C, the three are one group.
    Images without contrast (constant ones) have no near duplicates, only exact copies: they would
    resemble one another, and one group of them all would say nothing.

    Args:
        images: (N, 48, 48) uint8, 0-255.
        sha256: (N,) hashes of the pixels.
        distance: Bits of 64 in which the perceptual hashes of a pair may differ.
        correlation: What the band-pass filtered pair must reach at its best shift, above 0, up to 1.

    Returns:
        (N,) int64 from 0; numbers follow the order of the smallest hash in a group, so that the
        same images have the same numbers whatever their order.
    """
    _, first, exact = np.unique(sha256, return_index=True, return_inverse=True)
    pictures = images[first]
    hashes = perceptual_hashes(pictures)
    outlines = band_pass(pictures)
    merged = np.arange(len(pictures), dtype=np.int64)
    for candidates in hash_pairs(hashes, distance=distance):
        for start in range(0, len(candidates), _PAIRS_AT_ONCE):
            pairs = candidates[start : start + _PAIRS_AT_ONCE]
            # A pair that is connected already needs no look: many copies of one picture stay cheap.
            pairs = pairs[merged[pairs[:, 0]] != merged[pairs[:, 1]]]
            merged = _merge(merged, pairs[best_correlation(outlines, pairs) >= correlation])
    return merged[exact]


def perceptual_hashes(images: Images) -> NDArray[np.uint64]:
    """The pHash of each image: the signs of its 8 x 8 lowest cosine frequencies around their median.

    Args:
        images: (N, 48, 48) uint8, 0-255.

    Returns:
        (N,) uint64, one bit a frequency.
    """
    bits = np.zeros((len(images), 64), dtype=np.bool_)
    for row, image in enumerate(track(images, total=len(images), label="hashing images")):
        bits[row] = imagehash.phash(Image.fromarray(image)).hash.ravel()
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def hash_pairs(hashes: NDArray[np.uint64], *, distance: int) -> Iterator[Pairs]:
    """Yield the pairs of rows whose hashes differ in at most `distance` bits.

    Args:
        hashes: (N,) uint64.
        distance: Bits.

    Yields:
        (M, 2) int64 with the smaller row first; all pairs come, in batches of some thousand.
    """
    batch: list[Pairs] = []
    for start in range(0, len(hashes), _HASH_ROWS):
        block = hashes[start : start + _HASH_ROWS]
        differing = np.bitwise_count(block[:, np.newaxis] ^ hashes[np.newaxis, start:])
        # Four times faster than np.nonzero on two axes.
        left, right = np.divmod(np.flatnonzero(differing <= distance), len(hashes) - start)
        batch.append(np.stack([left, right], axis=1)[right > left].astype(np.int64) + start)
        if sum(map(len, batch)) >= _PAIRS_AT_ONCE:
            yield np.concatenate(batch)
            batch = []
    if batch:
        yield np.concatenate(batch)


def band_pass(images: Images) -> NDArray[np.float16]:
    """Keep what tells one photograph from another: structures of one to three pixels.

    Args:
        images: (N, 48, 48) uint8, 0-255.

    Returns:
        (N, 48, 48) float16 of length 1 an image (half precision halves the memory); all zero for an
        image without contrast, so that it correlates with none.
    """
    window = _fading_window()
    fine, coarse = _smoothing(_FINE_SIGMA), _smoothing(_COARSE_SIGMA)
    outlines = np.zeros(images.shape, dtype=np.float16)
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        rows = slice(start, start + _IMAGES_AT_ONCE)
        pixels = images[rows].astype(np.float32)
        outline = (fine @ pixels @ fine.T - coarse @ pixels @ coarse.T) * window
        outline -= outline.mean(axis=(1, 2), keepdims=True)
        contrast = np.sqrt(np.mean(outline**2, axis=(1, 2), keepdims=True))
        shows = contrast >= _MIN_CONTRAST
        outlines[rows] = np.where(shows, outline / np.where(shows, contrast * IMAGE_SIZE, 1), 0)
    return outlines


def best_correlation(outlines: NDArray[np.float16], pairs: Pairs) -> NDArray[np.float32]:
    """The correlation of each pair at the best shift of up to four pixels either way.

    Args:
        outlines: (N, 48, 48) float16 from `band_pass`.
        pairs: (M, 2) rows of `outlines`.

    Returns:
        (M,) float32, -1 to 1.
    """
    if len(pairs) == 0:
        return np.zeros(0, dtype=np.float32)
    left = scipy.fft.rfft2(outlines[pairs[:, 0]].astype(np.float32), workers=-1)
    right = scipy.fft.rfft2(outlines[pairs[:, 1]].astype(np.float32), workers=-1)
    everywhere = scipy.fft.irfft2(left * right.conj(), (IMAGE_SIZE, IMAGE_SIZE), workers=-1)
    shifts = np.arange(-_MAX_SHIFT, _MAX_SHIFT + 1)
    best: NDArray[np.float32] = everywhere[:, shifts][:, :, shifts].max(axis=(1, 2))
    return best


def _merge(groups: Groups, pairs: Pairs) -> Groups:
    """Unite the groups of each pair; numbers follow the smallest row of a group."""
    if len(pairs) == 0:
        return groups
    links = coo_array((np.ones(len(pairs), dtype=np.bool_), tuple(groups[pairs].T)), shape=(len(groups),) * 2)
    _, united = connected_components(links, directed=False)
    _, first, numbers = np.unique(united[groups], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers].astype(np.int64)


def _smoothing(sigma: float) -> NDArray[np.float32]:
    """(48, 48) float32: the matrix that applies a Gaussian along one axis; the border is mirrored."""
    matrix = gaussian_filter1d(np.eye(IMAGE_SIZE), sigma, axis=0, mode="mirror")
    return np.asarray(matrix, dtype=np.float32)


def _fading_window() -> NDArray[np.float32]:
    """(48, 48) float32: 1 inside, falling to 0 at the border."""
    fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(_FADE_PIXELS) + 0.5) / _FADE_PIXELS)
    profile = np.ones(IMAGE_SIZE)
    profile[:_FADE_PIXELS] = fade
    profile[-_FADE_PIXELS:] = fade[::-1]
    return np.outer(profile, profile).astype(np.float32)
