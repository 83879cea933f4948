"""The process in the box: pictures in by standard input, pixels out by standard output, within limits.

A message is the length of its JSON head (4 bytes), the head, and bytes. The head of a request names what is
wanted, the bounds, and the lengths of the files that follow; the head of an answer has an entry a file: its
shape, or why it cannot be used; the pixels follow. Nothing is unpickled on either side.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np

from ferflow.data.decoding.picture_header import BadImageError
from ferflow.data.decoding.pictures import decode_picture
from ferflow.data.images import to_grey_face
from ferflow.data.store import Images

HEAD = struct.Struct(">I")


def limit_memory(num_bytes: int) -> None:
    """Let this process have so many bytes more than now; nothing where the platform has no such limit."""
    try:
        import resource  # Late: Windows has none.

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + num_bytes
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return  # Windows, macOS: the bounds of sizes and the time limit of the parent hold there.


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while len(length := requests.read(HEAD.size)) == HEAD.size:
        request: dict[str, Any] = json.loads(requests.read(HEAD.unpack(length)[0]))
        files = [requests.read(size) for size in request["sizes"]]
        decoded = [_decoded(content, request) for content in files]
        head = json.dumps([entry for entry, _ in decoded]).encode()
        answers.write(HEAD.pack(len(head)) + head)
        for _, pixels in decoded:
            if pixels is not None:
                answers.write(np.ascontiguousarray(pixels).data)
        answers.flush()


def _decoded(content: bytes, request: dict[str, Any]) -> tuple[dict[str, Any], Images | None]:
    try:
        picture = decode_picture(
            content, max_pixels=request["max_pixels"], limit=request["limit"], by_opencv=True
        )
        pixels = to_grey_face(picture.pixels) if request["faces"] else picture.pixels
    except BadImageError as error:
        return {"error": str(error)}, None
    except MemoryError:
        return {"error": "needs more memory to decode than the limit; make it smaller"}, None
    entry = {"shape": pixels.shape, "width": picture.width, "height": picture.height, "scale": picture.scale}
    return entry, pixels


def main() -> None:
    """Serve the process that started this one; the first argument is the limit of memory in bytes."""
    # Late: the functions of this module are also used where OpenCV is not, or is set otherwise.
    import cv2

    cv2.setNumThreads(1)
    limit_memory(int(sys.argv[1]))
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
