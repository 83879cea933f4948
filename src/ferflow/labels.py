"""The seven emotions of FER-2013, their order, and the three subsets it was published in."""

# Alphabetical, as the folders of the Kaggle layout sort and as the paper's tables list them.
EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

# `fer2013.csv` numbers them otherwise: its column `emotion` is an index into this tuple.
CSV_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

# The published subsets. The Kaggle layout keeps the first in `train/`, the other two in `test/`.
USAGES = ("Training", "PublicTest", "PrivateTest")

# Every image of the data set is a square of this many pixels, in grey.
IMAGE_SIZE = 48
