"""Recurring runs, and what versions of Kubeflow know."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from ferflow.errors import ParamsError
from pipelines.cli import app
from pipelines.errors import PipelineError
from pipelines.schedules import parse_cron
from pipelines.settings import changed, load_settings
from pipelines.versions import FEATURES, parse_version, warnings
from tests.conftest import REPOSITORY
from tests.pipelines.compiled import CLUSTER

_PARAMS = str(REPOSITORY / "params.yaml")


def _invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_a_schedule_is_made_listed_paused_resumed_and_ended(server, config):
    file = config()
    made = _invoke("submit", "--config", file, "--params", _PARAMS, "--schedule", "0 3 * * 1")
    assert made.output == "schedule recurring_run-1  0 0 3 * * 1  training sample\n", made.exception
    (entry,) = server.schedules.values()
    assert entry["max_concurrency"] == "1"
    assert entry["no_catchup"] is True
    assert server.runs == {}
    listed = "recurring_run-1  {state:<6}  0 0 3 * * 1       training sample\n"
    assert _invoke("schedules", "--config", file).output == listed.format(state="on")
    for action, state in (("pause", "paused"), ("resume", "on")):
        done = _invoke("schedules", action, "recurring_run-1", "--config", file)
        assert done.output == f"schedule recurring_run-1: {action} done\n"
        assert _invoke("schedules", "--config", file).output == listed.format(state=state)
    _invoke("schedules", "end", "recurring_run-1", "--config", file)
    assert server.schedules == {}
    assert "no schedules yet" in _invoke("schedules", "--config", file).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pause"], "give the schedule's id"),
        (["stop", "1"], "'stop' found, expected list, pause, resume or end"),
        (
            ["end", "recurring_run-9"],
            "there is no schedule recurring_run-9; see 'python -m pipelines schedules'",
        ),
    ],
)
def test_a_wrong_use_names_the_right_one(server, config, arguments, said):
    done = _invoke("schedules", *arguments, "--config", config())
    assert isinstance(done.exception, PipelineError | ParamsError)
    assert said in str(done.exception)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0 3 * * 1", "0 0 3 * * 1"),
        ("30 0 3 * * 1", "30 0 3 * * 1"),
        ("@daily", "@daily"),
        (" 5  4 * * *", "0 5 4 * * *"),
    ],
)
def test_cron_lines_get_the_seconds_that_kubeflow_wants(text, wanted):
    assert parse_cron(text) == wanted


@pytest.mark.parametrize("text", ["", "daily", "@reboot", "1 2 3", "1 2 3 4 5 6 7", "; rm * * * *"])
def test_what_is_no_cron_line_is_refused_with_an_example(text):
    with pytest.raises(ParamsError, match=r"--schedule: .* found, expected five fields as in crontab"):
        parse_cron(text)


def test_schedule_and_wait_exclude_each_other(config):
    done = _invoke("submit", "--config", config(), "--params", _PARAMS, "--schedule", "@daily", "--wait")
    assert "--schedule and --wait: only one of them" in str(done.exception)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("2.14.3", (2, 14, 3)), ("v2.5.0-rc.1", (2, 5, 0)), ("2.17", (2, 17, 0)), ("dummy", None), ("", None)],
)
def test_versions_are_read(text, wanted):
    assert parse_version(text) == wanted


def test_only_what_the_settings_use_is_warned_of():
    settings = load_settings(CLUSTER)
    assert [line for line in warnings(settings, (2, 16, 0)) if "security" in line] == []
    secured = changed(settings, {"security.run_as_non_root": True})
    assert [line for line in warnings(secured, (2, 15, 0)) if "security" in line]
    assert warnings(settings, (2, 16, 0)) == []
    assert len(warnings(secured, (2, 2, 0))) == sum(feature.is_used(secured) for feature in FEATURES)


def test_the_table_of_versions_in_the_docs_is_the_one_of_the_code():
    text = (REPOSITORY / "docs" / "cluster.md").read_text(encoding="utf-8")
    for feature in FEATURES:
        assert f"| {feature.name} | {'.'.join(map(str, feature.least))} | {feature.without} |" in text
