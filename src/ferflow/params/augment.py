"""Section `augment`: random changes of training images."""

from __future__ import annotations

from typing import ClassVar

from ferflow.params.entries import OpenSection


class AugmentParams(OpenSection):
    """Random changes of a training image; each is drawn anew for each image and step."""

    packages: ClassVar = ("ferflow.model.augmentations",)
