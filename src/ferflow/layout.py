"""Where the pipeline keeps its files, relative to the repository."""

from pathlib import Path

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")

RAW = Path("data/raw")
FILTERED = Path("data/filtered")
SPLIT = Path("data/split")
MODEL = Path("models/model.keras")
REPORTS = Path("reports")
# The registered model as ONNX; `ferflow export` writes it.
EXPORT = Path("export")

# Not results: locks of running stages and training state to go on from.
LOCKS = Path(".ferflow/locks")
CHECKPOINTS = Path(".ferflow/checkpoints")
