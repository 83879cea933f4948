"""The one rule of what is an image by its name, what is litter, and what is passed over.

An image is a file whose name ends as an image's does, or has no ending at all (its first bytes decide
then). Hidden names and what operating systems leave behind are litter. All else is another file. Litter
and other files are counted and passed over, wherever they lie.
"""

from __future__ import annotations

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"),
    *(".heic", ".heif", ".avif", ".jp2", ".pgm", ".ppm", ".pnm"),
)
_LITTER = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "@eadir", "lost+found"}
)
_STARTS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"P5", b"P6"),
    b"\0\0\0\x0cjP  ",
)
_BOXED = (b"WEBP", b"ftyp")  # the bytes 8 to 12, and 4 to 8


def is_litter(name: str) -> bool:
    """Whether a name of a file or folder is hidden, or litter of an operating system."""
    return name.startswith(".") or name.lower() in _LITTER


def has_image_name(name: str) -> bool:
    """Whether a file may be an image: its name ends as one's, or has no ending."""
    last = name.rpartition("/")[2]
    return last.lower().endswith(IMAGE_SUFFIXES) or has_no_ending(last)


def has_no_ending(name: str) -> bool:
    """Whether there is nothing after a dot that could be a kind of file: `img 1`, `fer0001`."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return not dot or not stem or not ending


def starts_as_image(content: bytes) -> bool:
    """Whether the first bytes are an image's."""
    return content.startswith(_STARTS) or content[8:12] == _BOXED[0] or content[4:8] == _BOXED[1]
