"""Sending the logged model: one, whole, whatever breaks off in between."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest

from ferflow.errors import TrackingError
from ferflow.model.network import build_network
from ferflow.model.saving import save_network
from ferflow.params import Params
from ferflow.tracking import names, store
from ferflow.tracking.outbox.journal import Journal
from ferflow.tracking.outbox.logged_model import NETWORK, calling
from ferflow.tracking.outbox.sent import Budget
from ferflow.tracking.outbox.upload import send
from tests.tracking.breaking_link import BreakingLink
from tests.tracking.light_runs import light_run


@pytest.fixture(scope="module")
def network(sample_params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    params = sample_params.model.model_copy(update={"widths": [4], "depths": [1]})
    path = tmp_path_factory.mktemp("network") / "model.keras"
    save_network(build_network(params), params, path)
    return path


@pytest.fixture
def journal(embedded: Path, network: Path, sample_params: Params) -> Journal:
    made = light_run(embedded, "with a model")
    made.keep(network, NETWORK)
    record = made.read()
    record.model = calling(sample_params.evaluate, "tensorflow")
    made.write(record)
    return made


@pytest.mark.parametrize(
    ("write", "at"),
    [("create_logged_model", 1), ("log_model_artifact", 6), ("log_outputs", 1), ("finalize_logged_model", 1)],
)
def test_a_link_that_breaks_in_the_model_leaves_one_whole_model(
    embedded: Path, journal: Journal, monkeypatch, write: str, at: int
):
    real = store.client(embedded)
    broken = BreakingLink(real, at, is_served=True, writes=(write,))
    with monkeypatch.context() as patch:
        patch.setattr(store, "client", lambda root: broken)
        with pytest.raises(TrackingError, match="the link broke"):
            send(embedded, journal, Budget())
    run_id = send(embedded, journal, Budget())
    experiment = store.experiment_id(real)
    (model,) = real.search_logged_models([experiment])
    (run,) = real.search_runs([experiment])
    assert run.info.run_id == run_id
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert (model.name, model.status.value, model.source_run_id) == (names.MODEL, "READY", run_id)
    assert model.params == run.data.params
    assert {metric.key: metric.value for metric in model.metrics} == journal.read().metrics
    answers = mlflow.pyfunc.load_model(f"models:/{model.model_id}").predict(np.zeros((2, 48, 48), np.uint8))
    assert len(answers) == 2
