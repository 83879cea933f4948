"""Networks, augmentation, training and metrics. Needs Keras; knows nothing of DVC or MLflow.

Its modules are loaded when they are used, since Keras takes seconds: `from ferflow import model`, then
`model.network.load_network(path)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferflow.late import late_modules

if TYPE_CHECKING:
    from ferflow.model import backend as backend
    from ferflow.model import calibration as calibration
    from ferflow.model import checkpoint as checkpoint
    from ferflow.model import cost as cost
    from ferflow.model import ensemble as ensemble
    from ferflow.model import export as export
    from ferflow.model import metrics as metrics
    from ferflow.model import network as network
    from ferflow.model import prediction as prediction
    from ferflow.model import saving as saving
    from ferflow.model import second_yardstick as second_yardstick
    from ferflow.model import steps_jax as steps_jax
    from ferflow.model import steps_tensorflow as steps_tensorflow
    from ferflow.model import training as training

__getattr__ = late_modules(__name__)
