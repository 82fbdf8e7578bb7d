"""Serve the web page: live recognition in a browser, and of uploaded images and videos."""
