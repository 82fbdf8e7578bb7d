"""What step 8 trains with."""
