"""Test how uploaded videos are annotated, without a server."""

from pathlib import Path

import pytest

from pipeline.web.video_jobs import AnnotatedVideo, VideoJobs


def ignore_progress(fraction: float) -> None:
    pass


@pytest.fixture
def create_jobs(tmp_path):
    def create(max_seconds: float = 60) -> VideoJobs:
        return VideoJobs(tmp_path, tta=1, smoothing=0.4, max_seconds=max_seconds)

    return create


@pytest.fixture
def annotate(classifier):
    def annotate(jobs: VideoJobs, path: Path, progress=ignore_progress) -> AnnotatedVideo:
        jobs.begin("tab")
        return jobs.annotate(path, "tab", classifier, progress)

    return annotate


@pytest.mark.slow
def test_video_is_annotated_frame_by_frame(create_jobs, annotate, uploads):
    fractions = []
    video = annotate(create_jobs(), uploads / "smile.mp4", fractions.append)
    assert video.is_complete and video.path.stat().st_size and video.name == "smile.mp4"
    assert list(video.mean_probabilities) == [1]
    assert {row["emotion"] for row in video.rows} == {"Happy"}
    assert fractions == pytest.approx([frame / 12 for frame in range(1, 13)])


def test_only_the_beginning_of_a_long_video_is_processed(create_jobs, annotate, uploads):
    video = annotate(create_jobs(max_seconds=0.2), uploads / "smile.mp4")
    assert not video.is_complete
    assert video.seconds == pytest.approx(0.2)
    assert [row["frame"] for row in video.rows] == [1, 2, 3, 4, 5, 6]


def test_new_upload_replaces_the_sessions_previous_videos(
    create_jobs, annotate, classifier, uploads, tmp_path
):
    jobs = create_jobs(max_seconds=0.05)
    annotate(jobs, uploads / "smile.mp4")
    first = annotate(jobs, uploads / "smile.mp4")
    second = jobs.annotate(uploads / "smile.mp4", "tab", classifier, ignore_progress)
    assert set(tmp_path.iterdir()) == {first.path, second.path}
    jobs.discard("tab")
    assert not list(tmp_path.iterdir())


def test_no_file_is_left_when_the_session_ends_during_the_video(create_jobs, annotate, uploads, tmp_path):
    jobs = create_jobs()
    with pytest.raises(ValueError, match="page was closed"):
        annotate(jobs, uploads / "smile.mp4", lambda fraction: jobs.discard("tab"))
    assert not list(tmp_path.iterdir())
    assert not jobs.paths


def test_file_that_is_not_a_video_is_refused(create_jobs, annotate, uploads):
    with pytest.raises(ValueError, match=r"notes\.jpg"):
        annotate(create_jobs(), uploads / "notes.jpg")
