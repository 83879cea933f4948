"""Component tune-worker: `ferflow tune`, one of several at the same time."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def tune_worker(
    worker: int,
    last_try: int,
    params: Input[Artifact],
    subsets: Input[Dataset],
    run_id: str,
    url: str,
    work_dir: str,
    metrics: Output[Metrics],
):
    """Take one trial after the other until the study has enough.

    Args:
        worker: Number of the worker.
        last_try: Number of the last try that the step has, from 0; one that ends the worker ends it well.
        params: The parameter file; section `tune` says what is searched.
        subsets: Folder `data/split`.
        run_id: Of this pipeline's run; the study is named after it.
        url: Of Kubeflow's pages.
        work_dir: Folder that outlives the pod.
        metrics: How the study stood at the end.
    """
    from ferflow.cluster import figures, sweep_steps
    from ferflow.cluster.workspace import PipelineRun

    found = sweep_steps.tune_worker(
        PipelineRun(run_id, url, work_dir),
        worker,
        last_try=last_try,
        params=params.path,
        split=subsets.path,
    )
    figures.log_figures(metrics, found)
