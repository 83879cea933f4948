"""Component register: `ferflow register`."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Markdown, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    params: Input[Artifact],
    subsets: Input[Dataset],
    model: Input[Model],
    earlier: Input[Artifact],
    scored_journals: Input[Artifact],
    run_id: str,
    url: str,
    work_dir: str,
    registration: Output[Markdown],
):
    """Register the model in MLflow; the gate decides whether it becomes champion.

    Args:
        params: The parameter file.
        subsets: Folder `data/split`.
        model: The network.
        earlier: Reports of the steps before.
        scored_journals: What MLflow was told of training and evaluation.
        run_id: Of this pipeline's run.
        url: Of Kubeflow's pages.
        work_dir: Folder that outlives the pod.
        registration: Version, decision and links; its metadata name the MLflow run.
    """
    from ferflow.cluster import steps
    from ferflow.cluster.workspace import PipelineRun

    found = steps.register(
        PipelineRun(run_id, url, work_dir),
        params=params.path,
        split=subsets.path,
        model=model.path,
        earlier=earlier.path,
        scored_journals=scored_journals.path,
        summary=registration.path,
    )
    registration.metadata.update(found)
