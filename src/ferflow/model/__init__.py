"""Networks, augmentation, training and metrics. Needs Keras; knows nothing of DVC or MLflow."""
