"""How fast `ferflow predict` reads a folder of photos, beside the package `fer`.

    python -m benchmarks.predict_speed --split data/split --export export --fer /tmp/fer/bin/python

Photos of 1280x960 with one to three test faces of FER-2013 on drawn backgrounds are written into a
temporary folder. Then each way reads all of them, from the start of its process to its last answer, in turns:
`ferflow predict FOLDER --json`, and a process of `fer` with its own defaults (Haar cascade, one photo after
another). The time to the first answer is that until the first line comes. Without --fer only the first is
measured. The Python that --fer names is of an environment that has `fer`
(`python -m venv /tmp/fer && /tmp/fer/bin/pip install fer`).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from benchmarks.runs import add_result_flags, errors_for_people, finish, positive
from ferflow.data.store import Images
from ferflow.data.subsets import load_subset
from ferflow.errors import DataError

_WIDTH, _HEIGHT = 1280, 960
_SIDES = (90, 320)
_SEED = 20131

_FER = """
import json, sys
from pathlib import Path
import cv2
from fer.fer import FER
detector = FER()
for path in sorted(Path(sys.argv[1]).iterdir()):
    faces = detector.detect_emotions(cv2.imread(str(path)))
    boxes = [list(map(int, face["box"])) for face in faces]
    print(json.dumps({"path": str(path), "faces": boxes}), flush=True)
"""


def main() -> None:
    """Measure and print; with --json one more line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--split", type=Path, default=Path("data/split"), help="folder of the split stage")
    parser.add_argument("--export", type=Path, default=Path("export"), help="what ferflow export wrote")
    parser.add_argument("--fer", type=Path, help="a Python whose environment has fer")
    parser.add_argument("--photos", type=positive, default=500, help="photos (default: 500)")
    parser.add_argument("--turns", type=positive, default=3, help="of each way (default: 3)")
    add_result_flags(parser)
    arguments = parser.parse_args()
    with errors_for_people():
        faces = load_subset(arguments.split / "test.npz").images
        ways = {"ferflow": [sys.executable, "-m", "ferflow", "predict", "--json", "--quiet"]}
        ways["ferflow"] += ["--export", str(arguments.export)]
        if arguments.fer is not None:
            ways["fer"] = [str(arguments.fer), "-c", _FER]
        result = measure(faces, ways, num_photos=arguments.photos, turns=arguments.turns)
    packages = ("onnxruntime", "opencv-python-headless")
    result["versions"] = {name: importlib.metadata.version(name) for name in packages}
    print(table(result))
    finish(result, arguments)


def measure(faces: Images, ways: dict[str, list[str]], *, num_photos: int, turns: int) -> dict[str, Any]:
    """The figures of each way, medians of its turns.

    Args:
        faces: (N, 48, 48) uint8 to paste.
        ways: For each its command, which gets the folder as its last argument.
        num_photos: Photos in the folder.
        turns: Of each way.

    Raises:
        DataError: A way fails, or does not answer every photo.
    """
    with TemporaryDirectory(prefix="photos-") as folder:
        num_faces = write_photos(faces, Path(folder), num_photos)
        runs = [
            {name: _turn(name, [*command, folder], num_photos) for name, command in ways.items()}
            for _ in range(turns)
        ]
    medians = {
        name: {key: statistics.median(run[name][key] for run in runs) for key in runs[0][name]}
        for name in ways
    }
    for figures in medians.values():
        figures["photos_a_second"] = num_photos / figures["seconds"]
    return {"photos": num_photos, "faces_pasted": num_faces, "turns": turns, "ways": medians, "runs": runs}


def write_photos(faces: Images, folder: Path, num_photos: int) -> int:
    """Write photos with faces; returns how many faces were pasted."""
    random = np.random.default_rng(_SEED)
    total = 0
    for number in range(num_photos):
        photo = _background(random)
        num_faces = int(random.integers(1, 4))
        for place in range(num_faces):
            side = int(random.integers(*_SIDES))
            left = place * _WIDTH // num_faces + int(random.integers(0, max(1, _WIDTH // num_faces - side)))
            top = int(random.integers(0, _HEIGHT - side))
            face = faces[int(random.integers(len(faces)))]
            large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
            photo[top : top + side, left : left + side] = large[..., None]
        total += num_faces
        content = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        (folder / f"{number:04d}.jpg").write_bytes(content.tobytes())
    return total


def _background(random: np.random.Generator) -> Images:
    """A coloured wall with soft light and some shapes, (H, W, 3) uint8."""
    coarse = random.integers(40, 216, (4, 5, 3)).astype(np.float32)
    wall = cv2.resize(coarse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(wall, 0, 255).astype(np.uint8)
    for _ in range(int(random.integers(3, 9))):
        corner = [int(value) for value in random.integers(0, (_WIDTH, _HEIGHT))]
        size = [int(value) for value in random.integers(20, 300, 2)]
        colour = [int(value) for value in random.integers(0, 256, 3)]
        cv2.rectangle(picture, corner, (corner[0] + size[0], corner[1] + size[1]), colour, cv2.FILLED)
    noise = random.normal(0, 4, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def _turn(name: str, command: list[str], num_photos: int) -> dict[str, float]:
    """One process from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    answers, first = [], 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            if line.startswith("{"):
                first = first or time.monotonic() - started
                answers.append(json.loads(line))
    code = process.returncode
    seconds = time.monotonic() - started
    if code or len(answers) != num_photos:
        raise DataError(
            f"{name}: exit code {code} after {len(answers)} of {num_photos} photos; run it by hand"
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "processor_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "first_answer_seconds": first,
        "faces": float(sum(len(answer["faces"]) for answer in answers)),
    }


def table(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        f"{result['photos']} photos of {_WIDTH}x{_HEIGHT} with {result['faces_pasted']} faces",
        "",
        "| way | photos a second | all of them | processor time | first answer | faces found |",
        "|---|---|---|---|---|---|",
    ]
    for name, figures in result["ways"].items():
        lines.append(
            f"| {name} | {figures['photos_a_second']:.1f} | {figures['seconds']:.1f} s | "
            f"{figures['processor_seconds']:.1f} s | {figures['first_answer_seconds']:.2f} s | "
            f"{figures['faces']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
