"""How the steps are connected: the parts that both pipelines have in common."""

from __future__ import annotations

from typing import Any

from kfp import dsl
from kfp.dsl import PipelineTask
from kfp.dsl.base_component import BaseComponent

from components.check_parameters import check_parameters
from components.download import download
from components.evaluate import evaluate
from components.face_filter import face_filter
from components.register import register
from components.report_end import report_end
from components.split import split
from components.train import train
from pipelines.configure import configure
from pipelines.settings import Settings


class Wiring:
    """Makes tasks with their settings.

    Args:
        settings: Of the cluster.
        work_dir: Folder that outlives a pod; empty where there is none.
        url: Of Kubeflow's pages; empty where there are none.
    """

    def __init__(self, settings: Settings, work_dir: str, url: str) -> None:
        self._settings = settings
        self._url = url
        self._work_dir = work_dir

    def step(self, component: BaseComponent, **inputs: Any) -> PipelineTask:
        """A task of a component, with the settings of its step: the key of the component's name."""
        return configure(component(**inputs), component.name.replace("-", "_"), self._settings)

    def tracked(self, component: BaseComponent, **inputs: Any) -> PipelineTask:
        """The same, for a step that is told which run it belongs to."""
        return self.step(
            component,
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            url=self._url,
            work_dir=self._work_dir,
            **inputs,
        )

    def exit_task(self) -> PipelineTask:
        """The task that tells how the run ended."""
        return self.step(
            report_end,
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            url=self._url,
            tells_success=self._settings.notifications.success,
        )

    def data(self, text: Any) -> tuple[Any, PipelineTask]:
        """From the text of a parameter file to the split.

        Returns:
            The parameter file, and the task of the split.
        """
        checked = self.step(check_parameters, text=text).outputs
        loaded = self.step(download, seed=checked["seed"], download=checked["download"]).outputs
        filtered = self.step(
            face_filter,
            face_filter=checked["face_filter"],
            raw=loaded["raw"],
            earlier=loaded["reports"],
        ).outputs
        shared_out = self.step(
            split,
            seed=checked["seed"],
            split=checked["split"],
            raw=loaded["raw"],
            filtered=filtered["filtered"],
            earlier=filtered["reports"],
        )
        return checked["params"], shared_out

    def training(self, params: Any, data: PipelineTask) -> None:
        """From the split to the registered model."""
        shared = {"params": params, "subsets": data.outputs["subsets"]}
        trained = self.tracked(train, earlier=data.outputs["reports"], **shared).outputs
        shared["model"] = trained["model"]
        scored = self.tracked(
            evaluate, earlier=trained["reports"], trained_journals=trained["journals"], **shared
        ).outputs
        self.tracked(register, earlier=scored["reports"], scored_journals=scored["journals"], **shared)
