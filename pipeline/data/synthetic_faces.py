"""Draws faces that stand in for FER2013 where the data set itself is absent.

FER2013 holds 35,887 gray pictures of 48x48 pixels, each labeled with one of seven emotions. None of them may
be handed on, so this module sculpts faces of its own: a relief of head, nose, cheeks and lips is lit by a
lamp, painted with eyes, brows, hair and beard, and photographed with a shaky, noisy camera.

What a face expresses is data. `EXPRESSIONS` says which facial action units (AU) make up an emotion, after
EMFACS (Friesen & Ekman, "EMFACS-7", 1983) and the prototypes of "Facial Action Coding System: Investigator's
Guide" (Ekman, Friesen & Hager, 2002), here with their usual companions:

    Angry     4+5+7+23, 4+7+17+24, 4+5+7+10+16+25+26      Happy     6+12, 6+12+25, 6+7+12+26
    Disgust   9+10+17, 9+15+16, 10+16+25 with 4, 7        Sad       1+4+15, 1+4+15+17, 1+4+6+15, with 43
    Fear      1+2+4+5+20+25, 1+2+4+5+7+20+26              Surprise  1+2+5+26, 1+2+5+27
    Neutral   none

`MUSCLES` says how far each action unit moves the parts of a face. Face units: x to the right, y down, the
origin between the eyes and the tip of the nose, the chin of a resting face at y = 1.
"""

from types import SimpleNamespace
import numpy as np


SIDE = 48  # pixels along an edge of a picture
BATCH = 64  # faces drawn at once: few enough for a layer (0.6 MB) to stay in the processor's cache
EYE_Y = -0.13  # height of the eyes, in face units

# Angry, Disgust, Fear, Happy, Sad, Surprise, Neutral: the order of FER2013's labels 0 to 6.
SHARES = np.array([0.139, 0.015, 0.143, 0.251, 0.169, 0.112, 0.171])  # of all rows, as in FER2013
LABEL_NOISE = 0.05  # share of the rows of `table` whose face shows another emotion than its label says
# What a careless annotator would have labeled so: three equally likely emotions per label.
CONFUSED = np.array([[1, 4, 6], [0, 0, 4], [5, 5, 4], [6, 6, 5], [6, 6, 2], [2, 2, 3], [4, 4, 0]])

STRENGTH = (0.6, 1.1)  # how strongly people show what they feel
STRAY = 0.02  # mean action of every unit on top of that: no face is perfectly still

