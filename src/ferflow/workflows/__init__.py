"""Use cases: typed arguments in, a frozen report out; nothing is printed but progress, on stderr.

The command line, the steps of a cluster and the Python API (`ferflow.train` and the like) call the same
functions. Each module is loaded when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferflow.late import late_modules

if TYPE_CHECKING:
    from ferflow.workflows import compare as compare
    from ferflow.workflows import ensemble as ensemble
    from ferflow.workflows import evaluate as evaluate
    from ferflow.workflows import evaluate_folder as evaluate_folder
    from ferflow.workflows import explain as explain
    from ferflow.workflows import export as export
    from ferflow.workflows import insight as insight
    from ferflow.workflows import inspect as inspect
    from ferflow.workflows import machine as machine
    from ferflow.workflows import models as models
    from ferflow.workflows import network as network
    from ferflow.workflows import predict as predict
    from ferflow.workflows import profile as profile
    from ferflow.workflows import register as register
    from ferflow.workflows import runs as runs
    from ferflow.workflows import serve as serve
    from ferflow.workflows import stage as stage
    from ferflow.workflows import summary as summary
    from ferflow.workflows import train as train
    from ferflow.workflows import tune as tune
    from ferflow.workflows import versions as versions
    from ferflow.workflows import watch as watch

__getattr__ = late_modules(__name__)
