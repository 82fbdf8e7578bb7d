"""The processor and the commit that the report names."""

import subprocess

import pytest

from pipeline.workflow import provenance


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor: 0\nmodel name\t: Some CPU @ 3 GHz\n", "Some CPU @ 3 GHz"),
        ("model name:\n", None),
        ("", None),
    ],
)
def test_the_processor_is_that_of_cpuinfo_or_else_the_architecture(tmp_path, monkeypatch, text, expected):
    monkeypatch.setattr(provenance, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(provenance.platform, "system", lambda: "Linux")
    (tmp_path / "cpuinfo").write_text(text, encoding="utf-8")
    assert provenance.describe_processor() == (
        expected or provenance.platform.processor() or provenance.platform.machine()
    )


def test_without_a_repository_there_is_no_commit(tmp_path):
    assert provenance.find_commit(tmp_path) == ""


def test_a_commit_is_marked_if_files_differ_from_it(tmp_path):
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        command = ["git", *identity, "-C", str(tmp_path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "file.txt").write_text("a")
    git("add", ".")
    git("commit", "-qm", "First")
    assert provenance.find_commit(tmp_path) == git("rev-parse", "--short=12", "HEAD")
    (tmp_path / "file.txt").write_text("b")
    assert provenance.find_commit(tmp_path).endswith(" (modified)")
