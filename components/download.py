"""Component download: stage download."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Markdown, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def download(
    seed: int, download: str, raw: Output[Dataset], reports: Output[Artifact], summary: Output[Markdown]
):
    """Decode, check and index the images of the source; bring the face detector.

    Args:
        seed: Of the sample.
        download: Section `download` of params.yaml, as JSON.
        raw: Folder `data/raw`.
        reports: Folder with the report.
        summary: Images by emotion and usage.
    """
    from ferflow.cluster import steps

    steps.download(seed, download, raw=raw.path, reports=reports.path, summary=summary.path)
