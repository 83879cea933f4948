"""The figures of the reproduced paper, as data.

Source: Malik, Ayoubi, Alsuedani, "Deep Learning for Facial Emotion Recognition on the FER-2013
Dataset using the ResNet50v2 Model", OMUJEST 5(2), 2025. Nothing here is adjusted: its per-class
recalls, weighted by its test counts, give 67.8 %, not the 69 % of its Table 2.
"""

from __future__ import annotations

from typing import NamedTuple

# The report's page names it.
CITATION = (
    "Malik, Ayoubi, Alsuedani: Deep Learning for Facial Emotion Recognition on the FER-2013 Dataset "
    "using the ResNet50v2 Model. OMUJEST 5(2), 2025"
)


class ClassCounts(NamedTuple):
    """Numbers of images of one class in the published folders."""

    train: int
    test: int


class PublishedModel(NamedTuple):
    """A row of Table 3: a network and its accuracy on FER-2013, in percent."""

    name: str
    accuracy: float


# Table 1: FER-2013 as published, before any image is removed.
DATASET = {
    "angry": ClassCounts(3995, 958),
    "disgust": ClassCounts(436, 111),
    "fear": ClassCounts(4097, 1024),
    "happy": ClassCounts(7215, 1774),
    "neutral": ClassCounts(4965, 1233),
    "sad": ClassCounts(4830, 1247),
    "surprise": ClassCounts(3171, 831),
}

# The test images that the paper scored: those left after images without a face were removed.
TEST_COUNTS = {
    "angry": 917,
    "disgust": 109,
    "fear": 1000,
    "happy": 1763,
    "neutral": 1215,
    "sad": 1228,
    "surprise": 815,
}

# Table 2, in percent; precision, recall and F1 are weighted by support.
ACCURACY = 69.0
PRECISION = 68.76
RECALL = 68.98
F1 = 68.74
# Printed as "AUC"; it is the weighted one-vs-rest area of the predicted classes, not of probabilities.
AUC_HARD = 81.44

# The diagonal of its normalised confusion matrix, 0-1.
CLASS_RECALLS = {
    "angry": 0.64,
    "disgust": 0.51,
    "fear": 0.46,
    "happy": 0.90,
    "neutral": 0.62,
    "sad": 0.57,
    "surprise": 0.78,
}

# Table 3: the networks it compares itself with, in its order.
COMPARED_MODELS = (
    PublishedModel("CNN", 62.44),
    PublishedModel("GoogLeNet", 65.2),
    PublishedModel("VGG + SVM", 66.31),
    PublishedModel("custom CNN", 66.67),
    PublishedModel("CNN + GAP", 66.0),
    PublishedModel("Conv + Inception", 66.40),
)
PAPER_MODEL = PublishedModel("ResNet50V2 (the paper)", ACCURACY)
