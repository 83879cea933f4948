"""Component report-end: the exit handler."""

from kfp import dsl
from kfp.dsl import PipelineTaskFinalStatus

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report_end(run_id: str, url: str, tells_success: bool, status: PipelineTaskFinalStatus):
    """Tell how the run ended, also when a step failed.

    Args:
        run_id: Of this pipeline's run.
        url: Of Kubeflow's pages.
        tells_success: Whether the webhook is told of a run that ends well, too.
        status: What Kubeflow says of the steps.
    """
    from ferflow.cluster.exits import report_end
    from ferflow.cluster.workspace import PipelineRun

    report_end(
        PipelineRun(run_id, url, ""),
        state=status.state,
        message=status.error_message or "",
        tells_success=tells_success,
    )
