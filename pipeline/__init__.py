"""Code that the steps of the facial-expression pipeline share."""
