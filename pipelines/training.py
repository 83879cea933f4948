"""Pipeline `training`: download, face-filter, split, train, evaluate, register."""

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from pipelines.settings import Settings
from pipelines.wiring import Wiring


def training_pipeline(settings: Settings, *, work_dir: str, url: str) -> BaseComponent:
    """The pipeline that trains one model.

    Args:
        settings: Of the cluster.
        work_dir: Folder that outlives a pod; empty where there is none.
        url: Of Kubeflow's pages; empty where there are none.
    """
    wiring = Wiring(settings, work_dir, url)

    @dsl.pipeline(name="ferflow-training", description="Train one model, score and register it.")
    def training(params: str):  # type: ignore[no-untyped-def]
        with dsl.ExitHandler(wiring.exit_task()):
            checked, data = wiring.data(params)
            wiring.training(checked, data)

    return training
