"""FER-2013 from Kaggle, fetched by kagglehub."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path

from ferflow import heavy
from ferflow.data.origins import Source
from ferflow.data.sources.sources import SourceContent, read_archive
from ferflow.errors import SourceError
from ferflow.params import DownloadParams
from ferflow.params.section import Section

DATA_SET = "msambare/fer2013"


def read(params: DownloadParams, options: Section, seed: int) -> SourceContent:  # noqa: ARG001
    """Fetch from Kaggle into a private folder, read it as any folder, and remove it.

    kagglehub unpacks archives with `extractall`: what that writes must not matter to anyone.
    It prints to stdout, which is kept for results.
    """
    with tempfile.TemporaryDirectory(prefix="ferflow-kaggle-") as folder:
        with contextlib.redirect_stdout(sys.stderr):
            fetched = _fetch(Path(folder) / "data")
        return read_archive(fetched, params)


def _fetch(folder: Path) -> Path:
    try:
        kagglehub = heavy.kagglehub
    except ImportError as error:
        raise SourceError(
            f"download.source kaggle needs the package kagglehub ({error}); "
            "install ferflow[kaggle], or fetch the archive by hand and use download.source archive"
        ) from error
    try:
        return Path(kagglehub.dataset_download(DATA_SET, output_dir=os.fspath(folder)))
    except (
        OSError,  # all of requests' errors and the disk's
        ValueError,
        zipfile.BadZipFile,
        kagglehub.exceptions.UnauthenticatedError,
        kagglehub.exceptions.CredentialError,
        kagglehub.exceptions.DataCorruptionError,
        kagglehub.exceptions.NotFoundError,
        kagglehub.exceptions.BackendError,
    ) as error:
        reason = " ".join(str(error).split())
        raise SourceError(
            f"download.source kaggle: {DATA_SET} could not be fetched ({type(error).__name__}: "
            f"{reason}); see the network and the credentials, or fetch the archive by hand and use "
            "download.source archive with download.path"
        ) from error


ENTRY = Source(options=Section, read=read, needs="kagglehub")
