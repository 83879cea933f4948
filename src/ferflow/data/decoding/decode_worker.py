"""The process in the box: pictures in by standard input, pixels out by standard output, within limits.

A message is the length of its JSON head (4 bytes), the head, and bytes. The head of a request names what is
wanted, the bounds, and the lengths of the files that follow; the head of an answer has an entry a file: six
numbers of its picture, or why it cannot be used; all pixels follow. Nothing is unpickled on either side.
"""

from __future__ import annotations

import json
import struct
import sys
from itertools import accumulate
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ferflow.data.decoding.pictures import decode_picture
from ferflow.data.images import to_grey_face
from ferflow.data.process_limits import limit_memory
from ferflow.errors import BadImageError

if TYPE_CHECKING:
    from ferflow.data.store import Images

HEAD = struct.Struct(">I")


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while len(length := requests.read(HEAD.size)) == HEAD.size:
        request: dict[str, Any] = json.loads(requests.read(HEAD.unpack(length)[0]))
        files = requests.read(sum(request["sizes"]))
        ends = list(accumulate(request["sizes"]))
        starts = [0, *ends[:-1]]
        decoded = [_decoded(files[start:end], request) for start, end in zip(starts, ends, strict=True)]
        head = json.dumps([entry for entry, _ in decoded]).encode()
        pixels = (np.ascontiguousarray(found).data for _, found in decoded if found is not None)
        answers.write(b"".join([HEAD.pack(len(head)), head, *pixels]))
        answers.flush()


def _decoded(content: bytes, request: dict[str, Any]) -> tuple[str | list[int], Images | None]:
    """Height, width and channels of the pixels, width, height and scale of the picture, and the pixels."""
    try:
        picture = decode_picture(
            content, max_pixels=request["max_pixels"], limit=request["limit"], by_opencv=True
        )
        pixels = to_grey_face(picture.pixels) if request["faces"] else picture.pixels
    except BadImageError as error:
        return str(error), None
    except MemoryError:
        return "needs more memory to decode than the limit; make it smaller", None
    height, width, *channels = pixels.shape
    return [height, width, *(channels or [1]), picture.width, picture.height, picture.scale], pixels


def main() -> None:
    """Serve the process that started this one; the first argument is the limit of memory in bytes."""
    # Late: the functions of this module are also used where OpenCV is not, or is set otherwise.
    import cv2

    cv2.setNumThreads(1)
    limit_memory(int(sys.argv[1]))
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
