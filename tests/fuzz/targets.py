"""Each parser of something that came from elsewhere, or that a kill or a bad disk may have torn.

A target takes bytes and a folder to write them to. It returns for what can be read, and raises one of its
`refusals` for what cannot; anything else is a fault.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ferflow.data.archives.archives import read_members
from ferflow.data.decoding.pictures import read_frames
from ferflow.data.images import decode_image
from ferflow.data.sources.fer_csv import read_fer_csv
from ferflow.data.sources.parquet_table import parquet_rows
from ferflow.data.sources.reading_errors import Wording
from ferflow.data.sources.table_rows import Table
from ferflow.data.store import read_arrays, read_csv, write_arrays
from ferflow.errors import BadImageError, FerflowError
from ferflow.limits import parse_json
from ferflow.params import DownloadParams, load_params
from ferflow.paths import BUILT_IN
from ferflow.redaction import Registry
from ferflow.reporting.outline import read_report
from ferflow.serving.export_folder import read_description
from ferflow.tuning.storage import parse_address
from tests.conftest import REPOSITORY
from tests.fuzz import state_targets as state
from tests.source_files import csv_rows, encoded, face

_MAX_PIXELS = 4_000_000


@dataclass(frozen=True)
class Target:
    """A parser, good inputs to begin with, and how it may refuse."""

    parse: Callable[[bytes, Path], object]
    seeds: Callable[[Path], list[bytes]]
    refusals: tuple[type[Exception], ...] = (FerflowError,)


def _bounds() -> DownloadParams:
    small = {"max_members": 1000, "max_member_bytes": 1 << 20, "max_total_bytes": 8 << 20}
    return load_params(REPOSITORY / "params.yaml").download.model_copy(update=small)


BOUNDS = _bounds()


def _read_archive(content: bytes, folder: Path) -> object:
    (folder / "data.tar").write_bytes(content)
    return [member.name for member in read_members(folder / "data.tar", BOUNDS, wanted=lambda _: True)]


def _read_csv_source(content: bytes, folder: Path) -> object:
    (folder / "data.csv").write_bytes(content)
    return [row.number for row in read_fer_csv(Table(folder / "data.csv", BOUNDS, {}), wording=Wording())]


def _read_parquet(content: bytes, folder: Path) -> object:
    (folder / "data.parquet").write_bytes(content)
    return [row.number for row in parquet_rows(Table(folder / "data.parquet", BOUNDS, {}))]


def _read_arrays(content: bytes, folder: Path) -> object:
    (folder / "images.npz").write_bytes(content)
    return read_arrays(folder / "images.npz", ("images",))


def _read_index(content: bytes, folder: Path) -> object:
    (folder / "index.csv").write_bytes(content)
    return read_csv(folder / "index.csv", ("file",))


def _read_params(content: bytes, folder: Path) -> object:
    (folder / "params.yaml").write_bytes(content)
    return load_params(folder / "params.yaml")


def _read_export(content: bytes, folder: Path) -> object:
    (folder / "export.json").write_bytes(content)
    return read_description(folder)


def _read_report(content: bytes, folder: Path) -> object:
    (folder / "metrics.json").write_bytes(content)
    return read_report(folder / "metrics.json")


def _read_picture(content: bytes, _: Path) -> object:
    return decode_image(content, max_pixels=_MAX_PIXELS)


def _read_frames(content: bytes, _: Path) -> object:
    return [seconds for seconds, _ in read_frames(content, max_pixels=_MAX_PIXELS, limit="the limit of")]


def _read_json(content: bytes, _: Path) -> object:
    return parse_json(content)


def _register(content: bytes, _: Path) -> object:
    """Whatever stands as an address: what is known of it is not in what is shown of it."""
    registry, url = Registry(), content.decode("utf-8", "replace")
    registry.register_url(url, is_secret=True)
    return registry.replace(url)


def _read_storage(content: bytes, _: Path) -> object:
    return parse_address(content.decode("utf-8", "replace"))


def _tars(_: Path) -> list[bytes]:
    found = []
    for tar_format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tar_format) as archive:
            long = "n" * (130 if tar_format != tarfile.USTAR_FORMAT else 60)
            for name in ("train/happy/1.jpg", f"train/sad/{long}.jpg", "train/sad/é.jpg"):
                info = tarfile.TarInfo(name)
                info.size = 700
                archive.addfile(info, io.BytesIO(bytes(700)))
        found.append(stream.getvalue())
    return [*found, gzip.compress(found[0])]


def _zips(_: Path) -> list[bytes]:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name in ("train/happy/1.jpg", "train/sad/é.jpg"):
                archive.writestr(name, bytes(300))
        found.append(stream.getvalue())
    return found


def _csvs(_: Path) -> list[bytes]:
    rows = [",".join(row) for row in csv_rows()[:2]]
    return [
        "\n".join(["emotion,pixels,Usage", *rows, ""]).encode(),
        b'emotion,pixels,Usage\n0,"1 2",Training\n',
    ]


def _parquets(folder: Path) -> list[bytes]:
    import pyarrow
    from pyarrow import parquet

    pixels = [face(number).ravel().tolist() for number in range(3)]
    pictures = [{"bytes": encoded(face(number), ".png"), "path": "a.png"} for number in range(3)]
    names = {"huggingface": '{"info": {"features": {"label": {"names": ["sad", "happy", "angry"]}}}}'}
    found = []
    for column, packing in ((pixels, "snappy"), ([str(row) for row in pixels], "none"), (pictures, "zstd")):
        name = "image" if column is pictures else "pixels"
        table = pyarrow.table({"label": [0, 1, 2], name: column}).replace_schema_metadata(names)
        parquet.write_table(table, folder / "seed.parquet", row_group_size=2, compression=packing)
        found.append((folder / "seed.parquet").read_bytes())
    return found


def _arrays(folder: Path) -> list[bytes]:
    write_arrays(folder / "seed.npz", {"images": np.zeros((2, 4, 4), np.uint8)})
    return [(folder / "seed.npz").read_bytes()]


def _pictures(_: Path) -> list[bytes]:
    found = [encoded(face(0), suffix) for suffix in (".jpg", ".png", ".bmp", ".webp", ".tiff")]
    found.append(bytes(cv2.imencode(".jpg", face(1), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1]))
    stream = io.BytesIO()
    Image.fromarray(face(2)).save(stream, "GIF")
    return [*found, stream.getvalue()]


def _animations(_: Path) -> list[bytes]:
    frames = [Image.fromarray(face(number)) for number in range(3)]
    found = []
    for kind in ("GIF", "WEBP"):
        stream = io.BytesIO()
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:], duration=50)
        found.append(stream.getvalue())
    return found


def _reports(_: Path) -> list[bytes]:
    content = {"accuracy": 0.5, "per_class": {"happy": {"recall": 1.0}}, "list": [1, None, "x"]}
    return [json.dumps(content).encode(), b"[]", b'{"a": {"b": [[1]]}}']


def _exports(_: Path) -> list[bytes]:
    return [(BUILT_IN / "export.json").read_bytes()]


def _params(_: Path) -> list[bytes]:
    return [(REPOSITORY / "params.yaml").read_bytes()]


def _addresses(_: Path) -> list[bytes]:
    return [
        b"https://user:pass/w#rd?x@host:80/path?token=abc&b=c#d",
        b"postgresql+psycopg://user:p%2Fw@[::1]:5432/db?sslmode=require&password=secret",
        b"sqlite:////home/me/a%20b.db?timeout=60",
        b"study.journal",
    ]


TARGETS: dict[str, Target] = {
    "tar": Target(_read_archive, _tars),
    "zip": Target(_read_archive, _zips),
    "csv": Target(_read_csv_source, _csvs),
    "parquet": Target(_read_parquet, _parquets),
    "arrays": Target(_read_arrays, _arrays),
    "index": Target(_read_index, lambda _: [b"file,label\na.jpg,sad\nb.jpg,happy\n"]),
    "picture": Target(_read_picture, _pictures, (BadImageError,)),
    "params": Target(_read_params, _params),
    "export": Target(_read_export, _exports),
    "report": Target(_read_report, _reports),
    "json": Target(_read_json, _reports, (ValueError,)),
    "address": Target(_register, _addresses, ()),
    "storage": Target(_read_storage, lambda folder: _addresses(folder)[1:]),
    "frames": Target(_read_frames, _animations, (BadImageError,)),
    "run": Target(state.read_run, state.runs),
    "values": Target(state.read_values, state.values, ()),
    "sent": Target(state.read_sent, state.sents, ()),
    "checkpoint": Target(state.read_checkpoint, state.checkpoint_states, ()),
    "checkpoint_arrays": Target(state.read_checkpoint_arrays, state.checkpoint_arrays, ()),
    "settings": Target(state.read_settings, state.settings),
    "figures": Target(state.read_figures, state.figures),
    "notes": Target(state.read_notes, state.notes, ()),
    "training": Target(state.read_training, state.trainings),
}
