"""What ordinary clients of `ferflow serve` see while slow and hostile ones are there too.

    python -m benchmarks.service_soak --export export [--seconds 600] [--slow-heads 200] [--slow-bodies 50]
        [--hostile 20] [--ordinary 2] [--json]

Starts the service on a free port of 127.0.0.1, and nothing here talks to another address. In a process of
their own: connections that drip half a head, uploads of a byte a second, --hostile pictures a minute that
are made to cost memory or time, and ordinary clients, each of which sends a photo with one face every half
second. Options behind `--` go to `ferflow serve`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np

from benchmarks.runs import add_result_flags, errors_for_people, finish, positive, resident_bytes
from benchmarks.service_load import picture, served
from ferflow.errors import ServiceError

_SECONDS_BETWEEN_SAMPLES = 1.0
_SECONDS_BETWEEN_PHOTOS = 0.5
_TIMEOUT = 60.0
_LOCAL = "127.0.0.1"


def main() -> None:
    """Measure and print."""
    place = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--export", type=Path, default=Path("export"), metavar="FOLDER")
    parser.add_argument("--seconds", type=positive, default=600)
    parser.add_argument("--slow-heads", type=int, default=200)
    parser.add_argument("--slow-bodies", type=int, default=50)
    parser.add_argument("--hostile", type=int, default=20, help="pictures a minute")
    parser.add_argument("--ordinary", type=positive, default=2)
    parser.add_argument("--attack", metavar="ADDRESS", help=argparse.SUPPRESS)
    add_result_flags(parser)
    arguments = parser.parse_args(sys.argv[1:place])
    if arguments.attack:
        print(json.dumps(asyncio.run(all_clients(arguments.attack, arguments))))
        return
    with errors_for_people():
        result = measure(arguments, sys.argv[place + 1 :])
    print(in_words(result))
    finish(result, arguments)


def measure(arguments: argparse.Namespace, options: list[str]) -> dict[str, Any]:
    """Start the service, let all clients at it, end it.

    Raises:
        ServiceError: The service does not start, or ends with an error.
    """
    load_before = os.getloadavg()[0]
    with served(arguments.export, options) as (process, address):
        for _ in range(3):
            httpx.post(f"{address}/predict", content=picture(whole=False), timeout=_TIMEOUT)
        before, memory = _memory_of(process.pid), []
        numbers = ("seconds", "slow_heads", "slow_bodies", "hostile", "ordinary")
        flags = [f"--{name.replace('_', '-')}={getattr(arguments, name)}" for name in numbers]
        command = [sys.executable, "-m", "benchmarks.service_soak", "--attack", address, *flags]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
            while clients.poll() is None:
                memory.append(_memory_of(process.pid))
                time.sleep(_SECONDS_BETWEEN_SAMPLES)
            figures = json.loads(clients.communicate()[0] or "{}")
        if not figures:
            raise ServiceError("the clients failed; see above")
        after = _memory_of(process.pid)
        counted = httpx.get(f"{address}/metrics", timeout=_TIMEOUT).text
    return {
        **{name: getattr(arguments, name) for name in numbers},
        **figures,
        "memory_mib": {"before": before, "most": max(memory), "after": after},
        "rejected": {
            line.split('"')[1]: int(float(line.split()[-1]))
            for line in counted.splitlines()
            if line.startswith("ferflow_rejected_total{")
        },
        "load_average": [round(load_before, 2), round(os.getloadavg()[0], 2)],
    }


async def all_clients(address: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run every kind of client until the time is over."""
    place = urlsplit(address)
    if place.hostname != _LOCAL:
        raise ServiceError(f"{address}: only {_LOCAL} is attacked")
    times: list[float] = []
    counts: Counter[str] = Counter()
    port = int(place.port or 0)
    clients = [_ordinary(address, times, counts) for _ in range(arguments.ordinary)]
    clients += [_slow_head(port, counts) for _ in range(arguments.slow_heads)]
    clients += [_slow_body(port, counts) for _ in range(arguments.slow_bodies)]
    if arguments.hostile:
        clients.append(_hostile(address, 60 / arguments.hostile, counts))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(arguments.seconds):
            await asyncio.gather(*clients)
    return {
        "counts": dict(sorted(counts.items())),
        "ordinary_milliseconds": {
            name: round(1000 * float(np.percentile(times, share)), 1)
            for name, share in (("p50", 50), ("p95", 95), ("p99", 99), ("most", 100))
        },
    }


async def _ordinary(address: str, times: list[float], counts: Counter[str]) -> None:
    content = picture(whole=False)
    async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
        while True:
            sent = time.monotonic()
            try:
                answer = await client.post(f"{address}/predict", content=content)
                code = str(answer.status_code)
            except httpx.HTTPError as error:
                code = type(error).__name__
            times.append(time.monotonic() - sent)
            counts[f"ordinary {code}"] += 1
            await asyncio.sleep(_SECONDS_BETWEEN_PHOTOS)


