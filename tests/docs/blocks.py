"""The fenced blocks of a page: commands, Python, and what the page says that these print.

A fence without a word holds commands, `python` code, and `text` what the block before it printed. A comment
before a fence, `<!-- not run: REASON -->`, takes a block out; one that begins with a command in backticks,
``<!-- not run: `make test`: REASON -->``, takes out that line of the block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!-- not run: (?:`(?P<line>[^`]+)`: )?(?P<reason>.*?) -->", re.DOTALL)
_KINDS = ("", "python", "text")


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes:
        page: The file's name.
        line: The number of the line of its fence.
        kind: Empty for commands, `python` or `text`.
        body: What stands in it.
        marked: Lines that are not run, to the reason; an empty line stands for the whole block.
    """

    page: str
    line: int
    kind: str
    body: str
    marked: dict[str, str]

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"

    @property
    def is_left_out(self) -> bool:
        """Whether none of it runs."""
        return "" in self.marked

    def commands(self) -> list[str]:
        """Its lines that run, without comments."""
        lines = [line.partition(" #")[0].strip() for line in self.body.splitlines()]
        return [line for line in lines if line and line not in self.marked]


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page, in order.

    Raises:
        ValueError: A fence has another word, or a comment names a line that its block lacks.
    """
    text = path.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for fence in _FENCE.finditer(text):
        place = f"{path.name}:{text.count(chr(10), 0, fence.start()) + 1}"
        if fence["kind"] not in _KINDS:
            raise ValueError(f"{place}: a block of {fence['kind']!r}, expected one of {', '.join(_KINDS)}")
        # Right before the fence, blank lines aside.
        before = re.search(r"((?:<!--(?:(?!-->).)*-->\s*)*)\Z", text[end : fence.start()], re.DOTALL)
        marked = {
            mark["line"] or "": mark["reason"] for mark in _COMMENT.finditer(before[1] if before else "")
        }
        lines = {line.partition(" #")[0].strip() for line in fence["body"].splitlines()}
        if unknown := set(marked) - lines - {""}:
            raise ValueError(f"{place}: marks {unknown.pop()!r}, which is no line of the block")
        found.append(Block(path.name, int(place.rpartition(":")[2]), fence["kind"], fence["body"], marked))
        end = fence.end()
    return found


def shape(text: str) -> list[str]:
    """What stays of printed lines where figures, names of classes, ids, times and folders differ."""
    changes = (
        (r"\b(angry|disgust|fear|happy|neutral|sad|surprise)\b", "CLASS"),
        (r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", "ID"),
        (r"[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?", "0"),
        (r"(?<==)/\S*/", ""),
        (r"[-\u2500\u2501]{2,}", "--"),
        (r"\s+", " "),
    )
    lines = []
    for line in text.splitlines():
        for pattern, replacement in changes:
            line = re.sub(pattern, replacement, line)
        lines.append(line.strip())
    return [line for line in lines if line]
