"""Sections of the parameters on their way through a pipeline."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ferflow.errors import ParamsError
from ferflow.params import Params, check_params, describe_problem
from ferflow.params.yaml_text import parse_yaml

Section = TypeVar("Section", bound=BaseModel)


def parse_params(text: str) -> Params:
    """The parameters that the text of a parameter file holds.

    Args:
        text: YAML, as `params.yaml` holds it.

    Raises:
        ParamsError: It is not YAML, or a key or value is wrong.
    """
    origin = "pipeline input params"
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise ParamsError(f"{origin}: not YAML ({error}); give the text of a params.yaml") from error
    if not isinstance(content, dict):
        raise ParamsError(
            f"{origin}: holds {type(content).__name__}, expected a mapping of sections; give the text of a "
            "params.yaml"
        )
    return check_params(content, origin=origin)


def check_section(kind: type[Section], name: str, text: str) -> Section:
    """A section that came as a pipeline value, checked.

    Args:
        kind: Its class in `ferflow.params`.
        name: Its key in `params.yaml`.
        text: The section as JSON. kfp's mappings would not do: they know neither null nor whole numbers.

    Raises:
        ParamsError: Names every wrong key with its value and what is allowed.
    """
    try:
        return kind.model_validate(json.loads(text))
    except ValueError as error:
        if not isinstance(error, ValidationError):
            raise ParamsError(f"step input {name}: not JSON ({error}); give section {name} as JSON") from None
        problems = [describe_problem({**found, "loc": (name, *found["loc"])}) for found in error.errors()]
    raise ParamsError(f"step input {name}: " + "\n  ".join(problems))
