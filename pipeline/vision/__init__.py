"""From a photograph, a video or a camera to faces and their emotions."""
