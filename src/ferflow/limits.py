"""What a file may ask for at most before anything is done about it; `docs/security.md` gives the reasons.

Counts and bytes of a source as a whole are keys of `params.yaml` (`download.max_members` and its like):
a user may have more. These here are of single pieces that no honest file comes near to.
`tests/test_limits.py` feeds each of them one more than it takes.
"""

from __future__ import annotations

import json
from typing import Any

# Characters of a path inside a source, as it is printed. Tables keep names in columns of fixed width, so
# that one long name costs its length for each row: 200,000 rows of 512 characters are 400 MB.
MAX_NAME_CHARACTERS = 512

# Bytes of a tar's headers before a member: pax and GNU long names. Their records at most, as well.
MAX_TAR_HEADER_BYTES = 1 << 20
MAX_TAR_RECORDS = 1000
# Digits in a row in such a header: Python 3.11 searches them in quadratic time.
MAX_TAR_DIGITS = 64

# Bytes of a zip's directory, which is read as a whole; more where `max_members` allows for more.
MAX_ZIP_DIRECTORY_BYTES = 64 << 20
ZIP_DIRECTORY_BYTES_PER_MEMBER = 256
# Bytes of the list of a 7z or RAR archive, as the process that unpacks it gives it.
MAX_FOREIGN_LIST_BYTES = 64 << 20

# Characters of a line of a CSV source: one of FER-2013 has about 9,000.
MAX_CSV_LINE_CHARACTERS = 100_000
# Characters of a cell of an index that a stage wrote: the longest is a name.
MAX_INDEX_CELL_CHARACTERS = 1024

# Bytes and nesting of a state file or report: the largest real one has some megabytes, and 8 levels.
MAX_JSON_BYTES = 256 << 20
MAX_JSON_DEPTH = 100

# Values of a parameter file, aliases put in: a real one has some hundred.
MAX_YAML_VALUES = 100_000


def parse_json(text: str | bytes) -> Any:
    """`json.loads` within the limits.

    Raises:
        ValueError: The text is no JSON, too large or nested too deeply; the text says which.
    """
    if len(text) > MAX_JSON_BYTES:
        raise ValueError(f"{len(text):,} bytes of JSON, more than {MAX_JSON_BYTES:,}")
    try:
        content = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    _check_depth(content)
    return content


def dict_of(content: object) -> dict[str, Any]:
    """Parsed JSON that is to be an object.

    Raises:
        ValueError: It is something else; the text says what.
    """
    if not isinstance(content, dict):
        raise ValueError(f"holds {type(content).__name__}, expected an object")
    return content


def _check_depth(content: Any) -> None:
    """See that no list or object lies deeper than the limit: what walks it next may recurse."""
    level = [content]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError(f"JSON nested in more than {MAX_JSON_DEPTH} levels")
