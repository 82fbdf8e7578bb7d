"""FER2013 in and out: reading, checking, augmenting, synthesizing faces."""
