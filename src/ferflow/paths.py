"""Where the pipeline keeps its files, relative to the repository."""

from pathlib import Path

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")

RAW = Path("data/raw")
FILTERED = Path("data/filtered")
SPLIT = Path("data/split")
MODEL = Path("models/model.keras")
REPORTS = Path("reports")
# The network that comes with ferflow, beside its code; `python -m benchmarks.built_in` writes it.
BUILT_IN = Path(__file__).parent / "built_in"
# The registered model as ONNX; `ferflow export` writes it.
EXPORT = Path("export")

# Not results: locks of running stages and training state to go on from.
LOCKS = Path(".ferflow/locks")
CHECKPOINTS = Path(".ferflow/checkpoints")
# The journals of runs; what MLflow is told is written here first.
JOURNALS = Path(".ferflow/tracking")
