"""Pipeline `sweep`: split once, workers on one study, then train the best, evaluate, register."""

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.tune_best import tune_best
from components.tune_worker import tune_worker
from pipelines.settings import Settings
from pipelines.wiring import Wiring


def sweep_pipeline(settings: Settings, *, work_dir: str, url: str) -> BaseComponent:
    """The pipeline that searches for better parameters and trains with the best.

    Args:
        settings: Of the cluster.
        work_dir: Folder that outlives a pod; empty where there is none.
        url: Of Kubeflow's pages; empty where there are none.
    """
    wiring = Wiring(settings, work_dir, url)

    @dsl.pipeline(name="ferflow-sweep", description="Search for better parameters, train with the best.")
    def sweep(params: str):  # type: ignore[no-untyped-def]
        with dsl.ExitHandler(wiring.exit_task()):
            checked, data = wiring.data(params)
            subsets = data.outputs["subsets"]
            workers, at_once = settings.sweep.workers, settings.sweep.parallelism or 0  # kfp: 0 for all.
            with dsl.ParallelFor(list(range(workers)), name="workers", parallelism=at_once) as worker:
                tried = wiring.tracked(
                    tune_worker,
                    worker=worker,
                    last_try=settings.steps.tune_worker.retries,
                    params=checked,
                    subsets=subsets,
                )
            best = wiring.tracked(tune_best, params=checked, subsets=subsets).after(tried)
            wiring.training(best.outputs["best"], data)

    return sweep
