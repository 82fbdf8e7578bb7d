"""Draw why the faces of an image got their emotions: each face enlarged, its saliency map over it, and its bars.

The maps are by occlusion sensitivity, which works with any classifier and shows best what a prediction depends on
(benchmarks/saliency.py).
"""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.data.pixels import stretch_contrast
from pipeline.evaluation.saliency import occlusion_sensitivity, scale_to_unit
from pipeline.figures.heat_map import blend_heat_map
from pipeline.vision.annotate import DARK_RGB, blend_text, draw_bars
from pipeline.vision.face import Face
from pipeline.vision.face_crop import crop_face
from pipeline.vision.recognition import Classifier, FacePrediction
from pipeline.vision.tag_layout import Tag, measure_panel, render_text

MAX_EXPLAINED_FACES = 12  # of an image, the largest; each needs as much time as 65 faces to recognize
MAX_EXPLAINED_VIEWS = 2  # of TTA: the face and its mirror image
TILE_SIDE = 200  # pixels: of an enlarged face
TEXT_SIZE = 13  # pixels
MARGIN = 12  # pixels, around and between the parts
BACKGROUND = 255
SCALE_HEIGHT = 10  # pixels: of the color bar


def explain_image(
    image: np.ndarray, predictions: Sequence[FacePrediction], classifier: Classifier, tta: int
) -> np.ndarray:
    """Draw the largest faces of an image with their saliency maps.

    Args:
        image: (height, width, 3) uint8 RGB.
        predictions: of its faces, the largest first, in its coordinates.
        classifier: that predicted them.
        tta: views of each face that it averaged over.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    predictions = predictions[:MAX_EXPLAINED_FACES]
    crops = np.stack([crop_face(image, prediction.face) for prediction in predictions])
    tiles = [crop_face(image, prediction.face, side=TILE_SIDE) for prediction in predictions]
    return draw_explanation(tiles, explain_faces(classifier, crops, predictions, tta), predictions)


def explain_crop(crop: np.ndarray, probabilities: np.ndarray, classifier: Classifier, tta: int) -> np.ndarray:
    """Draw a cropped face (48, 48) uint8 with its saliency map, as `explain_image` does."""
    prediction = FacePrediction(Face((0, 0, *crop.shape), 1), probabilities, 1, classifier.emotions)
    tile = cv2.resize(crop, (TILE_SIDE, TILE_SIDE), interpolation=cv2.INTER_CUBIC)
    maps = explain_faces(classifier, crop[np.newaxis], [prediction], tta)
    return draw_explanation([tile], maps, [prediction])


def explain_faces(
    classifier: Classifier, crops: np.ndarray, predictions: Sequence[FacePrediction], tta: int
) -> np.ndarray:
    """Return by how much the probability of each face's emotion falls where a part is hidden, (N, 48, 48) float32.

    Args:
        crops: (N, 48, 48) uint8.
        predictions: of these faces.
        tta: views of each face to average over, of which two are used at most.
    """
    n_views = min(tta, MAX_EXPLAINED_VIEWS)
    classes = np.array([prediction.probabilities.argmax() for prediction in predictions], int)
    return occlusion_sensitivity(
        lambda faces: classifier.predict_proba(faces, n_views), stretch_contrast(crops), classes
    )


def draw_explanation(
    tiles: Sequence[np.ndarray], maps: np.ndarray, predictions: Sequence[FacePrediction]
) -> np.ndarray:
    """Draw a row for each face: the face, its map over it with the largest fall of the probability, and its bars.

    Args:
        tiles: (TILE_SIDE, TILE_SIDE) uint8 gray, the faces.
        maps: (N, 48, 48), from `explain_faces`.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    panel_width, panel_height = measure_panel(predictions[0].emotions, TEXT_SIZE)
    caption_height = 2 * TEXT_SIZE
    row_height = max(TILE_SIDE + caption_height, panel_height) + MARGIN
    height, width = (
        row_height * len(tiles) + 3 * MARGIN + SCALE_HEIGHT,
        2 * TILE_SIDE + panel_width + 4 * MARGIN,
    )
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    middle, right = 2 * MARGIN + TILE_SIDE, 3 * MARGIN + 2 * TILE_SIDE
    rows = zip(tiles, maps, scale_to_unit(maps), predictions, strict=True)
    for index, (tile, saliency, scaled, prediction) in enumerate(rows):
        top = MARGIN + index * row_height
        image[top : top + TILE_SIDE, MARGIN : MARGIN + TILE_SIDE] = tile[..., np.newaxis]
        image[top : top + TILE_SIDE, middle : middle + TILE_SIDE] = blend_heat_map(tile, scaled)
        caption = f"{prediction.emotion} falls by up to {100 * max(0.0, float(saliency.max())):.1f} points"
        _write(image, caption, middle, top + TILE_SIDE + TEXT_SIZE // 3)
        draw_bars(
            image, Tag(prediction, "", (right, top, right + panel_width, top + panel_height), TEXT_SIZE)
        )
    _draw_scale(image, middle, height - MARGIN - SCALE_HEIGHT)
    return image


def _draw_scale(image: np.ndarray, left: int, top: int) -> None:
    """Draw the color bar below the maps, with what its ends mean beside it."""
    levels = np.tile(np.linspace(0, 1, TILE_SIDE), (SCALE_HEIGHT, 1))
    gray = np.full(levels.shape, BACKGROUND // 2, np.uint8)
    image[top : top + SCALE_HEIGHT, left : left + TILE_SIDE] = blend_heat_map(gray, levels)
    text_top = top - TEXT_SIZE // 2
    _write(
        image,
        "hidden: no change",
        left - MARGIN - render_text("hidden: no change", TEXT_SIZE).shape[1],
        text_top,
    )
    _write(image, "less probable", left + TILE_SIDE + MARGIN, text_top)


def _write(image: np.ndarray, text: str, left: int, top: int) -> None:
    blend_text(image, render_text(text, TEXT_SIZE), left, top, DARK_RGB)
