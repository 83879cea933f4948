"""What holds where nothing else is said: in commands, in the service and in `Predictor`."""

from __future__ import annotations

# The detector's score from which a face counts, 0-1.
MIN_SCORE = 0.6
# Width times height of a picture: a phone's 200 megapixels.
MAX_PIXELS = 200_000_000
