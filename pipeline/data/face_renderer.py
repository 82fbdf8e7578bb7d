"""Render synthetic faces: a relief of head, nose, cheeks and lips under one light, painted, before a background.

All faces of a batch are rendered at once, by array arithmetic. A face is a namespace of parameters, (n, 1, 1) float32
each, that synthetic_faces.py draws; `geo` is the geometry that `compute_geometry` derives from them, (n, 48, 48) each.
Lengths are in face units: x to the right, y down, the origin between the eyes and the tip of the nose, the chin of a
neutral face at y = 1.
"""

from types import SimpleNamespace

import numpy as np

from pipeline.data.fer2013 import SIDE

EYE_Y = -0.13  # height of the eyes, in face units


def render_faces(face: SimpleNamespace, noise: np.ndarray) -> np.ndarray:
    """Render n faces.

    Args:
        face: The parameters, (n, 1, 1) float32 each.
        noise: (n, 48, 48) float32, standard normal, for the noise of the camera.

    Returns:
        (n, 48, 48) uint8, 0 black to 255 white.
    """
    geo = compute_geometry(face)
    light = shade(face, geo)
    painted = paint_eyes(face, geo, paint_mouth(face, geo, paint_skin(face, geo)))
    return capture(compose(face, geo, painted * light, light), face, noise)


def compute_geometry(face: SimpleNamespace) -> SimpleNamespace:
    """Compute where each pixel lies on the face, (n, 48, 48) each.

    x, y: in the plane of the upright head. u, v: on its surface as the head turns, u counted from the middle
    outwards. brow, lids and lips: the height v at which these curves cross the pixel's column.
    """
    grid = (np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2) / (SIDE / 2)  # -1 to 1 across the image
    across, down = (grid - face.shift_x) / face.zoom, (grid[:, None] - face.shift_y) / face.zoom
    x = across * np.cos(face.roll) + down * np.sin(face.roll)
    y = down * np.cos(face.roll) - across * np.sin(face.roll) + 0.06  # the image's center lies below the eyes

    # Outline: an ellipse that narrows towards the chin and lengthens as the jaw drops.
    above, below = np.minimum(y, 0), np.maximum(y, 0)
    chin2 = (below / (1 + face.jaw)) ** 2
    half = face.width * (1 - face.jawline * np.minimum(chin2, 1.5))
    rim = (x / half) ** 2 + above**2 + chin2 * (0.65 + 0.35 * chin2)  # 1 on the outline
    depth = np.sqrt(np.maximum(1 - rim, 0))  # 1 where the head is nearest to the camera
    # The features turn with the head. A face is symmetric, so u folds its left half onto its right.
    turned = x * np.cos(face.yaw) - face.width * depth * np.sin(face.yaw)
    u, v = np.abs(turned), y - face.pitch * depth

    reach = u / (face.mouth_w + face.corner_out)  # 1 at the corner of the mouth
    arch = np.sqrt(np.maximum(1 - reach * reach, 0))
    curve = np.minimum(reach, 1.2) ** 2 - 0.35
    seam = face.mouth_y - face.mouth_up - face.corner_up * curve + face.smirk * turned
    upper, lower = seam - face.top_lip * arch, seam + face.gape * arch
    eye = (u - face.eye_x) / face.eye_w  # -1 and 1 at the corners of the eye
    lens = np.maximum(1 - eye * eye, 0)
    return SimpleNamespace(
        x=x, y=y, rim=rim, depth=depth, turned=turned, u=u, v=v,
        reach=reach, arch=arch, upper=upper, lower=lower,
        lip_top=upper - np.maximum(face.lips_h + face.lip_top, 0.012) * arch,
        lip_end=lower + np.maximum(face.lips_h * 1.3 + face.lip_low, 0.015) * arch,
        eye=eye, brow=face.brow_y - compute_brow_raise(face, u), nose_y=face.nose_y - face.nose_up,
        lid_up=EYE_Y - np.maximum(face.eye_open + face.lid_up, 0.01) * lens,
        lid_low=EYE_Y + np.maximum(face.eye_open * 0.6 + face.lid_low, 0) * lens,
    )  # fmt: skip