# Ways to show each emotion, as {action unit: strength 0 to 1}; a face follows one of them.
EXPRESSIONS: tuple[tuple[dict[int, float], ...], ...] = (
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

# What one action unit at full strength moves, in face units (furrow, forehead, wrinkle, fold: depth 0 to 1).
MUSCLES: dict[int, dict[str, float]] = {
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
UNITS = tuple(MUSCLES)
PARTS = tuple(sorted({part for moved in MUSCLES.values() for part in moved}))
PULL = np.array([[moved.get(part, 0.0) for part in PARTS] for moved in MUSCLES.values()])  # (units, parts)
WAYS = [np.array([[way.get(unit, 0.0) for unit in UNITS] for way in ways]) for ways in EXPRESSIONS]

# Who is pictured, how posed, lit and photographed: uniform between the two bounds, independently.
TRAITS: dict[str, tuple[float, float]] = {
    "width": (0.70, 0.84), "jawline": (0.10, 0.34), "skin": (0.48, 0.90), "beard": (0.25, 0.75),
    "hair": (0.04, 0.60), "hairline": (-0.72, -0.46), "volume": (0.04, 0.20), "length": (-0.3, 1.6),
    "part": (-0.25, 0.25), "brow_y": (-0.40, -0.33), "brow_h": (0.03, 0.06), "brow_arch": (0.0, 0.06),
    "eye_x": (0.30, 0.37), "eye_w": (0.175, 0.225), "eye_open": (0.08, 0.115), "iris": (0.08, 0.40),
    "nose_w": (0.10, 0.16), "nose_y": (0.20, 0.28), "mouth_y": (0.52, 0.60), "mouth_w": (0.25, 0.33),
    "lips_h": (0.04, 0.075), "lip_tone": (0.55, 0.80), "smirk": (-0.06, 0.06), "gaze": (-0.05, 0.05),
    "roll": (-0.18, 0.18), "yaw": (-0.32, 0.32), "pitch": (-0.05, 0.05),  # tilt and yaw in radians
    "zoom": (1.0, 1.22), "shift_x": (-0.10, 0.10), "shift_y": (-0.08, 0.08),
    "lamp_x": (-0.8, 0.8), "lamp_y": (-0.9, 0.1), "ambient": (0.28, 0.50), "backdrop": (0.05, 0.95),
    "gain": (0.85, 1.15), "offset": (-0.06, 0.06), "blur": (0.0, 0.9), "noise": (0.004, 0.022),
    "veil_x": (-0.9, 0.9), "veil_y": (0.5, 1.0), "veil_turn": (-0.6, 0.6),  # what may hide part of the face
}  # fmt: skip
# What only some pictures show, with its probability.
ODDS: dict[str, float] = {
    "bald": 0.08, "bearded": 0.20, "moustache": 0.06, "glasses": 0.12,
    "hand": 0.04, "strand": 0.04, "bar": 0.015,
}  # fmt: skip


def draw_faces(emotion: np.ndarray, seed: int) -> np.ndarray:
    """Draw one face per emotion, each of another person.

    emotion: (N,) integers 0 to 6. Returns (N, 48, 48) uint8, 0 black to 255 white. Row i depends on `seed`, i
    and emotion[i] only, so the first faces stay the same when more are asked for.
    """
    emotion = np.asarray(emotion)
    if emotion.ndim != 1 or not np.issubdtype(emotion.dtype, np.integer):
        raise ValueError("The emotions must be a one-dimensional array of integers.")
    if emotion.size and (emotion.min() < 0 or emotion.max() >= len(EXPRESSIONS)):
        raise ValueError(f"Every emotion must be an integer from 0 to {len(EXPRESSIONS) - 1}.")
    _check_whole("seed", seed, 0)
    pixels = np.empty((len(emotion), SIDE, SIDE), np.uint8)
    for start in range(0, len(emotion), BATCH):
        rows = slice(start, start + BATCH)
        rng = np.random.default_rng([seed, 1 + start])  # apart from the stream of `table`
        face = _people(emotion[rows], rng)
        place = _place(face)
        light = _light(face, place)
        paint = _eyes(face, place, _mouth(face, place, _skin(face, place)))
        pixels[rows] = _photograph(_scene(face, place, paint, light), face, rng)
    return pixels


def make_table(size: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a stand-in for FER2013 with its class shares, its order of splits and some of its wrong labels.

    Returns emotion (size,) uint8, the labels; pixels (size, 48, 48) uint8; and usage (size,) str, in order
    "Training" (80 %), "PublicTest" and "PrivateTest" (10 % each). From 300 rows on, every split holds every
    class at least three times. The share LABEL_NOISE of the faces shows what is easily taken for the label.
    """
    _check_whole("size", size, 1)
    _check_whole("seed", seed, 0)
    rng = np.random.default_rng(seed)
    tenth = size // 10
    splits = {"Training": size - 2 * tenth, "PublicTest": tenth, "PrivateTest": tenth}
    usage = np.repeat(list(splits), list(splits.values()))
    emotion = np.concatenate([rng.permutation(_labels(rows)) for rows in splits.values()])
    # The slip changes the face, not the label, so that the shares of the labels stay as they are.
    slip = CONFUSED[emotion, rng.integers(CONFUSED.shape[1], size=size)]
    shown = np.where(rng.random(size) < LABEL_NOISE, slip, emotion)
    return emotion, draw_faces(shown, seed), usage


def _check_whole(name: str, value: int, least: int) -> None:
    """Raise ValueError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"The {name} must be a whole number of at least {least}.")


def _labels(rows: int) -> np.ndarray:
    """Labels of one split, sorted: (rows,) uint8 in the proportions of SHARES, rare classes kept alive."""
    count = np.maximum(np.floor(SHARES * rows).astype(int), min(3, rows // len(SHARES)))
    count[SHARES.argmax()] += rows - count.sum()  # the largest class takes up what rounding leaves
    return np.repeat(np.arange(len(SHARES), dtype=np.uint8), count)


def _people(emotion: np.ndarray, rng: np.random.Generator) -> SimpleNamespace:
    """All numbers about n faces: TRAITS, ODDS (0 or 1) and PARTS, each (n, 1, 1) float32."""
    # Draw for a full batch and cut, so that a face does not depend on how many follow it.
    n = len(emotion)
    trait = rng.random((BATCH, len(TRAITS)))[:n]
    chance = rng.random((BATCH, len(ODDS)))[:n]
    choice = rng.random(BATCH)[:n]
    strength = rng.uniform(*STRENGTH, (BATCH, 1))[:n]
    balance = rng.uniform(0.7, 1.25, (BATCH, len(UNITS)))[:n]
    stray = rng.exponential(STRAY, (BATCH, len(UNITS)))[:n]

    units = np.stack([WAYS[e][int(c * len(WAYS[e]))] for e, c in zip(emotion, choice, strict=True)])
    low, high = np.array(list(TRAITS.values())).T
    columns = dict(zip(TRAITS, (low + (high - low) * trait).T, strict=True))
    columns |= zip(ODDS, (chance < list(ODDS.values())).T, strict=True)
    columns |= zip(PARTS, ((units * strength * balance + stray) @ PULL).T, strict=True)
    return SimpleNamespace(**{name: c.astype(np.float32)[:, None, None] for name, c in columns.items()})


def _place(f: SimpleNamespace) -> SimpleNamespace:
    """Where each pixel lies on the face, (n, 48, 48) each.

    x, y: on the upright head; u, v: on its features as the head turns, u counted from the middle outwards;
    brow, lids and lips: the height v at which these curves pass the pixel's column.
    """
    grid = (np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2) / (SIDE / 2)  # -1 to 1 across the picture
    across, down = (grid - f.shift_x) / f.zoom, (grid[:, None] - f.shift_y) / f.zoom
    x = across * np.cos(f.roll) + down * np.sin(f.roll)
    y = down * np.cos(f.roll) - across * np.sin(f.roll) + 0.06  # the middle of a picture lies below the eyes

    # Outline: an ellipse that narrows towards the chin and lengthens as the jaw drops.
    above, below = np.minimum(y, 0), np.maximum(y, 0)
    chin2 = (below / (1 + f.jaw)) ** 2
    half = f.width * (1 - f.jawline * np.minimum(chin2, 1.5))
    rim = (x / half) ** 2 + above**2 + chin2 * (0.65 + 0.35 * chin2)  # 1 on the outline
    depth = np.sqrt(np.maximum(1 - rim, 0))  # 1 where the head is nearest to the camera
    # The features turn with the head. A face mirrors itself, so u folds its left half onto its right.
    turned = x * np.cos(f.yaw) - f.width * depth * np.sin(f.yaw)
    u, v = np.abs(turned), y - f.pitch * depth

    reach = u / (f.mouth_w + f.corner_out)  # 1 at the corner of the mouth
    arch = np.sqrt(np.maximum(1 - reach * reach, 0))
    seam = f.mouth_y - f.mouth_up - f.corner_up * (np.minimum(reach, 1.2) ** 2 - 0.35) + f.smirk * turned
    upper, lower = seam - f.top_lip * arch, seam + f.gape * arch
    eye = (u - f.eye_x) / f.eye_w  # -1 and 1 at the corners of the eye
    lens = np.maximum(1 - eye * eye, 0)
    t = np.clip((u - 0.14) / 0.42, 0, 1.1)  # the brow: a parabola through its inner, middle and outer end
    raised = f.brow_in * (1 - t) * (1 - 2 * t) + (f.brow_mid + f.brow_arch) * 4 * t * (1 - t)
    raised += (f.brow_out - 0.04) * t * (2 * t - 1)
    return SimpleNamespace(
        x=x, y=y, rim=rim, depth=depth, turned=turned, u=u, v=v,
        reach=reach, arch=arch, upper=upper, lower=lower,
        lip_top=upper - np.maximum(f.lips_h + f.lip_top, 0.012) * arch,
        lip_end=lower + np.maximum(f.lips_h * 1.3 + f.lip_low, 0.015) * arch,
        eye=eye, brow=f.brow_y - raised, nose_y=f.nose_y - f.nose_up,
        lid_up=EYE_Y - np.maximum(f.eye_open + f.lid_up, 0.01) * lens,
        lid_low=EYE_Y + np.maximum(f.eye_open * 0.6 + f.lid_low, 0) * lens,
    )  # fmt: skip


def _light(f: SimpleNamespace, g: SimpleNamespace) -> np.ndarray:
    """Light that the face throws back, about 0.2 to 1.1: its relief under a lamp."""
    u, v, nose_y = g.u, g.v, g.nose_y
    h = 0.75 * np.sqrt(g.depth**2 + 0.03)
    ridge = np.clip((v + 0.15) / (nose_y + 0.15), 0, 1) * _soft(nose_y + 0.06 - v, 6)  # highest at its tip
    h += 0.17 * ridge * _bump(u, f.nose_w * 0.7)
    h += 0.05 * _bump(u - f.nose_w, 0.06, v - nose_y, 0.07)  # wings of the nose
    h -= 0.07 * _bump(u - f.eye_x, 0.2, v - EYE_Y + 0.03, 0.14)  # eye sockets
    h += 0.05 * _bump(u - 0.3, 0.28, v - g.brow, 0.09)  # brow ridge
    h += (0.04 + 0.08 * f.cheek) * _bump(
        u - 0.42, 0.17, v - 0.2 + 0.08 * f.cheek, 0.14
    )  # raised cheeks bulge
    h += 0.05 * g.arch * _bump(v - (g.upper + g.lip_top) / 2, 0.05)  # lips, and the hollow under them
    h += 0.05 * g.arch * _bump(v - (g.lower + g.lip_end) / 2, 0.06)
    h -= 0.04 * g.arch * _bump(v - g.lip_end - 0.07, 0.05)
    h += (0.05 + 0.04 * f.chin) * _bump(u, 0.2, v - 0.88 - f.jaw, 0.12)
    slope_y, slope_x = np.gradient(h, 2 / SIDE, axis=(1, 2))
    facing = (1 - f.lamp_x * slope_x - f.lamp_y * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    return f.ambient + (1.1 - f.ambient) * np.maximum(facing / np.sqrt(1 + f.lamp_x**2 + f.lamp_y**2), 0)


def _skin(f: SimpleNamespace, g: SimpleNamespace) -> np.ndarray:
    """Skin with the creases that action units leave, nostrils and beard."""
    u, v, nose_y = g.u, g.v, g.nose_y
    fold_x = f.nose_w + 0.04 + (v - nose_y + 0.06) * 0.62  # from the nose past the corners of the mouth
    crease = (0.08 + 0.4 * f.fold) * _bump(u - fold_x, 0.04, v - (nose_y + f.mouth_y) / 2 + 0.04, 0.2)
    crease += 0.45 * f.furrow * _bump(u - 0.07, 0.035, v - g.brow - 0.02, 0.11)
    crease += 0.25 * f.forehead * _wave((v - g.brow) * 40) * _bump(u, 0.45, v - g.brow + 0.18, 0.11)
    crease += 0.4 * f.wrinkle * _wave((v + 0.8 * u) * 42) * _bump(u - 0.06, 0.11, v, 0.13)
    crease += 0.35 * f.crow * _bump(u - f.eye_x - 0.03, 0.2, v - g.lid_low - 0.055, 0.03)
    crease += 0.30 * f.chin * _bump(u, 0.2, v - 0.82, 0.05)
    crease += 0.60 * _bump(u - f.nose_w * 0.55, 0.04, v - nose_y - 0.065, 0.032)  # nostrils
    crease += 0.20 * _bump(g.eye, 0.8, v - g.lid_up + 0.06, 0.025)  # fold of the upper lid
    paint = f.skin * (1 - np.minimum(crease, 0.7))

    bearded = f.bearded * (f.length < 0.7)  # beards go with short hair
    jaw = bearded * _soft((u / 0.5) ** 2 + ((v - 0.12) / 0.5) ** 2 - 1, 1.8) * _soft(v - 0.3, 4)
    lip = _bump(v - (nose_y + g.lip_top) / 2 - 0.04, 0.055) * _soft(0.95 - g.reach, 3)
    lip *= np.maximum(f.moustache, bearded)
    return _over(paint, np.minimum(f.hair, f.skin * 0.7), f.beard * np.maximum(jaw, lip))


def _mouth(f: SimpleNamespace, g: SimpleNamespace, paint: np.ndarray) -> np.ndarray:
    """Add lips, and what shows between them: the dark, the upper teeth, the tongue."""
    within = _soft(1.03 - g.reach, 6)
    cupid = (g.upper - g.lip_top) * 0.3 * _bump(g.u, 0.06)
    lips = np.minimum(g.v - g.lip_top - cupid, g.lip_end - g.v)
    color = f.skin * (f.lip_tone + 0.2 * _soft(g.v - g.lower, 8))  # the upper lip turns away from the light
    paint = _over(paint, color, _soft(lips, 16) * within)
    gap = np.minimum(g.v - g.upper, g.lower - g.v) + 0.012  # closed lips still show a seam
    paint = _over(paint, 0.05 + 0.1 * f.skin, _soft(gap) * within * 0.95)
    teeth = np.minimum(gap - 0.034, g.upper + 0.09 - g.v)
    paint = _over(paint, 0.9, _soft(teeth) * _soft(0.85 - g.reach, 4))
    tongue = np.minimum(gap - 0.05, g.v - g.lower + 0.09)
    return _over(paint, 0.3, _soft(tongue, 14) * _soft(0.6 - g.reach, 3))


def _eyes(f: SimpleNamespace, g: SimpleNamespace, paint: np.ndarray) -> np.ndarray:
    """Add eyes, lashes, brows and glasses."""
    side = np.sign(g.turned)  # undoes the fold: both eyes look the same way
    ix, iy = (g.u - f.eye_x) * side - f.gaze, g.v - EYE_Y + 0.015
    r = np.sqrt(ix * ix + iy * iy)
    ball = _over(0.92, f.iris, _soft(0.105 - r))
    ball = _over(ball, 0.03, _soft(0.05 - r))
    ball = _over(ball, 1.0, 0.9 * _bump(ix + 0.035, 0.028, iy + 0.04, 0.028))  # the lamp's reflection
    corner = np.abs(g.eye)
    paint = _over(paint, ball, _soft(np.minimum(g.v - g.lid_up, g.lid_low - g.v)) * _soft(1 - corner, 4))
    paint *= 1 - 0.8 * _bump(g.v - g.lid_up, 0.027) * _soft(1.05 - corner, 3)
    paint *= 1 - 0.3 * _bump(g.v - g.lid_low, 0.022) * _soft(0.9 - corner, 3)

    thick = f.brow_h * (1.15 - 0.9 * np.clip((g.u - 0.12) / 0.5, 0, 1))
    brow = _soft(thick - np.abs(g.v - g.brow), 18)
    brow *= _soft(g.u - 0.13 + f.brow_near, 14) * _soft(0.58 - g.u, 14)
    paint = _over(paint, np.minimum(f.hair * 0.7, f.skin * 0.4), brow * 0.92)

    ring = np.abs(np.hypot(g.u - f.eye_x, (g.v - EYE_Y) * 1.15) - 0.24)
    frame = np.maximum(_soft(0.022 - ring), _bump(g.v - EYE_Y + 0.04, 0.03) * _soft(0.1 - g.u))
    return _over(paint, 0.08, frame * f.glasses * 0.9)


def _scene(f: SimpleNamespace, g: SimpleNamespace, face: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Put the lit face between what lies behind it and what hangs over it, from back to front."""
    x, y, v = g.x, g.y, g.v
    dim = 0.5 + 0.4 * f.ambient  # light beside and behind the face
    cap = 1 - (x / (f.width + f.volume)) ** 2 - (np.minimum(y, 0) / (1 + f.volume)) ** 2
    gloss = 0.9 + 0.14 * np.sin(31 * x + 6 * y * y) * np.sin(11 * x - 3 * y + 9 * f.part)
    gloss += 0.5 * _bump(x - 0.3 * f.lamp_x, 0.4, y + 0.8, 0.12)
    haired = _soft(cap, 6) * (1 - f.bald)

    picture = f.backdrop * (0.95 + 0.15 * y + 0.1 * f.lamp_x * x)
    tresses = haired * _soft(f.length - y, 6)
    picture = _over(picture, f.hair * gloss * dim, tresses)
    neck = _soft(0.42 - np.abs(x), 14) * _soft(y - 0.5, 10)
    picture = _over(picture, f.skin * dim * (0.5 + 0.3 * np.maximum(y - 0.8, 0)), neck)
    ears = _soft(0.1 - np.hypot(np.abs(x) - f.width, 0.6 * (y + 0.02)), 16)
    picture = _over(picture, f.skin * dim * 0.85, ears * (1 - tresses))
    picture = _over(picture, face * light, _soft(1 - g.rim, 9))
    fringe = haired * _soft(f.hairline + 0.9 * (g.turned - f.part) ** 2 - v, 8)
    picture = _over(picture, f.hair * gloss * light, fringe)

    # Now and then something hides part of the face.
    cos, sin = np.cos(f.veil_turn), np.sin(f.veil_turn)
    along, aside = (x - f.veil_x) * cos + (y - f.veil_y) * sin, (y - f.veil_y) * cos - (x - f.veil_x) * sin
    knuckle = np.sqrt(np.abs(np.cos(along * 18)))  # four fingers side by side
    hand = _soft(0.349 - np.abs(along)) * _soft(aside + 0.2 + 0.12 * knuckle - along**2, 14)
    picture = _over(picture, f.skin * dim * (0.55 + 0.45 * knuckle), hand * f.hand)
    lock = _soft(0.06 - np.abs(x - f.veil_x * 0.6 - 0.3 * y * y), 14) * _soft(0.6 - y, 6)
    picture = _over(picture, f.hair * dim, lock * f.strand * 0.9)
    return _over(picture, f.backdrop * 0.5, _soft(0.1 - np.abs(aside)) * f.bar)


def _photograph(picture: np.ndarray, f: SimpleNamespace, rng: np.random.Generator) -> np.ndarray:
    """Blur, expose and digitise: (n, 48, 48) float32, 0 black to 1 white, becomes uint8 0 to 255."""
    for view in (picture, picture.swapaxes(1, 2)):  # neighbors even out, down the picture and then across
        flow = f.blur / 4 * np.diff(view, axis=1)
        view[:, :-1] += flow
        view[:, 1:] -= flow
    noise = rng.standard_normal((BATCH, SIDE, SIDE), np.float32)[: len(picture)]
    return (np.clip(picture * f.gain + f.offset + f.noise * noise, 0, 1) * 255).astype(np.uint8)


def _soft(inside: np.ndarray, sharp: float = SIDE / 2) -> np.ndarray:
    """Coverage 0 to 1 of a shape, `inside` being positive within it; its edge is 1 / `sharp` wide."""
    return np.clip(inside * sharp + 0.5, 0, 1)


def _bump(a: np.ndarray, wide: float, b: np.ndarray | float = 0.0, high: float = 1.0) -> np.ndarray:
    """A smooth hill of height 1 where `a` and `b` are 0."""
    return np.exp(-((a / wide) ** 2) - (b / high) ** 2)


def _wave(phase: np.ndarray) -> np.ndarray:
    """Ripples between 0 and 1."""
    return 0.5 + 0.5 * np.sin(phase)


def _over(below: np.ndarray, color: np.ndarray | float, cover: np.ndarray) -> np.ndarray:
    """Paint `color` over `below` where `cover`, 0 to 1, says so."""
    return below + (color - below) * cover
