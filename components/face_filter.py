"""Component face-filter: stage face-filter."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def face_filter(
    face_filter: str,
    raw: Input[Dataset],
    earlier: Input[Artifact],
    filtered: Output[Dataset],
    reports: Output[Artifact],
    dropped: Output[HTML],
):
    """Drop the images that show no face.

    Args:
        face_filter: Section `face_filter` of params.yaml, as JSON.
        raw: Folder `data/raw`.
        earlier: Reports of the steps before.
        filtered: Folder `data/filtered`.
        reports: Those and this step's.
        dropped: What was dropped, as pictures.
    """
    from ferflow.cluster import steps

    steps.face_filter(
        face_filter,
        raw=raw.path,
        earlier=earlier.path,
        filtered=filtered.path,
        reports=reports.path,
        page=dropped.path,
    )
