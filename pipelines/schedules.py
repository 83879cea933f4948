"""Recurring runs: the same pipeline again and again, by a cron line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ferflow.errors import ParamsError
from pipelines.errors import PipelineError
from pipelines.runs import entries
from pipelines.server import Cluster

_TIMEOUT = (10, 60)  # Seconds to connect, and to answer.
_PAGE = 100
_SHORTCUTS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


@dataclass(frozen=True)
class Schedule:
    """A recurring run.

    Attributes:
        schedule_id: Given by the server.
        name: For people.
        cron: When it runs, with the seconds in front.
        is_on: Whether it runs at all.
        error: What keeps it from running; empty where nothing does.
    """

    schedule_id: str
    name: str
    cron: str
    is_on: bool
    error: str


def parse_cron(text: str) -> str:
    """A cron line as Kubeflow wants it: six fields, the seconds in front.

    Args:
        text: Five fields as in crontab, six, or a word such as `@daily`.

    Raises:
        ParamsError: It is neither.
    """
    line = " ".join(text.split())
    fields = line.split(" ")
    if line in _SHORTCUTS or (len(fields) == 6 and all(map(_is_field, fields))):
        return line
    if len(fields) == 5 and all(map(_is_field, fields)):
        return f"0 {line}"
    raise ParamsError(
        f"--schedule: {text!r} found, expected five fields as in crontab (minute, hour, day, month, "
        "weekday), such as '0 3 * * 1' for Mondays at 3:00 UTC, six with the seconds in front, or one of "
        f"{', '.join(_SHORTCUTS)}"
    )


def _is_field(field: str) -> bool:
    return bool(field) and all(letter.isalnum() or letter in "*/,-?" for letter in field)


class Schedules:
    """The recurring runs of the experiment.

    Args:
        cluster: Where they are.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def add(
        self, name: str, cron: str, *, experiment: str, version: tuple[str, str], params: dict[str, Any]
    ) -> Schedule:
        """Have a pipeline run again and again; one run at a time, and none is caught up on.

        Args:
            name: Of the schedule.
            cron: As `parse_cron` gives it.
            experiment: Id of the experiment.
            version: Ids of the pipeline and its version.
            params: Inputs of the pipeline.

        Raises:
            PipelineError: The server cannot be reached or refuses.
        """
        pipeline_id, version_id = version
        with self._cluster.errors() as (api, client):
            wanted = api.V2beta1RecurringRun(
                display_name=name,
                experiment_id=experiment,
                pipeline_version_reference=api.V2beta1PipelineVersionReference(
                    pipeline_id=pipeline_id, pipeline_version_id=version_id
                ),
                runtime_config=api.V2beta1RuntimeConfig(parameters=params),
                service_account=self._cluster.server.service_account,
                max_concurrency="1",
                no_catchup=True,
                mode="ENABLE",
                trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=cron)),
            )
            service = api.RecurringRunServiceApi(client)
            return _read(
                service.recurring_run_service_create_recurring_run(wanted, _request_timeout=_TIMEOUT)
            )

    def all(self) -> list[Schedule]:
        """The recurring runs, the newest first.

        Raises:
            PipelineError: The server cannot be reached or refuses.
        """
        experiment = self._cluster.experiment()
        with self._cluster.errors() as (api, client):
            found = api.RecurringRunServiceApi(client).recurring_run_service_list_recurring_runs(
                experiment_id=experiment,
                page_size=_PAGE,
                sort_by="created_at desc",
                _request_timeout=_TIMEOUT,
            )
            return [_read(entry) for entry in entries(client, found, "recurring_runs")]

    def change(self, action: str, schedule_id: str) -> None:
        """Pause, resume or end a recurring run.

        Args:
            action: `pause`, `resume` or `end`.
            schedule_id: Of the recurring run.

        Raises:
            PipelineError: There is no such one, or the server cannot be reached or refuses.
        """
        verb = {"pause": "disable", "resume": "enable", "end": "delete"}[action]
        absent = (
            f"there is no schedule {schedule_id}; see 'python -m pipelines schedules' for those there are"
        )
        with self._cluster.errors(absent) as (api, client):
            service = api.RecurringRunServiceApi(client)
            call = getattr(service, f"recurring_run_service_{verb}_recurring_run")
            call(schedule_id, _request_timeout=_TIMEOUT)


def _read(entry: Any) -> Schedule:
    if not entry.recurring_run_id:
        raise PipelineError("the answer holds no id of the schedule; see 'python -m pipelines schedules'")
    schedule = entry.trigger.cron_schedule if entry.trigger else None
    error = entry.error.message if entry.error and entry.error.message else ""
    return Schedule(
        schedule_id=str(entry.recurring_run_id),
        name=str(entry.display_name),
        cron=str(schedule.cron) if schedule else "",
        is_on=entry.status == "ENABLED" or (entry.status is None and entry.mode == "ENABLE"),
        error=" ".join(error.split()),
    )
