"""Component tune-best: the best values of a sweep as a parameter file."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Markdown, Metrics, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def tune_best(
    params: Input[Artifact],
    subsets: Input[Dataset],
    run_id: str,
    url: str,
    work_dir: str,
    best: Output[Artifact],
    metrics: Output[Metrics],
    summary: Output[Markdown],
    report: Output[HTML],
):
    """Write the best trial's values into the parameter file.

    Args:
        params: The parameter file.
        subsets: Folder `data/split`.
        run_id: Of this pipeline's run; the study is named after it.
        url: Of Kubeflow's pages.
        work_dir: Folder that outlives the pod.
        best: The parameter file with the best values.
        metrics: How the study ended.
        summary: The best values.
        report: The page about the study.
    """
    from ferflow.cluster import figures, sweep_steps
    from ferflow.cluster.workspace import PipelineRun

    found = sweep_steps.tune_best(
        PipelineRun(run_id, url, work_dir),
        params=params.path,
        split=subsets.path,
        best=best.path,
        summary=summary.path,
        page=report.path,
    )
    figures.log_figures(metrics, found)
