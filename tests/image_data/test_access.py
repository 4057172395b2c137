"""What fails for reasons of its own, not the picture's, never changes which picture a number means."""

from __future__ import annotations

import errno
import io
import os
import resource
from contextlib import suppress

import pytest
from picture_files import encoded, gradient, write_flat
from PIL import Image

from multigan.data import access
from multigan.data.folder import Folder
from multigan.data.reader import Reader
from multigan.errors import UserError
from multigan.image.config import ImageData
from multigan.image.data.medium import PICTURES
from multigan.image.data.stream import reader_of
from multigan.image.data.survey import survey


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(access, "WAITS", (0.0, 0.0))


class Failing(Folder):
    """A real folder whose file 2 raises each of `errors` in turn before it can be opened."""

    def __init__(self, root, errors) -> None:
        super().__init__(root, PICTURES)
        self.errors = list(errors)

    def open(self, index: int) -> Image.Image:
        if index == 2 and self.errors:
            raise self.errors.pop(0)
        return super().open(index)


class Breaking(io.BytesIO):
    """A file of which only the first bytes can be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = len(self.getbuffer()) if size is None or size < 0 else size
        if self.tell() + wanted > 200:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(wanted)


def reader(source: Folder) -> Reader:
    return reader_of(source, (16, 16), 1, "crop")


class TransferError(OSError):
    """As the clients of networks define theirs: an OSError without a number."""


PASSING = [
    OSError(errno.EIO, "Input/output error"),
    OSError(errno.ESTALE, "Stale file handle"),
    OSError(errno.ENFILE, "Too many open files in system"),
    TimeoutError("timed out"),
    ConnectionResetError("reset by peer"),
    TransferError("the server said nothing"),
    MemoryError(),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__ + str(getattr(error, "errno", "")))
def test_a_failure_that_passes_is_tried_again_and_one_that_stays_names_the_file(tmp_path, error):
    write_flat(tmp_path, 5)
    passing = reader(Failing(tmp_path, [error] * 2))
    assert passing.read(2).max() == 2
    staying = reader(Failing(tmp_path, [error] * 3))
    with pytest.raises(UserError, match=r"^002\.png of .* cannot be read now, after 3 tries \(.*--resume\.$"):
        staying.read(2)
    assert staying.read(2).max() == 2
    assert str(staying.report) == str(passing.report) == ""


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOENT, errno.EINVAL])
def test_a_file_that_is_forbidden_or_gone_is_damaged_at_once(tmp_path, number):
    write_flat(tmp_path, 5)
    opened = reader(Failing(tmp_path, [OSError(number, "no")]))
    assert opened.read(2).max() == 3
    assert opened.report.count == 1


def test_too_many_open_files_damage_nothing(tmp_path):
    write_flat(tmp_path, 5)
    opened, held = reader(Folder(tmp_path, PICTURES)), []
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, limits[0]), limits[1]))
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(UserError, match=r"^002\.png of .*Too many open files"):
            opened.read(2)
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert opened.read(2).max() == 2
    assert opened.report.count == 0


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_disk_that_fails_in_the_middle_of_a_picture_damages_nothing(tmp_path, form):
    write_flat(tmp_path, 3)
    content = encoded(Image.fromarray(gradient(200, 200)), form, **({"quality": 100} if form != "PNG" else {}))
    source = Folder(tmp_path, PICTURES)
    source.open = lambda index: Image.open(Breaking(content))
    opened = reader(source)
    with pytest.raises(UserError, match=r"^000\.png of .*Input/output error"):
        opened.read(0)
    assert opened.report.count == 0


def test_a_survey_tries_again_too(tmp_path):
    write_flat(tmp_path, 5)
    seen = survey(Failing(tmp_path, PASSING[:2]), ImageData())
    assert (seen.sampled, seen.unreadable) == (5, 0)
    with pytest.raises(UserError, match=r"^002\.png of .* cannot be read now"):
        survey(Failing(tmp_path, PASSING[:3]), ImageData())
