"""The exported model at work: faces found, cut out and read by ONNX Runtime; no Keras, no MLflow."""
