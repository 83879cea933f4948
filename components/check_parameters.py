"""Component check-parameters: a wrong key ends the run before anything costs time."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def check_parameters(text: str, params: Output[Artifact]) -> NamedTuple(
    "Sections", [("seed", int), ("download", str), ("face_filter", str), ("split", str)]
):
    """Check the text of a params.yaml; keep it, and take the data steps' sections from it.

    Args:
        text: The parameter file.
        params: The same as a file.
    """
    from ferflow.cluster import steps

    return steps.check_parameters(text, params=params.path)
