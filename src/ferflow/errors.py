"""The exception tree: everything a user can cause is a `FerflowError`.

FerflowError
├── ParamsError       params.yaml or a profile holds something that cannot be used
├── SourceError       the data source (archive, CSV, folder, download) cannot be read
├── DataError         the data itself breaks a rule: bad images, an empty class, a lost subset
├── BadImageError     one image file cannot be used; who reads many goes on with the others
├── DetectorError     the face detector is missing, is not the pinned one, or cannot be loaded
├── ModelError        a network cannot be built, loaded or trained as asked
├── OutputError       a result cannot be written (full disk, read-only folder, another run holds it)
├── TrackingError     a run, the tracking store or the registry cannot be used as asked
├── TuningError       a study or its storage cannot be used as asked
└── ServiceError      the service or the page cannot be started as asked

Every message says which file or key, what was found, what was expected and what to do.
The command line catches this one family, prints the message and exits with code 1.
"""


class FerflowError(Exception):
    """Base of every error that a user can cause and correct."""


class ParamsError(FerflowError):
    """A parameter is unknown, of a wrong type, out of range, or contradicts another."""


class SourceError(FerflowError):
    """A data source cannot be found, read or trusted."""


class DataError(FerflowError):
    """Images, labels or subsets break a rule that later stages rely on."""


class BadImageError(FerflowError):
    """An image file cannot be used; the message is the reason, without the file's name."""


class DetectorError(FerflowError):
    """The face detector is missing, altered or unusable."""


class ModelError(FerflowError):
    """A network cannot be built, loaded or trained as asked."""


class OutputError(FerflowError):
    """A result cannot be written."""


class TrackingError(FerflowError):
    """A run, the tracking store or the registry cannot be used as asked."""


class TuningError(FerflowError):
    """A study or its storage cannot be used as asked."""


class ServiceError(FerflowError):
    """The service or the page cannot be started as asked."""
