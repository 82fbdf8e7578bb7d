"""Define the facial expression of each emotion by action units (AU), and what an action unit moves.

The expressions follow EMFACS (Friesen & Ekman, "EMFACS-7", 1983) and the prototypes of "Facial Action Coding System:
Investigator's Guide" (Ekman, Friesen & Hager, 2002), with units that usually accompany them:

    Angry     4+5+7+23, 4+7+17+24, 4+5+7+10+16+25+26      Happy     6+12, 6+12+25, 6+7+12+26
    Disgust   9+10+17, 9+15+16, 10+16+25 with 4, 7        Sad       1+4+15, 1+4+15+17, 1+4+6+15, with 43
    Fear      1+2+4+5+20+25, 1+2+4+5+7+20+26              Surprise  1+2+5+26, 1+2+5+27
    Neutral   none
"""

import numpy as np

# The prototypes of each emotion, in the order of EMOTIONS, as {action unit: intensity from 0 to 1}.
PROTOTYPES: tuple[tuple[dict[int, float], ...], ...] = (
    (  # Angry: brows lowered over a hard stare, lips pressed; or teeth bared
        {4: 1.0, 5: 0.5, 7: 0.7, 23: 1.0},
        {4: 1.0, 7: 0.8, 17: 0.6, 24: 1.0},
        {4: 1.0, 5: 0.7, 7: 0.6, 10: 0.6, 16: 0.5, 25: 0.6, 26: 0.4},
    ),
    (  # Disgust: wrinkled nose, upper lip drawn up
        {4: 0.4, 7: 0.5, 9: 1.0, 10: 0.8, 17: 0.8},
        {4: 0.4, 7: 0.4, 9: 1.0, 15: 0.6, 16: 0.8, 25: 0.4},
        {7: 0.5, 9: 0.9, 10: 1.0, 16: 0.6, 25: 0.5},
    ),
    (  # Fear: brows raised and drawn together, eyes wide, lips stretched
        {1: 1.0, 2: 0.5, 4: 0.6, 5: 1.0, 20: 1.0, 25: 0.7},
        {1: 1.0, 2: 0.5, 4: 0.6, 5: 0.9, 7: 0.3, 20: 0.9, 26: 0.6},
    ),
    (  # Happy: cheeks raised, lip corners pulled up; closed, parted or laughing
        {6: 0.8, 12: 1.0},
        {6: 1.0, 12: 1.0, 25: 0.7},
        {6: 1.0, 7: 0.3, 12: 1.0, 26: 0.8},
    ),
    (  # Sad: inner brows raised, upper lids heavy, lip corners down
        {1: 1.0, 4: 0.5, 15: 0.9, 43: 0.3},
        {1: 0.9, 4: 0.5, 15: 0.9, 17: 0.8, 43: 0.4},
        {1: 0.8, 4: 0.6, 6: 0.3, 15: 1.0, 43: 0.7},
    ),
    (  # Surprise: brows high, eyes wide, jaw dropped
        {1: 1.0, 2: 1.0, 5: 0.8, 26: 1.0},
        {1: 1.0, 2: 1.0, 5: 0.9, 27: 1.0},
    ),
    ({},),  # Neutral
)

# The displacements by each action unit at full intensity, in face units (see face_renderer.py); furrow, forehead,
# wrinkle and fold are depths of creases from 0 to 1.
DISPLACEMENTS: dict[int, dict[str, float]] = {
    1: {"brow_in": 0.16, "brow_mid": 0.04, "brow_out": -0.03, "forehead": 0.4},  # inner brow raiser
    2: {"brow_mid": 0.16, "brow_out": 0.14, "brow_in": 0.02, "forehead": 0.6},  # outer brow raiser
    4: {"brow_in": -0.10, "brow_mid": -0.07, "brow_near": 0.06, "furrow": 1.0},  # brow lowerer
    5: {"lid_up": 0.065, "lid_low": 0.01},  # upper lid raiser
    6: {"lid_low": -0.03, "cheek": 0.8, "crow": 1.0},  # cheek raiser
    7: {"lid_low": -0.035, "lid_up": -0.02},  # lid tightener
    9: {"wrinkle": 1.0, "nose_up": 0.05, "brow_in": -0.06, "top_lip": 0.04, "fold": 0.8, "lid_low": -0.02},
    10: {"top_lip": 0.08, "fold": 0.8, "nose_up": 0.02},  # upper lip raiser
    12: {"corner_up": 0.16, "corner_out": 0.10, "fold": 0.8, "cheek": 0.5},  # lip corner puller
    15: {"corner_up": -0.15, "corner_out": 0.01, "fold": 0.2},  # lip corner depressor
    16: {"gape": 0.06, "lip_low": 0.03},  # lower lip depressor
    17: {"mouth_up": 0.06, "corner_up": -0.05, "chin": 1.0, "lip_low": 0.02},  # chin raiser
    20: {"corner_out": 0.12, "corner_up": -0.05, "gape": 0.03, "lip_top": -0.02},  # lip stretcher
    23: {"lip_top": -0.045, "lip_low": -0.055, "corner_out": -0.05, "chin": 0.3},  # lip tightener
    24: {"lip_top": -0.05, "lip_low": -0.06, "corner_out": -0.02, "chin": 0.5},  # lip pressor
    25: {"gape": 0.09, "top_lip": 0.03},  # lips part
    26: {"gape": 0.22, "jaw": 0.10, "corner_out": -0.04, "top_lip": 0.03},  # jaw drop
    27: {"gape": 0.36, "jaw": 0.16, "corner_out": -0.09, "top_lip": 0.06},  # mouth stretch
    43: {"lid_up": -0.07},  # eyes closing
}

ACTION_UNITS = tuple(DISPLACEMENTS)
FACE_PARTS = tuple(sorted({part for displacements in DISPLACEMENTS.values() for part in displacements}))
# (action units, face parts)
DISPLACEMENT_MATRIX = np.array(
    [[displacements.get(part, 0.0) for part in FACE_PARTS] for displacements in DISPLACEMENTS.values()]
)
# For each emotion, (prototypes, action units)
PROTOTYPE_MATRICES = [
    np.array([[prototype.get(unit, 0.0) for unit in ACTION_UNITS] for prototype in prototypes])
    for prototypes in PROTOTYPES
]
