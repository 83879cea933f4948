"""The error of this package."""

from ferflow.errors import FerflowError


class PipelineError(FerflowError):
    """A pipeline could not be run or submitted, or one of its steps failed."""
