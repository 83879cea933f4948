"""Tables of images as people have them, and how each is to be read: `TABLES` and `UNREADABLE_TABLES`.

All are the same 21 rows, every emotion in every usage, written in some other way.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from ferflow.labels import CSV_EMOTIONS
from tests.source_files import csv_rows, encoded, face

Rows = list[list[str]]
HEADER = ["emotion", "pixels", "Usage"]


@dataclass(frozen=True)
class WrittenTable:
    """A file and how it is read.

    Attributes:
        name: Of the file.
        content: Makes its bytes.
        has_usage: Whether it says the usage; all rows are Training where it does not.
        map: Entries of `download.map`.
    """

    name: str
    content: Callable[[], bytes]
    has_usage: bool = True
    map: tuple[str, ...] = ()


def text(
    rows: Rows | None = None, *, header: list[str] | None = None, sep: str = ",", end: str = "\n"
) -> bytes:
    lines = [header or HEADER, *(rows or csv_rows())]
    return "".join(sep.join(line) + end for line in lines).encode()


def changed(column: int, change: Callable[[str], str]) -> Rows:
    rows = csv_rows()
    for row in rows:
        row[column] = change(row[column])
    return rows


def table(change: Callable[[], bytes], name: str = "fer2013.csv", **rest) -> WrittenTable:
    return WrittenTable(name, change, **rest)


def wide(stem: str = "pixel", first: int = 0) -> bytes:
    header = ["emotion", *(f"{stem}{first + number}" for number in range(2304)), "Usage"]
    return text([[row[0], *row[1].split(), row[2]] for row in csv_rows()], header=header)


def zipped(names: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(names: dict[str, bytes], packing: str = "gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{packing}") as archive:  # type: ignore[call-overload]
        for name, content in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _name(cell: str) -> str:
    return CSV_EMOTIONS[int(cell)]


def _columns() -> dict[str, WrittenTable]:
    headers = {
        "lower case": ["emotion", "pixels", "usage"],
        "upper case": ["EMOTION", "PIXELS", "USAGE"],
        "blanks around": [" emotion ", " pixels", "Usage "],
        "quotes around": ['"emotion"', '"pixels"', '"Usage"'],
        "split for Usage": ["emotion", "pixels", "split"],
        "emotions for emotion": ["emotions", "pixels", "Usage"],
    }
    tables = {
        f"header: {name}": table(lambda header=header: text(header=header))
        for name, header in headers.items()
    }
    for name, separator in (("semicolons", ";"), ("tabs", "\t"), ("bars", "|")):
        tables[name] = table(lambda separator=separator: text(sep=separator), "fer2013.tsv")
    return tables | {
        "semicolons and decimal commas": table(
            lambda: text(changed(0, lambda cell: f"{cell},0"), sep=";"), "fer2013.csv"
        ),
        "other order": table(
            lambda: text(
                [[usage, emotion, pixels] for emotion, pixels, usage in csv_rows()],
                header=["Usage", "emotion", "pixels"],
            )
        ),
        "an index in front": table(
            lambda: text([[str(n), *row] for n, row in enumerate(csv_rows())], header=["", *HEADER])
        ),
        "more columns": table(
            lambda: text([[*row, "x", "y"] for row in csv_rows()], header=[*HEADER, "who", "why"])
        ),
        "emotion and pixels alone": table(
            lambda: text([row[:2] for row in csv_rows()], header=HEADER[:2]), "train.csv", has_usage=False
        ),
        "one column a pixel": table(wide),
        "one column a pixel from 1": table(lambda: wide("px_", 1)),
        "columns of bare numbers": table(lambda: wide("")),
        "a comma at the end of rows": table(lambda: text([[*row, ""] for row in csv_rows()])),
        "labels by name": table(lambda: text(changed(0, _name), header=["label", "pixels", "Usage"])),
        "labels by number and a map": table(
            lambda: text(header=["label", "pixels", "Usage"]),
            map=tuple(f"{number}={emotion}" for number, emotion in enumerate(CSV_EMOTIONS)),
        ),
    }


def _cells() -> dict[str, WrittenTable]:
    changes: dict[str, tuple[int, Callable[[str], str]]] = {
        "0.0 to 6.0": (0, lambda cell: f"{cell}.0"),
        "blanks around numbers": (0, lambda cell: f" {cell} "),
        "names": (0, _name),
        "Names": (0, lambda cell: _name(cell).upper()),
        "synonyms": (0, lambda cell: {"happy": "joy", "sad": "sadness"}.get(_name(cell), _name(cell))),
        "usage in lower case": (2, str.lower),
        "usage in upper case": (2, str.upper),
        "usage with blanks": (2, lambda cell: f" {cell} "),
        "train, val, test": (
            2,
            {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}.__getitem__,
        ),
        "two blanks": (1, lambda cell: cell.replace(" ", "  ")),
        "tabs between": (1, lambda cell: cell.replace(" ", "\t")),
        "runs of blanks": (1, lambda cell: "  " + cell.replace(" ", " \t ") + " "),
        "quoted": (1, lambda cell: f'"{cell}"'),
        "a list": (1, lambda cell: f'"[{cell.replace(" ", ", ")}]"'),
        "an array": (1, lambda cell: f'"[{cell}]"'),
        "whole numbers with a point": (1, lambda cell: " ".join(f"{number}.0" for number in cell.split())),
        "a decimal point of many zeros": (0, lambda cell: f"{cell}.{'0' * 40}"),
        "lines inside": (1, lambda cell: '"' + cell.replace(" ", "\n", 40) + '"'),
    }
    return {name: table(lambda at=at, how=how: text(changed(at, how))) for name, (at, how) in changes.items()}


def _files() -> dict[str, WrittenTable]:
    readme = {"fer2013/README": b"about", "fer2013/fer2013.bib": b"@x"}
    return {
        "CRLF": table(lambda: text(end="\r\n")),
        "CR": table(lambda: text(end="\r")),
        "lines of blanks": table(lambda: text().replace(b"\n", b"\n  \n")),
        "lines of separators": table(lambda: text() + b",,\n,,\n"),
        "blank lines": table(lambda: b"\n\n" + text(end="\n\n") + b"\n"),
        "a mark of UTF-8": table(lambda: b"\xef\xbb\xbf" + text()),
        "UTF-16": table(lambda: text().decode().encode("utf-16")),
        "UTF-16 without a mark": table(lambda: text().decode().encode("utf-16-le")),
        "gz": table(lambda: gzip.compress(text()), "fer2013.csv.gz"),
        "bz2": table(lambda: bz2.compress(text()), "fer2013.csv.bz2"),
        "xz": table(lambda: lzma.compress(text()), "fer2013.csv.xz"),
        "zip": table(lambda: zipped({"fer2013.csv": text()}), "fer2013.csv.zip"),
        "zip with litter": table(
            lambda: zipped({"a/fer2013.csv": text(), "__MACOSX/a/._fer2013.csv": b"x", "a/README": b"y"}),
            "fer.zip",
        ),
        "tar.gz": table(lambda: tarred({"fer2013/fer2013.csv": text(), **readme}), "fer2013.tar.gz"),
        "tar.xz": table(lambda: tarred({**readme, "fer2013/fer2013.csv": text()}, "xz"), "fer2013.tar.xz"),
        "tar": table(lambda: tarred({"fer2013.csv": text()}, ""), "fer2013.tar"),
        "no ending": table(text, "fer2013"),
        "txt": table(text, "fer2013.txt"),
    }


TABLES: dict[str, WrittenTable] = _columns() | _cells() | _files()

# A file, and what the one error must say.
UNREADABLE_TABLES: dict[str, tuple[str, Callable[[], bytes], tuple[str, ...]]] = {
    "FER+ alone": (
        "fer2013new.csv",
        lambda: b"Usage,Image name,neutral,happiness,surprise,sadness,contempt,unknown,NF\n",
        ("votes of FER+", "fer2013.csv"),
    ),
    "no label": (
        "test.csv",
        lambda: text([[row[1]] for row in csv_rows()], header=["pixels"]),
        ("column emotion",),
    ),
    "32 x 32": (
        "x.csv",
        lambda: text([["0", *["7"] * 1024]], header=["emotion", *(f"pixel{n}" for n in range(1024))]),
        ("1,024 columns of pixels", "2,304"),
    ),
    "unknown names": (
        "x.csv",
        lambda: text(changed(0, lambda cell: "bored" if cell == "3" else cell)),
        ("bored (3 images): no known class", "bored="),
    ),
    "numbers in a column label": (
        "x.csv",
        lambda: text(header=["label", "pixels", "Usage"]),
        ("0 (3 images)", "FER-2013", "AffectNet"),
    ),
    "all pixels wrong": (
        "x.csv",
        lambda: text(changed(1, lambda cell: "0.5")),
        ("none of its 21 rows", "row 1"),
    ),
    "two tables": ("x.zip", lambda: zipped({"a.csv": text(), "b.csv": text()}), ("2 tables, a.csv, b.csv",)),
    "images": (
        "x.zip",
        lambda: zipped({"sad/1.png": encoded(face(1), ".png")}),
        ("download.source archive",),
    ),
    "a zip in a zip": ("x.zip", lambda: zipped({"fer.zip": zipped({"a.csv": text()})}), ("fer.zip",)),
    "an Excel workbook": ("x.xlsx", lambda: zipped({"xl/workbook.xml": b"x"}), ("Excel", "CSV")),
    "a web page": ("fer2013.csv", lambda: b"<!DOCTYPE html><html>Log in</html>", ("web page", "again")),
    "7z": ("fer2013.csv.7z", lambda: b"7z\xbc\xaf\x27\x1c" + bytes(64), ("7z archive", "repack")),
    "a column twice": (
        "x.csv",
        lambda: text([[*row, "6"] for row in csv_rows()], header=[*HEADER, "Emotion"]),
        ("the column emotion twice", "rename"),
    ),
    "a pixel twice": (
        "x.csv",
        lambda: wide().replace(b"pixel7,", b"pixel8,"),
        ("not numbered one after the other", "pixel0 to pixel2303"),
    ),
    "a pixel left out": (
        "x.csv",
        lambda: wide().replace(b"pixel2303,", b"pixel2304,"),
        ("not numbered one after the other",),
    ),
    "subsets in a column of another name": (
        "x.csv",
        lambda: text(header=["emotion", "pixels", "partition"]),
        ("the column 'partition' holds 'PublicTest'", "rename the column to Usage"),
    ),
    "a name of two subsets": (
        "train_test.csv",
        lambda: text([row[:2] for row in csv_rows()], header=HEADER[:2]),
        ("named after two subsets", "add the column"),
    ),
    "a quote that is not closed": (
        "x.csv",
        lambda: text() + b'3,"1 2 3\n4,5 6,Training\n',
        ("is no CSV",),
    ),
    "JSON": ("x.csv", lambda: b'[{"emotion": 0, "pixels": "1 2"}]', ("is JSON", "save it as CSV")),
    "JSON lines": ("x.jsonl", lambda: b'{"emotion": 0, "pixels": "1 2"}\n' * 3, ("is JSON",)),
    "Arrow": ("x.feather", lambda: b"ARROW1\0\0" + bytes(90), ("an Arrow or Feather file", "Parquet")),
    "a cut gz": ("fer2013.csv.gz", lambda: gzip.compress(text())[:-2000], ("cut short", "fetch it again")),
}
