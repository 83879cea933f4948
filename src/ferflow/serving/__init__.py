"""The exported model at work: faces found, cut out and read by ONNX Runtime; no Keras, no MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferflow.late import late_modules

if TYPE_CHECKING:
    from ferflow.serving import (
        annotate as annotate,
    )
    from ferflow.serving import (
        answering as answering,
    )
    from ferflow.serving import (
        answers as answers,
    )
    from ferflow.serving import (
        clip as clip,
    )
    from ferflow.serving import (
        connections as connections,
    )
    from ferflow.serving import (
        crop as crop,
    )
    from ferflow.serving import (
        devices as devices,
    )
    from ferflow.serving import (
        export_folder as export_folder,
    )
    from ferflow.serving import (
        finder as finder,
    )
    from ferflow.serving import (
        frames as frames,
    )
    from ferflow.serving import (
        grouping as grouping,
    )
    from ferflow.serving import (
        guard as guard,
    )
    from ferflow.serving import (
        incoming as incoming,
    )
    from ferflow.serving import (
        limits as limits,
    )
    from ferflow.serving import (
        metrics as metrics,
    )
    from ferflow.serving import (
        network as network,
    )
    from ferflow.serving import (
        pipeline as pipeline,
    )
    from ferflow.serving import (
        predictor as predictor,
    )
    from ferflow.serving import (
        recorder as recorder,
    )
    from ferflow.serving import (
        remote as remote,
    )
    from ferflow.serving import (
        server as server,
    )
    from ferflow.serving import (
        service as service,
    )
    from ferflow.serving import (
        shots as shots,
    )
    from ferflow.serving import (
        timeline as timeline,
    )
    from ferflow.serving import (
        tracks as tracks,
    )
    from ferflow.serving import (
        uploads as uploads,
    )
    from ferflow.serving import (
        workers as workers,
    )

__getattr__ = late_modules(__name__)
