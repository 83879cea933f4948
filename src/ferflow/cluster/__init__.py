"""What surrounds a stage in a step of a Kubeflow pipeline.

It knows stages, tracking and tuning, and nothing of kfp: artifacts come in as paths, or as objects that
are asked to log a figure. `components/` calls it.
"""
