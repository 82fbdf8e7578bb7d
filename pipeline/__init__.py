"""What more than one step of the facial-expression pipeline needs; the story itself is in the scripts."""
