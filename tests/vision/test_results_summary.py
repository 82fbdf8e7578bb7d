"""The summary of results: faces are counted once, and unreadable files are listed with the reason."""

import pytest

from pipeline.vision.results_summary import MAX_LISTED_FACES, summarize_results
from pipeline.vision.results_table import Row


def face_row(file: str, face: int = 1, emotion: str = "Happy", confidence: float = 0.9) -> Row:
    return {"file": file, "face": face, "emotion": emotion, "confidence": confidence}


def test_a_face_of_a_video_counts_once_with_its_most_frequent_emotion():
    emotions = ("Sad", "Happy", "Happy")
    rows = [face_row("a.mp4", face, emotion) for emotion in emotions for face in (1, 2)]
    summary = summarize_results(rows)
    assert summary.emotions == {"Happy": 2}
    assert all("Happy" in line and "(2 of 3 frames)" in line for line in summary.first_faces)


def test_a_face_has_its_mean_confidence_in_its_emotion():
    rows = [
        face_row("a.mp4", 1, "Sad", 0.99),
        face_row("a.mp4", 1, confidence=0.6),
        face_row("a.mp4", 1, confidence=0.8),
    ]
    (line,) = summarize_results([*rows, face_row("b.png", confidence=0.512)]).first_faces[:1]
    assert "70%" in line
    assert "51%" in summarize_results([face_row("b.png", confidence=0.512)]).first_faces[0]


def test_a_video_with_frames_without_a_face_is_not_a_file_without_a_face():
    rows = [
        {"file": "a.mp4", "note": "no face found"},
        face_row("a.mp4"),
        {"file": "b", "note": "no face found"},
    ]
    assert summarize_results(rows).n_without_face == 1


@pytest.mark.parametrize("names", [("sub/x.png", "x.png"), ("x.png", "sub/x.png")])
def test_a_file_without_a_face_counts_as_read_beside_an_unreadable_one(names):
    unreadable, without_face = names
    rows = [
        {"file": unreadable, "note": f"not read: {unreadable} is text."},
        {"file": without_face, "note": "no face found"},
    ]
    summary = summarize_results(rows)
    assert (summary.n_without_face, summary.unread, summary.is_empty) == (1, [rows[0]["note"]], False)
    assert summarize_results(rows[:1]).is_empty


def test_counts_agree_with_their_nouns():
    text = "\n".join(summarize_results([face_row("a"), {"file": "b", "note": "no face found"}]).lines())
    assert "1 face (Happy 1)" in text and "1 file without a face" in text
    text = "\n".join(summarize_results([face_row("a", face) for face in (1, 2)]).lines())
    assert "2 faces (Happy 2)" in text and "0 files without a face" in text


def test_only_the_first_faces_are_listed():
    rows = (face_row(f"{index}.png") for index in range(MAX_LISTED_FACES + 1_005))
    lines = list(summarize_results(rows).lines())
    assert len(lines) == 1 + MAX_LISTED_FACES + 2 and "1,005 more" in lines[1 + MAX_LISTED_FACES]
    assert all(len(line) <= 98 for line in lines)


def test_only_the_first_unreadable_files_are_listed():
    rows = ({"file": f"{index}.txt", "note": f"not read: {index}.txt"} for index in range(981))
    lines = list(summarize_results([face_row("a"), *rows]).lines())
    assert len(lines) < 30 and any("961 more" in line for line in lines) and "981 not read" in lines[-1]


def test_without_any_face_the_summary_mentions_the_flag_for_cropped_faces():
    assert "--faces crop" in list(summarize_results([{"file": "a", "note": "no face found"}]).lines())[-1]
