"""Place faces in the plane by how alike they look to a network: its features, by t-SNE."""

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from pipeline.models.backend import keras


def compute_features(model: keras.Model, faces: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Return what the last layer with weights computes the emotion from, (N, n_features) float32.

    A feature map counts by its mean.

    Args:
        model: Built by Keras on any backend.
        faces: (N, 48, 48, 1) float32 in [0, 1].
        batch_size: Faces per forward pass; changes the speed, not the result.
    """
    last = next(layer for layer in reversed(model.layers) if layer.weights)
    inputs = keras.tree.flatten(last.input)[0]
    extractor = keras.Model(model.inputs, inputs)
    starts = range(0, len(faces), batch_size)
    batches = [extractor.predict_on_batch(faces[start : start + batch_size]) for start in starts]
    features = np.concatenate(batches).astype(np.float32)
    return features.mean(axis=tuple(range(1, features.ndim - 1)))


def project_to_plane(features: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    """Return a position in the plane for each face, (N, 2) float32, by t-SNE: similar faces are close to each other.

    L. van der Maaten and G. Hinton, "Visualizing Data using t-SNE", 2008. UMAP would need numba, 100 MB more, for a
    speed that a few thousand faces do not need.

    Args:
        features: (N, n_features), N at least 4.
        perplexity: Number of neighbors that count for a face; less than N.
        seed: Of the optimization.

    Raises:
        ValueError: If the features of all faces are equal.
    """
    if np.ptp(features, axis=0).max() == 0:
        raise ValueError(
            "The network computes the same features for all faces, so there is nothing to project: it has learned "
            "nothing. Train it with a lower learning_rate or more epochs: python3 Compiling_model.py"
        )
    tsne = TSNE(perplexity=min(perplexity, (len(features) - 1) / 3), init="pca", random_state=seed)
    with threadpool_limits(
        1
    ):  # several threads wait for each other at each step: on a busy machine, for minutes
        return tsne.fit_transform(features).astype(np.float32)
