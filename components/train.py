"""Component train: stage train."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    params: Input[Artifact],
    subsets: Input[Dataset],
    earlier: Input[Artifact],
    run_id: str,
    url: str,
    work_dir: str,
    model: Output[Model],
    reports: Output[Artifact],
    journals: Output[Artifact],
    metrics: Output[Metrics],
    curves: Output[HTML],
):
    """Train the network; a pod that is tried again goes on from its last epoch.

    Args:
        params: The parameter file.
        subsets: Folder `data/split`.
        earlier: Reports of the steps before.
        run_id: Of this pipeline's run.
        url: Of Kubeflow's pages.
        work_dir: Folder that outlives the pod.
        model: The network, in Keras' format.
        reports: Those of the steps before and this one's.
        journals: What MLflow is told of the run.
        metrics: Figures of the training.
        curves: Accuracy and loss by epoch.
    """
    from ferflow.cluster import figures, steps
    from ferflow.cluster.workspace import PipelineRun

    report = steps.train(
        PipelineRun(run_id, url, work_dir),
        params=params.path,
        split=subsets.path,
        earlier=earlier.path,
        model=model.path,
        reports=reports.path,
        journals=journals.path,
        page=curves.path,
    )
    figures.log_figures(metrics, report)
