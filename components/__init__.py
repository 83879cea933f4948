"""One kfp component a stage: the body imports the step of that name from `ferflow.cluster` and calls it.

A body is shipped as text and runs alone in the image, so it imports what it needs itself.
"""

# Replaced by `image.name` of pipelines/config.yaml.
IMAGE = "ferflow"
