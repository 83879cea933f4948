"""The schedule of the learning rate."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.model.backend import load_keras
from ferflow.model.optimizer import WarmUpCosine

keras = load_keras()


@pytest.mark.parametrize(("warmup_steps", "decay_steps"), [(40, 160), (0, 200), (1, 1)])
def test_the_rate_is_that_of_cosine_decay_with_a_warm_up(warmup_steps, decay_steps):
    own = WarmUpCosine(0.1, warmup_steps=warmup_steps, decay_steps=decay_steps)
    of_keras = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else 0.1,
        decay_steps,
        warmup_target=0.1 if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    steps = [0, 1, 2, 20, 39, 40, 41, 100, 199, 200, 250]
    np.testing.assert_allclose(
        [float(own(step)) for step in steps], [float(of_keras(step)) for step in steps], rtol=1e-5, atol=1e-9
    )
    assert WarmUpCosine(**own.get_config()).get_config() == own.get_config()
