"""The figures of what a network has learned, on the sample."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def test_figures_and_embedding_are_of_the_trained_network(finished, tmp_path):
    project = finished.copy(tmp_path / "features")
    printed = project.run("Visualize_Features.py", "--faces", 40, "--perplexity", 5, "--face", 3)
    assert {"filters.png", "feature_maps.png", "embedding.png"} <= {
        path.name for path in project.results.iterdir()
    }
    embedding, predictions = project.store().read("embedding"), project.store().read("predictions")["test"]
    rows = embedding["rows"]
    assert embedding["positions"].shape == (40, 2) and "40 of" in printed
    assert np.array_equal(embedding["labels"], predictions["labels"][rows])
    assert np.array_equal(embedding["predicted"], predictions["probabilities"][rows].argmax(axis=1))
    n_faces = len(predictions["labels"])
    assert "less than" in project.run("Visualize_Features.py", "--face", n_faces, status=1)
