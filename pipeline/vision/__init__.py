"""Detect, crop, track and annotate faces in images, videos and camera frames, and recognize their emotions."""
