"""Cuts are found between scenes, not where a face, the camera or the light of one scene changes."""

import itertools

import cv2
import numpy as np
import pytest
import skimage

from pipeline.vision.scene_cut import SceneCutDetector

SIZE = 640, 480
PHOTOGRAPHS = {
    name: cv2.resize(getattr(skimage.data, name)(), SIZE)
    for name in ("astronaut", "coffee", "chelsea", "rocket")
}
WALL = np.full((480, 640, 3), 180, np.uint8)


def find_cuts(*images: np.ndarray) -> list[bool]:
    detector = SceneCutDetector()
    return [detector.update(image) for image in images]


@pytest.mark.parametrize("pair", [*itertools.permutations(PHOTOGRAPHS, 2)], ids="-".join)
def test_a_cut_between_photographs_is_found_once(pair):
    before, after = (PHOTOGRAPHS[name] for name in pair)
    assert find_cuts(before, before, after, after) == [False, False, True, False]


@pytest.mark.parametrize("pair", [("camera", "moon"), ("coins", "camera"), ("moon", "coins")], ids="-".join)
def test_a_cut_between_scenes_without_colors_is_found(pair):
    grays = [cv2.resize(getattr(skimage.data, name)(), SIZE) for name in pair]
    assert find_cuts(*(np.repeat(gray[..., np.newaxis], 3, axis=2) for gray in grays)) == [False, True]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("factor", [0.4, 0.7, 1.4])
def test_a_change_of_the_light_is_not_a_cut(name, factor):
    image = PHOTOGRAPHS[name]
    assert not any(find_cuts(image, np.clip(image * factor, 0, 255).astype(np.uint8), image))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_pan_and_noise_are_not_a_cut(name, rng):
    image = PHOTOGRAPHS[name]
    moved = [np.roll(image, 8 * index, axis=1) for index in range(10)]
    noisy = [np.clip(image + rng.normal(0, 15, image.shape), 0, 255).astype(np.uint8) for _ in range(3)]
    assert not any(find_cuts(*moved)) and not any(find_cuts(*noisy))


@pytest.mark.parametrize("background", [WALL, PHOTOGRAPHS["coffee"]], ids=["wall", "photograph"])
@pytest.mark.parametrize("pixels_per_frame", [10, 40, 100, 300])
def test_a_moving_face_is_not_a_cut(background, pixels_per_frame):
    face = cv2.resize(PHOTOGRAPHS["astronaut"][:240, 200:440], (240, 240))
    images = []
    for left in range(0, 400, pixels_per_frame):
        image = background.copy()
        image[100:340, left : left + 240] = face
        images.append(image)
    assert not any(find_cuts(*images))


@pytest.mark.parametrize("size", [(64, 48), (1, 1), (30, 2000), (1920, 1080)], ids=str)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_images_of_all_sizes_and_without_contrast_are_compared(size, value):
    image = np.full((size[1], size[0], 3), value, np.uint8)
    assert find_cuts(image, image) == [False, False]