def compute_brow_raise(face: SimpleNamespace, u: np.ndarray) -> np.ndarray:
    """Compute how far the brow is raised at `u`: a parabola through its inner end, middle and outer end."""
    t = np.clip((u - 0.14) / 0.42, 0, 1.1)
    raised = face.brow_in * (1 - t) * (1 - 2 * t) + (face.brow_mid + face.brow_arch) * 4 * t * (1 - t)
    raised += (face.brow_out - 0.04) * t * (2 * t - 1)
    return raised


def shade(face: SimpleNamespace, geo: SimpleNamespace) -> np.ndarray:
    """Compute the light that the relief of the face reflects, about 0.2 to 1.1 (Lambert's cosine law)."""
    u, v, nose_y = geo.u, geo.v, geo.nose_y
    h = 0.75 * np.sqrt(geo.depth**2 + 0.03)
    ridge = np.clip((v + 0.15) / (nose_y + 0.15), 0, 1) * coverage(nose_y + 0.06 - v, 6)  # highest at the tip
    h += 0.17 * ridge * gaussian(u, face.nose_w * 0.7)
    h += 0.05 * gaussian(u - face.nose_w, 0.06, v - nose_y, 0.07)  # wings of the nose
    h -= 0.07 * gaussian(u - face.eye_x, 0.2, v - EYE_Y + 0.03, 0.14)  # eye sockets
    h += 0.05 * gaussian(u - 0.3, 0.28, v - geo.brow, 0.09)  # brow ridge
    cheek_y = v - 0.2 + 0.08 * face.cheek
    h += (0.04 + 0.08 * face.cheek) * gaussian(u - 0.42, 0.17, cheek_y, 0.14)  # raised cheeks bulge
    h += (
        0.05 * geo.arch * gaussian(v - (geo.upper + geo.lip_top) / 2, 0.05)
    )  # lips, and the hollow below them
    h += 0.05 * geo.arch * gaussian(v - (geo.lower + geo.lip_end) / 2, 0.06)
    h -= 0.04 * geo.arch * gaussian(v - geo.lip_end - 0.07, 0.05)
    h += (0.05 + 0.04 * face.chin) * gaussian(u, 0.2, v - 0.88 - face.jaw, 0.12)
    slope_y, slope_x = np.gradient(h, 2 / SIDE, axis=(1, 2))
    cosine = (1 - face.light_x * slope_x - face.light_y * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    diffuse = np.maximum(cosine / np.sqrt(1 + face.light_x**2 + face.light_y**2), 0)
    return face.ambient + (1.1 - face.ambient) * diffuse


def paint_skin(face: SimpleNamespace, geo: SimpleNamespace) -> np.ndarray:
    """Paint the skin with the creases that action units cause, nostrils and beard."""
    u, v, nose_y = geo.u, geo.v, geo.nose_y
    fold_x, fold_y = face.nose_w + 0.04 + (v - nose_y + 0.06) * 0.62, v - (nose_y + face.mouth_y) / 2 + 0.04
    crease = (0.08 + 0.4 * face.fold) * gaussian(u - fold_x, 0.04, fold_y, 0.2)  # from nose to mouth
    crease += 0.45 * face.furrow * gaussian(u - 0.07, 0.035, v - geo.brow - 0.02, 0.11)
    above_brow = gaussian(u, 0.45, v - geo.brow + 0.18, 0.11)
    crease += 0.25 * face.forehead * ripples((v - geo.brow) * 40) * above_brow
    crease += 0.4 * face.wrinkle * ripples((v + 0.8 * u) * 42) * gaussian(u - 0.06, 0.11, v, 0.13)
    crease += 0.35 * face.crow * gaussian(u - face.eye_x - 0.03, 0.2, v - geo.lid_low - 0.055, 0.03)
    crease += 0.30 * face.chin * gaussian(u, 0.2, v - 0.82, 0.05)
    crease += 0.60 * gaussian(u - face.nose_w * 0.55, 0.04, v - nose_y - 0.065, 0.032)  # nostrils
    crease += 0.20 * gaussian(geo.eye, 0.8, v - geo.lid_up + 0.06, 0.025)  # fold of the upper lid
    image = face.skin * (1 - np.minimum(crease, 0.7))

    bearded = face.bearded * (face.length < 0.7)  # only with short hair
    jaw = bearded * coverage((u / 0.5) ** 2 + ((v - 0.12) / 0.5) ** 2 - 1, 1.8) * coverage(v - 0.3, 4)
    lip = gaussian(v - (nose_y + geo.lip_top) / 2 - 0.04, 0.055) * coverage(0.95 - geo.reach, 3)
    lip *= np.maximum(face.moustache, bearded)
    return blend(image, np.minimum(face.hair, face.skin * 0.7), face.beard * np.maximum(jaw, lip))


def paint_mouth(face: SimpleNamespace, geo: SimpleNamespace, image: np.ndarray) -> np.ndarray:
    """Paint the lips and, between them, the dark of the mouth, the upper teeth and the tongue."""
    within = coverage(1.03 - geo.reach, 6)
    cupid = (geo.upper - geo.lip_top) * 0.3 * gaussian(geo.u, 0.06)
    lips = np.minimum(geo.v - geo.lip_top - cupid, geo.lip_end - geo.v)
    # The upper lip is darker, because it faces down.
    color = face.skin * (face.lip_tone + 0.2 * coverage(geo.v - geo.lower, 8))
    image = blend(image, color, coverage(lips, 16) * within)
    gap = np.minimum(geo.v - geo.upper, geo.lower - geo.v) + 0.012  # closed lips still show a seam
    image = blend(image, 0.05 + 0.1 * face.skin, coverage(gap) * within * 0.95)
    teeth = np.minimum(gap - 0.034, geo.upper + 0.09 - geo.v)
    image = blend(image, 0.9, coverage(teeth) * coverage(0.85 - geo.reach, 4))
    tongue = np.minimum(gap - 0.05, geo.v - geo.lower + 0.09)
    return blend(image, 0.3, coverage(tongue, 14) * coverage(0.6 - geo.reach, 3))


def paint_eyes(face: SimpleNamespace, geo: SimpleNamespace, image: np.ndarray) -> np.ndarray:
    """Paint eyes, lashes, brows and glasses."""
    side = np.sign(geo.turned)  # undoes the fold: both eyes have the same direction of gaze
    iris_x, iris_y = (geo.u - face.eye_x) * side - face.gaze, geo.v - EYE_Y + 0.015
    r = np.sqrt(iris_x * iris_x + iris_y * iris_y)
    eyeball = blend(0.92, face.iris, coverage(0.105 - r))
    eyeball = blend(eyeball, 0.03, coverage(0.05 - r))
    eyeball = blend(eyeball, 1.0, 0.9 * gaussian(iris_x + 0.035, 0.028, iris_y + 0.04, 0.028))  # reflection
    corner = np.abs(geo.eye)
    opening = np.minimum(geo.v - geo.lid_up, geo.lid_low - geo.v)
    image = blend(image, eyeball, coverage(opening) * coverage(1 - corner, 4))
    image *= 1 - 0.8 * gaussian(geo.v - geo.lid_up, 0.027) * coverage(1.05 - corner, 3)
    image *= 1 - 0.3 * gaussian(geo.v - geo.lid_low, 0.022) * coverage(0.9 - corner, 3)

    thickness = face.brow_h * (1.15 - 0.9 * np.clip((geo.u - 0.12) / 0.5, 0, 1))
    brow = coverage(thickness - np.abs(geo.v - geo.brow), 18)
    brow *= coverage(geo.u - 0.13 + face.brow_near, 14) * coverage(0.58 - geo.u, 14)
    image = blend(image, np.minimum(face.hair * 0.7, face.skin * 0.4), brow * 0.92)

    ring = np.abs(np.hypot(geo.u - face.eye_x, (geo.v - EYE_Y) * 1.15) - 0.24)
    bridge = gaussian(geo.v - EYE_Y + 0.04, 0.03) * coverage(0.1 - geo.u)
    return blend(image, 0.08, np.maximum(coverage(0.022 - ring), bridge) * face.glasses * 0.9)


def compose(face: SimpleNamespace, geo: SimpleNamespace, lit: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Compose the image from back to front: background, hair, neck, ears, the lit face, fringe, occluders."""
    x, y = geo.x, geo.y
    dim = 0.5 + 0.4 * face.ambient  # light beside and behind the face
    cap = 1 - (x / (face.width + face.volume)) ** 2 - (np.minimum(y, 0) / (1 + face.volume)) ** 2
    gloss = 0.9 + 0.14 * np.sin(31 * x + 6 * y * y) * np.sin(11 * x - 3 * y + 9 * face.part)
    gloss += 0.5 * gaussian(x - 0.3 * face.light_x, 0.4, y + 0.8, 0.12)
    haired = coverage(cap, 6) * (1 - face.bald)

    image = face.backdrop * (0.95 + 0.15 * y + 0.1 * face.light_x * x)
    back_hair = haired * coverage(face.length - y, 6)
    image = blend(image, face.hair * gloss * dim, back_hair)
    neck = coverage(0.42 - np.abs(x), 14) * coverage(y - 0.5, 10)
    image = blend(image, face.skin * dim * (0.5 + 0.3 * np.maximum(y - 0.8, 0)), neck)
    ears = coverage(0.1 - np.hypot(np.abs(x) - face.width, 0.6 * (y + 0.02)), 16)
    image = blend(image, face.skin * dim * 0.85, ears * (1 - back_hair))
    image = blend(image, lit, coverage(1 - geo.rim, 9))
    fringe = haired * coverage(face.hairline + 0.9 * (geo.turned - face.part) ** 2 - geo.v, 8)
    image = blend(image, face.hair * gloss * light, fringe)
    return add_occluders(face, geo, image, dim)


def add_occluders(
    face: SimpleNamespace, geo: SimpleNamespace, image: np.ndarray, dim: np.ndarray
) -> np.ndarray:
    """Add what hides part of a few faces: a hand, a strand of hair, a bar."""
    x, y = geo.x, geo.y
    cos, sin = np.cos(face.occluder_turn), np.sin(face.occluder_turn)
    dx, dy = x - face.occluder_x, y - face.occluder_y
    along, aside = dx * cos + dy * sin, dy * cos - dx * sin
    knuckle = np.sqrt(np.abs(np.cos(along * 18)))  # four fingers side by side
    hand = coverage(0.349 - np.abs(along)) * coverage(aside + 0.2 + 0.12 * knuckle - along**2, 14)
    image = blend(image, face.skin * dim * (0.55 + 0.45 * knuckle), hand * face.hand)
    strand = coverage(0.06 - np.abs(x - face.occluder_x * 0.6 - 0.3 * y * y), 14) * coverage(0.6 - y, 6)
    image = blend(image, face.hair * dim, strand * face.strand * 0.9)
    return blend(image, face.backdrop * 0.5, coverage(0.1 - np.abs(aside)) * face.bar)


def capture(image: np.ndarray, face: SimpleNamespace, noise: np.ndarray) -> np.ndarray:
    """Blur, expose, add noise and quantize: (n, 48, 48) float32, 0 black to 1 white, to uint8. Overwrites `image`."""
    for view in (
        image,
        image.swapaxes(1, 2),
    ):  # diffusion between neighbors, along columns and then along rows
        flow = face.blur / 4 * np.diff(view, axis=1)
        view[:, :-1] += flow
        view[:, 1:] -= flow
    return (np.clip(image * face.gain + face.offset + face.noise * noise, 0, 1) * 255).astype(np.uint8)


def coverage(inside: np.ndarray, sharpness: float = SIDE / 2) -> np.ndarray:
    """Return a shape's coverage, 0 to 1; `inside` is positive within it, and its edge is 1 / `sharpness` wide."""
    return np.clip(inside * sharpness + 0.5, 0, 1)


def gaussian(a: np.ndarray, width: float, b: np.ndarray | float = 0.0, height: float = 1.0) -> np.ndarray:
    """Return a Gaussian bump of amplitude 1 at a = b = 0."""
    return np.exp(-((a / width) ** 2) - (b / height) ** 2)


def ripples(phase: np.ndarray) -> np.ndarray:
    """Return a sine wave between 0 and 1."""
    return 0.5 + 0.5 * np.sin(phase)


def blend(below: np.ndarray | float, color: np.ndarray | float, alpha: np.ndarray) -> np.ndarray:
    """Blend `color` over `below` with opacity `alpha`, 0 to 1."""
    return below + (color - below) * alpha
