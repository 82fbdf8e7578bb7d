"""The time that a training has left is estimated over all of its epochs, without the slow first one."""

import pytest

from pipeline.training.callbacks import ReportTimeLeft, format_duration


def train(
    report: ReportTimeLeft, clock: list[float], seconds: list[float], first_epoch: int = 0, verbose: int = 1
) -> None:
    """Call a callback as `fit` does before epochs of the given durations, which follow each other."""
    report.set_params({"verbose": verbose})
    for epoch, duration in enumerate(seconds, start=first_epoch):
        report.on_epoch_begin(epoch)
        clock[0] += duration
        report.on_epoch_end(epoch)


@pytest.fixture
def clock() -> list[float]:
    """The time in seconds, to be changed."""
    return [1000.0]


def test_the_estimate_leaves_out_the_first_epoch(clock, capsys):
    train(ReportTimeLeft(30, lambda: clock[0]), clock, [40.0, 10.0, 12.0, 11.0])
    first, second, third = capsys.readouterr().out.splitlines()
    assert "1 of 30" in first and format_duration(29 * 40) in first
    assert "2 of 30" in second and format_duration(28 * 10) in second
    assert "3 of 30" in third and format_duration(27 * 11) in third


def test_a_resumed_training_counts_all_epochs(clock, capsys):
    train(ReportTimeLeft(30, lambda: clock[0]), clock, [20.0, 10.0, 10.0], first_epoch=20)
    assert "22 of 30" in (last := capsys.readouterr().out.splitlines()[-1]) and "80 s" in last


def test_short_epochs_are_reported_every_ten_seconds(clock, capsys):
    train(ReportTimeLeft(100, lambda: clock[0]), clock, [1.0] * 100)
    assert len(capsys.readouterr().out.splitlines()) == 10


@pytest.mark.parametrize(("n_epochs", "verbose"), [(1, 1), (3, 0)])
def test_nothing_is_printed_for_a_single_epoch_or_by_a_silent_fit(clock, capsys, n_epochs, verbose):
    train(ReportTimeLeft(n_epochs, lambda: clock[0]), clock, [20.0] * n_epochs, verbose=verbose)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7500, "2 h 05 min")]
)
def test_durations_have_a_unit_that_suits_them(seconds, text):
    assert format_duration(seconds) == text
