"""Transfer_Learning_model.py: pretrained weights reach the artifact, and a side that does not fit is refused."""

import pytest
from helpers import assert_same_bits

import Transfer_Learning_model
from pipeline.models.dlib_weights import FACE_RESNET_FILE, build_face_resnet, load_face_resnet_weights
from pipeline.models.packaged_weights import find_packaged_file


@pytest.mark.slow
def test_step_seven_builds_the_network_from_the_package(prepared, tmp_path):
    try:
        path = find_packaged_file(*FACE_RESNET_FILE)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    project = prepared.copy(tmp_path / "project")
    project.run("Transfer_Learning_model.py", "--side", 48)
    packed = project.store().read("model")
    assert packed["name"] == "Transfer-FaceResNet"
    expected = build_face_resnet(side=48)
    load_face_resnet_weights(expected, path)
    assert_same_bits(packed["weights"][:-2], expected.get_weights())


def test_side_that_is_no_multiple_of_a_face_is_refused():
    settings = Transfer_Learning_model.Settings(side=100)
    with pytest.raises(ValueError, match=r"side is 100.* 48 pixels"):
        Transfer_Learning_model.build(settings, (48, 48, 1))


@pytest.mark.slow
def test_invalid_side_ends_the_step_with_a_message(prepared, tmp_path):
    project = prepared.copy(tmp_path / "project")
    output = project.run("Transfer_Learning_model.py", "--side", 100, status=1)
    assert "side is 100" in output and "Traceback" not in output
