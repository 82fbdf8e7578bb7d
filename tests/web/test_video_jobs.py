"""Test how uploaded videos are annotated, without a server."""

import pytest

from pipeline.web.video_jobs import VideoJobs


def ignore_progress(fraction: float) -> None:
    pass


@pytest.fixture
def create_jobs(classifier, tmp_path):
    def create(max_seconds: float = 60) -> VideoJobs:
        return VideoJobs(tmp_path, classifier, tta=1, smoothing=0.4, max_seconds=max_seconds)

    return create


@pytest.mark.slow
def test_video_is_annotated_frame_by_frame(create_jobs, uploads):
    fractions = []
    video = create_jobs().annotate(uploads / "smile.mp4", "tab", fractions.append)
    assert video.is_complete and video.path.stat().st_size and video.name == "smile.mp4"
    assert list(video.mean_probabilities) == [1]
    assert {row["emotion"] for row in video.rows} == {"Happy"}
    assert fractions == pytest.approx([frame / 12 for frame in range(1, 13)])


def test_only_the_beginning_of_a_long_video_is_processed(create_jobs, uploads):
    video = create_jobs(max_seconds=0.2).annotate(uploads / "smile.mp4", "tab", ignore_progress)
    assert not video.is_complete
    assert video.seconds == pytest.approx(0.2)
    assert [row["frame"] for row in video.rows] == [1, 2, 3, 4, 5, 6]


def test_new_video_replaces_the_sessions_previous_one(create_jobs, uploads, tmp_path):
    jobs = create_jobs(max_seconds=0.05)
    jobs.annotate(uploads / "smile.mp4", "tab", ignore_progress)
    video = jobs.annotate(uploads / "smile.mp4", "tab", ignore_progress)
    assert list(tmp_path.iterdir()) == [video.path]


def test_no_file_is_left_when_the_session_ends_during_the_video(create_jobs, uploads, tmp_path):
    jobs = create_jobs()
    with pytest.raises(ValueError, match="page was closed"):
        jobs.annotate(uploads / "smile.mp4", "tab", lambda fraction: jobs.discard("tab"))
    assert not list(tmp_path.iterdir())
    assert not jobs.paths


def test_file_that_is_not_a_video_is_refused(create_jobs, uploads):
    with pytest.raises(ValueError, match=r"notes\.jpg"):
        create_jobs().annotate(uploads / "notes.jpg", "tab", ignore_progress)
