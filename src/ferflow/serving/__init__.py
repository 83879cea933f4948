"""The exported model at work: faces found, cut out and read by ONNX Runtime; no Keras, no MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferflow.late import late_modules

if TYPE_CHECKING:
    from ferflow.serving import annotate as annotate
    from ferflow.serving import clip as clip
    from ferflow.serving import network as network
    from ferflow.serving import server as server
    from ferflow.serving import service as service

__getattr__ = late_modules(__name__)
