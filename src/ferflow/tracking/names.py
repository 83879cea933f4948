"""Names under which runs, metrics, tags and models are kept in MLflow."""

from __future__ import annotations

# Where runs and models live; the environment variable MLFLOW_EXPERIMENT_NAME wins over EXPERIMENT.
EXPERIMENT = "ferflow"
REGISTERED_MODEL = "ferflow-resnet50v2"
CHAMPION = "champion"
CHALLENGER = "challenger"

# The logged model of a run, and the reports among its artifacts.
MODEL = "model"
REPORTS = "reports"
PREDICTIONS = "reports/predictions.csv"
METRICS = "reports/metrics.json"
HISTORY = "reports/history.csv"

# Tags of a run.
TAG_COMMIT = "git.commit"
TAG_DIRTY = "git.dirty"
TAG_SPLIT = "split.manifest_sha256"
TAG_TEST = "test.sha256"
TAG_PROFILE = "profile"
TAG_BACKEND = "backend"
TAG_HARDWARE = "hardware"
TAG_KFP_RUN = "kfp.run_id"
TAG_KFP_URL = "kfp.url"
TAG_RUN = "ferflow.run"
TAG_JOURNAL = "ferflow.journal"
TAG_MODEL = "model.sha256"
# Digest of what the test figures came from; runs of one training differ by it.
TAG_EVALUATION = "ferflow.evaluation"
TAG_DERIVED = "ferflow.derived_from"
TAG_DESCRIPTION = "mlflow.note.content"


def tag_of_stage(stage: str) -> str:
    """The tag with the md5 of a stage's entry in `dvc.lock`, such as `dvc.train.md5`."""
    return f"dvc.{stage}.md5"


# Metrics of each epoch; the step is the epoch, counted from 1.
EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")

# Metrics of a run.
BEST_VAL_ACCURACY = "best_val_accuracy"
BEST_EPOCH = "best_epoch"
PARAMETERS = "model_parameters"
MULTIPLY_ADDS = "model_multiply_adds"
TRAIN_SECONDS = "train_seconds"
TEST_ACCURACY = "test_accuracy"
LEAK_FREE_ACCURACY = "leak_free_accuracy"
TEST_MACRO_F1 = "test_macro_f1"
# Of the confidence, fitted on validation images.
TEMPERATURE = "temperature"

# The view of the experiment that the UI opens with `?viewStateShareKey=ferflow`.
VIEW = "ferflow"
VIEW_NAME = "Which run is better"
VIEW_COLUMNS = (
    f"metrics.`{LEAK_FREE_ACCURACY}`",
    f"metrics.`{TEST_ACCURACY}`",
    f"metrics.`{TEST_MACRO_F1}`",
    f"metrics.`{BEST_VAL_ACCURACY}`",
    f"metrics.`{MULTIPLY_ADDS}`",
    f"metrics.`{PARAMETERS}`",
    f"metrics.`{TRAIN_SECONDS}`",
    f"tags.`{TAG_PROFILE}`",
    "params.`model.backbone`",
    "params.`model.image_size`",
    "params.`train.optimizer`",
    "params.`train.learning_rate`",
    "params.`train.epochs`",
    f"tags.`{TAG_COMMIT}`",
)
