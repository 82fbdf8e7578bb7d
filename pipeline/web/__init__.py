"""The web page of Webcam_page.py."""
