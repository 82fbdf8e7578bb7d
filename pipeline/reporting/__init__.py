"""The run log and the HTML report."""
