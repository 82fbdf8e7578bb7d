"""Predictions, test-time augmentation and metrics."""
