"""What step 8 trains with: batches in a reproducible order, and checkpoints to go on from."""

import numpy as np
from tqdm import tqdm

from pipeline.evaluation import predict
from pipeline.models import serialization
from pipeline.training.fast_layers import build_fast_copy
from pipeline.workflow.steps import ROOT


def distill_targets(
    teachers: tuple[str, ...], faces: np.ndarray, labels: np.ndarray, share: float
) -> np.ndarray:
    """Labels (N, 7), `share` of them the mean answer of saved models to the faces and their mirror images.

    teachers: files, their paths seen from the project's folder.
    G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
    """
    models = [build_fast_copy(serialization.load_model(ROOT / path), "float32") for path in teachers]
    answers = []
    bar = tqdm(
        total=len(models) * len(faces), desc="  asking the teachers", unit="face", delay=1, leave=False
    )
    with bar:
        for model in models:
            told = []
            for start in range(0, len(faces), 512):
                some = faces[start : start + 512]
                told.append(predict.predict_proba(model, some, tta=2))
                bar.update(len(some))
            answers.append(np.concatenate(told))
    return ((1 - share) * labels + share * np.mean(answers, axis=0)).astype(np.float32)
