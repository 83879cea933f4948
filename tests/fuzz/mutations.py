"""Good inputs made bad, by a source of random numbers that Hypothesis can lead."""

from __future__ import annotations

import struct
from random import Random

_MAX_EDITS = 6
_NUMBERS = (0, 1, -1, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_WORDS = (
    *(b"\0", b"\xff", b"\xff\x00", b"\xff\xd9", b"\xff\xda", b"%00", b"\xc0\x80", b"\xed\xa0\x80"),
    *(b"[", b"{", b'"', b"'", b",", b":", b"@", b"/", b"#", b"?", b"%", b"&", b"..", b"-1", b"1e999", b"NaN"),
    *(b"\r\n", b"\n\n", b"null", b"true", b"[]", b"{}", b"!!python/object:os.system", b"&a [*a]"),
    *(b"9" * 40, b"A" * 600),
)


def mutated(seeds: list[bytes], random: Random) -> bytes:
    """One of the seeds with up to six edits: bytes flipped, cut, doubled, moved, numbers and words put in."""
    content = bytearray(seeds[random.randrange(len(seeds))])
    for _ in range(random.randint(1, _MAX_EDITS)):
        if not content:
            break
        _EDITS[random.randrange(len(_EDITS))](content, random)
    return bytes(content)


def _flip(content: bytearray, random: Random) -> None:
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _replace(content: bytearray, random: Random) -> None:
    content[random.randrange(len(content))] = random.randrange(256)


def _cut(content: bytearray, random: Random) -> None:
    start = random.randrange(len(content))
    del content[start : start + random.randint(1, max(1, len(content) // 2))]


def _end(content: bytearray, random: Random) -> None:
    del content[random.randrange(len(content)) :]


def _double(content: bytearray, random: Random) -> None:
    start = random.randrange(len(content))
    piece = content[start : start + random.randint(1, 64)]
    content[start:start] = piece * random.choice((1, 2, 50))


def _move(content: bytearray, random: Random) -> None:
    start, to = random.randrange(len(content)), random.randrange(len(content))
    piece = content[start : start + random.randint(1, 64)]
    content[to : to + len(piece)] = piece


def _number(content: bytearray, random: Random) -> None:
    value, order = random.choice(_NUMBERS), random.choice("<>")
    size, kind = random.choice(((1, "B"), (2, "H"), (4, "I"), (8, "Q")))
    start = random.randrange(len(content))
    content[start : start + size] = struct.pack(order + kind, value % (1 << (8 * size)))


def _word(content: bytearray, random: Random) -> None:
    start = random.randrange(len(content))
    content[start : start + random.choice((0, 1, 4))] = random.choice(_WORDS)


_EDITS = (_flip, _replace, _cut, _end, _double, _move, _number, _word)
