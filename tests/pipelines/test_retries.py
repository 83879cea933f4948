"""The window of a step's tries, and a spot training under Argo's rule of retries."""

from __future__ import annotations

import pytest

from pipelines.settings import load_settings
from tests.pipelines.argo import Retry, run_on_spot
from tests.pipelines.compiled import CLUSTER, compiled_text, executors, parse, tasks

_HOUR = 3600.0
_SEEDS = range(200)
_SPOT = {"work": 12 * _HOUR, "lease": 2.5 * _HOUR, "queue": 600.0}


def _compiled(pipeline: str, step: str) -> Retry:
    """The strategy of a step in the compiled pipeline."""
    document, kubernetes = parse(compiled_text(pipeline))
    (task,) = (entry for entry in tasks(document).values() if entry["componentRef"]["name"] == f"comp-{step}")
    policy = task["retryPolicy"]
    return Retry(
        limit=policy["maxRetryCount"],
        wait=float(policy["backoffDuration"].removesuffix("s")),
        factor=policy["backoffFactor"],
        max_duration=float(policy["backoffMaxDuration"].removesuffix("s")),
        deadline=float(kubernetes[f"exec-{step}"]["activeDeadlineSeconds"]),
    )


@pytest.mark.parametrize("pipeline", ["training", "sweep"])
def test_the_window_holds_every_try_every_wait_and_the_queue(pipeline):
    document, _ = parse(compiled_text(pipeline))
    settings = load_settings(CLUSTER)
    for executor in executors(document):
        step = executor.removeprefix("exec-")
        retry = _compiled(pipeline, step)
        waits = sum(retry.wait * retry.factor**number for number in range(retry.limit))
        needed = (retry.limit + 1) * retry.deadline + waits + settings.retry.queueing
        assert retry.max_duration >= needed, step
        assert retry.factor == int(retry.factor)


def test_a_spot_training_ends_with_our_settings():
    retry = _compiled("training", "train")
    ends = [run_on_spot(retry, seed=seed, **_SPOT) for seed in _SEEDS]
    assert all(ended for ended, _, _ in ends)
    assert max(tries for _, _, tries in ends) > 5
    assert max(seconds for _, seconds, _ in ends) > 14 * _HOUR  # Evictions did cost time.


def test_with_the_window_of_an_hour_it_does_not():
    retry = _compiled("training", "train")
    old = Retry(limit=5, wait=60, factor=2, max_duration=3600, deadline=retry.deadline)
    assert not any(run_on_spot(old, seed=seed, **_SPOT)[0] for seed in _SEEDS)


def test_the_rule_is_argos():
    """Two examples worked out by hand."""
    one_try = Retry(limit=0, wait=60, factor=2, max_duration=1e9, deadline=100)
    assert run_on_spot(one_try, work=50, seed=1, lease=1e12, queue=0) == (True, 50.0, 1)
    # Tries of 100 s, waits of 60 and 120 s: 100 + 60 + 100 + 120 + 50 seconds.
    three = Retry(limit=2, wait=60, factor=2, max_duration=1e9, deadline=100)
    assert run_on_spot(three, work=250, seed=1, lease=1e12, queue=0) == (True, 430.0, 3)
    cut = Retry(limit=2, wait=60, factor=2, max_duration=300, deadline=100)
    assert run_on_spot(cut, work=250, seed=1, lease=1e12, queue=0)[0] is False
