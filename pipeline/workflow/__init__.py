"""How a step runs and passes its output to the next: flags, artifacts, errors, atomic writes."""