async def _slow_head(port: int, counts: Counter[str]) -> None:
    start = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
    while True:
        await _drip(port, start, "slow head", counts)


async def _slow_body(port: int, counts: Counter[str]) -> None:
    start = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"
    while True:
        await _drip(port, start, "slow body", counts)


async def _drip(port: int, start: bytes, kind: str, counts: Counter[str]) -> None:
    """Send a byte a second for as long as the other side takes it."""
    try:
        reader, writer = await asyncio.open_connection(_LOCAL, port)
    except OSError:
        counts[f"{kind} not connected"] += 1
        await asyncio.sleep(1)
        return
    counts[f"{kind} begun"] += 1
    try:
        writer.write(start)
        while not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    while await reader.read(1000):
                        pass
        counts[f"{kind} closed"] += 1
    except OSError:
        counts[f"{kind} closed"] += 1
    finally:
        writer.close()


async def _hostile(address: str, pause: float, counts: Counter[str]) -> None:
    pictures = hostile_pictures()
    async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
        while True:
            for name, content in pictures.items():
                started = time.monotonic()
                try:
                    code = str((await client.post(f"{address}/predict", content=content)).status_code)
                except httpx.HTTPError as error:
                    code = type(error).__name__
                counts[f"hostile {name} {code}"] += 1
                await asyncio.sleep(max(0.0, pause - (time.monotonic() - started)))


def hostile_pictures() -> dict[str, bytes]:
    """Name to bytes of small pictures that ask for much memory or time."""
    return {
        "hidden size": _jpeg_of_two_sizes(),
        "many scans": _jpeg_of_many_scans(),
        "huge claim": _png(40_000, 25_000, b""),
        "many texts": _png(640, 480, _texts(300)),
        "cut short": picture(whole=False)[:3000],
        "noise": np.random.default_rng(1).bytes(100_000),
    }


def _jpeg_of_two_sizes() -> bytes:
    """1 kB that some readers take for 48x48, behind garbage that the decoder skips, and libjpeg for more."""
    hidden = _sized(_grey_jpeg(progressive=False), 0xC0, 32_000, 32_000)[2:]
    small = bytes(cv2.imencode(".jpg", np.full((48, 48), 128, np.uint8))[1])
    return b"\xff\xd8\xff\x00" + struct.pack(">H", 2 + len(hidden)) + hidden + small[2:]


def _jpeg_of_many_scans() -> bytes:
    """600 kB of a progressive picture of 40 megapixels, each empty scan of which costs a pass over it."""
    head = _sized(_grey_jpeg(progressive=True), 0xC2, 6300, 6300)[:-2]
    return head + b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" * 60_000 + b"\xff\xd9"


def _grey_jpeg(*, progressive: bool) -> bytes:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if progressive else []
    return bytes(cv2.imencode(".jpg", np.full((16, 16), 128, np.uint8), options)[1])


def _sized(content: bytes, marker: int, width: int, height: int) -> bytes:
    """A JPEG whose frame claims another size."""
    changed, place = bytearray(content), 2
    while changed[place + 1] != marker:
        place += 2 + struct.unpack_from(">H", changed, place + 2)[0]
    struct.pack_into(">HH", changed, place + 5, height, width)
    return bytes(changed)


def _texts(number: int) -> bytes:
    return _chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(4 << 20))) * number


def _png(width: int, height: int, between: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(min(height * (width + 1), 1 << 20)))
    start, end = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header), _chunk(b"IEND", b"")
    return start + between + _chunk(b"IDAT", rows) + end


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def in_words(result: dict[str, Any]) -> str:
    """The figures for people."""
    milliseconds, memory = result["ordinary_milliseconds"], result["memory_mib"]
    ordinary = {name: number for name, number in result["counts"].items() if name.startswith("ordinary")}
    crowd = f"{result['slow_heads']} slow heads, {result['slow_bodies']} slow bodies"
    return (
        f"{crowd}, {result['hostile']} hostile pictures a minute, {result['seconds']} s: an ordinary client "
        f"waits p50 {milliseconds['p50']} ms, p99 {milliseconds['p99']} ms, "
        f"at most {milliseconds['most']} ms; {ordinary}; "
        f"memory {memory['before']} MiB before, at most {memory['most']}, {memory['after']} after; "
        f"load {result['load_average']}"
    )


def _memory_of(process: int) -> int:
    """Memory of a process and of those that it started, MiB."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    total = 0
    for number in [process, *map(int, children)]:
        with contextlib.suppress(OSError):  # a worker that has just ended
            total += resident_bytes(number)
    return round(total / (1 << 20))


if __name__ == "__main__":
    main()
