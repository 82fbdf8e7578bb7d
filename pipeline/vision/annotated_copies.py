"""Write annotated copies of images and videos to a folder that belongs to one run."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.vision.file_kinds import input_kind
from pipeline.workflow.atomic_io import TEMPORARY_PREFIX

COPY_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")  # others get the first
VIDEO_EXTENSION, CHART_EXTENSION = ".mp4", ".png"
MAX_NAME_BYTES = 255  # of a file's name, on all common file systems


class AnnotatedCopies:
    """The annotated copies of the files of one run.

    They are written beside `folder` and replace it when the run is complete, so that it never holds copies of two runs.

    Args:
        folder: of the copies.
        files: of the run, each once.
        run_id: in the name of the folder of the unfinished copies, so that two interrupted runs have each their own.
        is_resumed: whether to keep the copies that an interrupted run has written.
    """

    def __init__(self, folder: Path, files: list[Path], run_id: str = "", is_resumed: bool = False):
        self.folder = folder
        self.unfinished = folder.with_name(f"{folder.name}-{run_id}.unfinished")
        self.names = dict(_assign_names(files))
        if not is_resumed:
            shutil.rmtree(self.unfinished, ignore_errors=True)
            self.unfinished.mkdir(parents=True, exist_ok=True)

    def copy_path(self, path: Path) -> Path:
        """Return the path of a file's copy."""
        return self.unfinished / self.names[path][0]

    def published_path(self, path: Path) -> Path:
        """Return the path of a file's copy after `publish`."""
        return self.folder / self.names[path][0]

    def chart_path(self, path: Path) -> Path:
        """Return the path of the chart of a video's emotions."""
        return self.unfinished / self.names[path][1]

    def publish(self) -> None:
        """Replace the copies of the previous run by those of this one."""
        if not self.unfinished.exists():  # a run that was killed after publishing has been resumed
            return
        for leftover in self.unfinished.rglob(f"{TEMPORARY_PREFIX}*"):  # of processes that were killed
            leftover.unlink()
        previous = self.folder.with_name(f"{self.folder.name}.previous")
        shutil.rmtree(previous, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(previous)
        if any(self.unfinished.iterdir()):
            self.unfinished.rename(self.folder)
        else:
            self.unfinished.rmdir()
        shutil.rmtree(previous, ignore_errors=True)

    def discard(self) -> None:
        """Delete the copies of this run; those of the previous run stay."""
        shutil.rmtree(self.unfinished, ignore_errors=True)


# --------------------------------------------------------------------------------------------------
# Names
# --------------------------------------------------------------------------------------------------
def _assign_names(files: list[Path]) -> Iterator[tuple[Path, tuple[Path, Path]]]:
    """Yield each file with the paths of its copy and its chart: relative, and different from those of all others."""
    parent = _common_folder(files)
    used: set[str] = set()
    for path in files:
        absolute = Path(os.path.abspath(path))  # without "..", which would lead out of the folder
        original = absolute.relative_to(parent or absolute.anchor)
        is_video = input_kind(path) == "video"
        number, names = 1, _output_names(original, is_video)
        while not used.isdisjoint(_keys(names, is_video)):
            number += 1
            names = _output_names(original.with_stem(f"{original.stem} ({number})"), is_video)
        used.update(_keys(names, is_video))
        yield path, names


def _common_folder(files: list[Path]) -> Path | None:
    """Return the deepest folder that contains all files; None if they are on several drives."""
    try:
        return Path(os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in files]))
    except ValueError:
        return None


def _output_names(path: Path, is_video: bool) -> tuple[Path, Path]:
    extensions = (VIDEO_EXTENSION,) if is_video else COPY_EXTENSIONS
    return _with_extension(path, *extensions), _with_extension(path, CHART_EXTENSION)


def _keys(names: tuple[Path, Path], is_video: bool) -> set[str]:
    """Return what must differ between files: their names, where upper and lower case are the same on some disks."""
    return {str(name).casefold() for name in (names if is_video else names[:1])}


def _with_extension(path: Path, *extensions: str) -> Path:
    """Append the first extension unless the path has one of them: the copies of a.avi and a.mov are two files."""
    name = path.name if path.suffix.lower() in extensions else path.name + extensions[0]
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        ending = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}{Path(name).suffix}"
        start = os.fsencode(name)[: MAX_NAME_BYTES - len(ending)]
        name = start.decode("utf-8", "ignore") + ending
    return path.with_name(name)
