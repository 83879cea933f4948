"""Component evaluate: stage evaluate."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    params: Input[Artifact],
    subsets: Input[Dataset],
    model: Input[Model],
    earlier: Input[Artifact],
    trained_journals: Input[Artifact],
    run_id: str,
    url: str,
    work_dir: str,
    reports: Output[Artifact],
    journals: Output[Artifact],
    metrics: Output[Metrics],
    classes: Output[ClassificationMetrics],
    report: Output[HTML],
):
    """Score the test images once, with and without those that have a copy in train or val.

    Args:
        params: The parameter file.
        subsets: Folder `data/split`.
        model: The network.
        earlier: Reports of the steps before.
        trained_journals: What MLflow was told of the training.
        run_id: Of this pipeline's run.
        url: Of Kubeflow's pages.
        work_dir: Folder that outlives the pod.
        reports: Those of the steps before and this one's.
        journals: What MLflow is told of the run.
        metrics: Figures of the test images.
        classes: Confusion matrix, and ROC curve (micro-average).
        report: The report page.
    """
    from pathlib import Path

    from ferflow.cluster import figures, steps
    from ferflow.cluster.workspace import PipelineRun

    scores = steps.evaluate(
        PipelineRun(run_id, url, work_dir),
        params=params.path,
        split=subsets.path,
        model=model.path,
        earlier=earlier.path,
        trained_journals=trained_journals.path,
        reports=reports.path,
        journals=journals.path,
        page=report.path,
    )
    figures.log_figures(metrics, scores)
    figures.log_classes(classes, Path(reports.path) / "predictions.csv")
