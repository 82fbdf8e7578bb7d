"""What more than one step of the facial-expression pipeline needs; the story itself is in the scripts."""

from pipeline import last_words  # noqa: F401, first of all, because libraries may fail to load
