"""Paths as people write them: `~` and `$VARIABLES` mean what they mean in a shell."""

from __future__ import annotations

import os
import re

from ferflow.errors import ParamsError

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def unset_variables(text: str) -> list[str]:
    """Names of the environment variables in a path that are not set."""
    return [
        first or second for first, second in _VARIABLE.findall(text) if (first or second) not in os.environ
    ]


def typed(text: str, *, key: str) -> str:
    """What a path means that was typed; a file that has just this name is meant by it.

    Args:
        text: As it was typed.
        key: The option, for the message.

    Raises:
        ParamsError: A variable is not set.
    """
    return text if os.path.lexists(text) else expanded(text, key=key)


def expanded(text: str, *, key: str) -> str:
    """A path with `~` and environment variables replaced.

    Args:
        text: As it was written.
        key: The key of the parameter or option, for the message.

    Raises:
        ParamsError: A variable is not set.
    """
    unset = unset_variables(text)
    if unset:
        raise ParamsError(
            f"{key}: {text!r} names the variable {', '.join(unset)}, which is not set; set it (export "
            f"{unset[0]}=...), or write the path in full"
        )
    return os.path.expandvars(os.path.expanduser(text))  # noqa: PTH111
