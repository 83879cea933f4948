"""Tracking with MLflow: every run written here first, sent to a store, compared and registered.

Importing this package, or a module of it, loads neither MLflow nor Keras: both come in with the
functions that need them. `ferflow.stages`, `data`, `model` and `reporting` know nothing of it.
"""
