"""Component split: stage split."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Markdown, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def split(
    seed: int,
    split: str,
    raw: Input[Dataset],
    filtered: Input[Dataset],
    earlier: Input[Artifact],
    subsets: Output[Dataset],
    reports: Output[Artifact],
    summary: Output[Markdown],
):
    """Find duplicates and share the images out to train, validation and test.

    Args:
        seed: Of the draws.
        split: Section `split` of params.yaml, as JSON.
        raw: Folder `data/raw`.
        filtered: Folder `data/filtered`.
        earlier: Reports of the steps before.
        subsets: Folder `data/split`.
        reports: Those and this step's.
        summary: Images by subset and emotion.
    """
    from ferflow.cluster import steps

    steps.split(
        seed,
        split,
        raw=raw.path,
        filtered=filtered.path,
        earlier=earlier.path,
        output=subsets.path,
        reports=reports.path,
        summary=summary.path,
    )
