"""What `ferflow serve` bears: requests a second, how long they take, errors, memory.

    python -m benchmarks.service_load --export export [--seconds 60] [--clients 8] [--json]

Starts the service on a free port of this machine and, in a process of its own, clients that send one
picture over and over, each as soon as it has its answer. The picture is a photo, 640x480, with one drawn
face; with --whole it is the face alone, which no detector looks for. Options behind `--` go to
`ferflow serve`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from benchmarks.runs import add_result_flags, errors_for_people, finish, positive, resident_bytes
from ferflow.data.drawn.sample import draw_sample
from ferflow.errors import ServiceError

_LONGEST_WARM_UP = 3.0
_SECONDS_BETWEEN_SAMPLES = 1.0
_TIMEOUT = 60.0
_WALL = 110


def main() -> None:
    """Measure and print."""
    own, others = _split(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--export", type=Path, default=Path("export"), metavar="FOLDER")
    parser.add_argument("--seconds", type=positive, default=60)
    parser.add_argument("--clients", type=positive, default=8)
    parser.add_argument("--whole", action="store_true", help="send the face alone")
    parser.add_argument("--load", metavar="ADDRESS", help=argparse.SUPPRESS)
    add_result_flags(parser)
    arguments = parser.parse_args(own)
    if arguments.load:
        print(json.dumps(asyncio.run(load(arguments.load, picture(whole=arguments.whole), arguments))))
        return
    with errors_for_people():
        result = measure(arguments, others)
    print(in_words(result))
    finish(result, arguments)


def measure(arguments: argparse.Namespace, options: list[str]) -> dict[str, Any]:
    """Start the service, load it, end it.

    Args:
        arguments: `export`, `seconds`, `clients` and `whole`.
        options: For `ferflow serve`.

    Raises:
        ServiceError: The service does not start, or ends with an error.
    """
    load_before = os.getloadavg()[0]
    with served(arguments.export, options) as (process, address):
        httpx.post(
            _target(address, arguments.whole), content=picture(whole=arguments.whole), timeout=_TIMEOUT
        )
        before = resident_bytes(process.pid)
        loader = _start_load(address, arguments)
        used, num_answered, memory = _cpu_seconds(process.pid), _num_answered(address), []
        started = time.monotonic()
        while loader.poll() is None:
            memory.append(resident_bytes(process.pid))
            time.sleep(_SECONDS_BETWEEN_SAMPLES)
        used = _cpu_seconds(process.pid) - used
        num_answered = _num_answered(address) - num_answered
        figures = json.loads(loader.communicate()[0])
        after = resident_bytes(process.pid)
    return {
        "picture": "face" if arguments.whole else "photo",
        "options": options,
        "clients": arguments.clients,
        **figures,
        "requests_per_processor_second": round(num_answered / used, 1),
        "cores_used_by_the_service": round(used / (time.monotonic() - started), 2),
        "memory_mb": {"before": _mb(before), "most": _mb(max(memory)), "after": _mb(after)},
        "load_average_before": round(load_before, 2),
    }


async def load(address: str, content: bytes, arguments: argparse.Namespace) -> dict[str, Any]:
    """Send pictures for some seconds; what was answered during a warm-up does not count."""
    target = _target(address, arguments.whole)
    times: list[float] = []
    codes: dict[str, int] = {}
    start = time.monotonic() + _warm_up(arguments.seconds)
    end = start + arguments.seconds

    async def send(client: httpx.AsyncClient) -> None:
        while (sent := time.monotonic()) < end:
            try:
                answer = await client.post(target, content=content)
                code = str(answer.status_code)
                if code == "200" and len(answer.json()["faces"]) != 1:
                    code = "200 with another number of faces"
            except httpx.HTTPError as error:
                code = type(error).__name__
            if start <= (now := time.monotonic()) < end:
                times.append(now - sent)
                codes[code] = codes.get(code, 0) + 1

    async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
        await asyncio.gather(*(send(client) for _ in range(arguments.clients)))
    return {
        "seconds": arguments.seconds,
        "requests": len(times),
        "requests_per_second": round(len(times) / arguments.seconds, 1),
        "errors": sum(number for code, number in codes.items() if code != "200"),
        "codes": codes,
        "milliseconds": {
            name: round(1000 * float(np.percentile(times, share)), 1)
            for name, share in (("p50", 50), ("p95", 95), ("p99", 99), ("most", 100))
        },
    }


def picture(*, whole: bool) -> bytes:
    """A drawn face, 48 px, as PNG; or a photo, 640x480, with it enlarged, as JPEG."""
    face = draw_sample(140, seed=5).images[60]
    if whole:
        return bytes(cv2.imencode(".png", face)[1])
    photo = np.full((480, 640, 3), _WALL, np.uint8)
    photo[120:360, 200:440] = cv2.resize(face, (240, 240), interpolation=cv2.INTER_CUBIC)[..., None]
    return bytes(cv2.imencode(".jpg", photo)[1])


def in_words(result: dict[str, Any]) -> str:
    """The figures for people."""
    milliseconds, memory = result["milliseconds"], result["memory_mb"]
    return (
        f"{result['picture']}, {result['clients']} clients, {result['seconds']} s: "
        f"{result['requests_per_second']} requests a second, p50 {milliseconds['p50']} ms, "
        f"p99 {milliseconds['p99']} ms, {result['errors']} errors of {result['requests']:,}, memory "
        f"{memory['before']} MB before, at most {memory['most']}, {memory['after']} after; "
        f"the service used {result['cores_used_by_the_service']} cores, "
        f"{result['requests_per_processor_second']} requests a second of the processor; "
        f"load before {result['load_average_before']}"
    )


@contextmanager
def served(export: Path, options: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield the process of `ferflow serve` and its address.

    Raises:
        ServiceError: It does not start, or ends with an error.
    """
    command = [sys.executable, "-m", "ferflow", "serve", "--export", str(export), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = re.match(r"http://\S+", str(process.stdout and process.stdout.readline()))
            if address is None:
                raise ServiceError("the service did not start; see above")
            yield process, address[0]
        finally:
            process.terminate()
    if process.returncode:
        raise ServiceError(f"the service ended with exit code {process.returncode}; see above")


def _start_load(address: str, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    flags = ["--whole"] if arguments.whole else []
    numbers = ["--seconds", str(arguments.seconds), "--clients", str(arguments.clients)]
    command = [sys.executable, "-m", "benchmarks.service_load", "--load", address, *numbers, *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _target(address: str, whole: bool) -> str:
    return f"{address}/predict?whole=true" if whole else f"{address}/predict"


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    place = words.index("--") if "--" in words else len(words)
    return words[:place], words[place + 1 :]


def _warm_up(seconds: float) -> float:
    return min(_LONGEST_WARM_UP, seconds)


def _num_answered(address: str) -> int:
    """Pictures that the service has answered, as it counts them."""
    found = re.search(
        r'requests_total{code="200",route="/predict"} (\d+)', httpx.get(f"{address}/metrics").text
    )
    return int(found[1]) if found else 0


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _mb(number: int) -> int:
    return round(number / 1e6)


if __name__ == "__main__":
    main()
