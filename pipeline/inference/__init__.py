"""Saved models: exporting them and running them without TensorFlow."""
