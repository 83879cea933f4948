"""What all sections of the parameters share: strict, locked models, and the kinds of numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ferflow.places import expanded, unset_variables


def _in_full(value: str) -> str:
    unset = unset_variables(value)
    if unset:
        raise PydanticCustomError(
            "unset_variable",
            "a path; it names the variable {name}, which is not set: set it (export {name}=...), or write "
            "the path in full",
            {"name": unset[0]},
        )
    return expanded(value, key="")


# A path, or a word that stands for one: `~` and `$VARIABLES` mean what they mean in a shell.
PathText = Annotated[str, AfterValidator(_in_full)]

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Dropout = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Section(BaseModel):
    """A section of `params.yaml`: an unknown key or a value of another type is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
