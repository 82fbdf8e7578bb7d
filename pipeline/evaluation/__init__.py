"""Prediction, test-time augmentation, metrics and calibration."""
