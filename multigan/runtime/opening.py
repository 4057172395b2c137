"""Open what a model is kept in: regular files, no more of them than is allowed, and of weights none that is a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from multigan.errors import UserError


def content_of(path: Path, most: int) -> bytes:
    """The bytes of a model's file. Raises UserError where it cannot be read, is no regular file, or is too large."""
    try:
        with os.fdopen(os.open(path, _READ), "rb") as file:
            found = os.fstat(file.fileno())
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError
            if not stat.S_ISREG(found.st_mode):
                raise UserError(f"{path} is no regular file: give the .onnx file that multigan export wrote.")
            content = file.read(min(found.st_size, most) + 1)
            if max(found.st_size, len(content)) > most:
                size = _size(max(found.st_size, len(content)))
                raise UserError(f"{path} has {size}, more than the limit of {_size(most)}: it is refused.")
            return content
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: give the .onnx file that multigan export wrote.") from error
    except (IsADirectoryError, PermissionError) as error:
        if path.is_dir():
            raise UserError(f"{path} is a folder: give the .onnx file that multigan export wrote.") from error
        raise UserError(f"cannot read {path}: {error.strerror or error}.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error


def weights_of(path: Path, name: str, reach: int, most: int) -> bytes:
    """The bytes of the file `name` beside the model `path`, which its tensors reach into up to `reach`.

    It must be a regular file called as the model with `.data` behind, which has no other name and is no link, and have
    `most` bytes at most. The file that is read is the one that is checked, whatever takes its place meanwhile. Raises
    UserError elsewhere.
    """
    with os.fdopen(_checked(path, name, reach, most), "rb") as file:
        return file.read()


def check_weights(path: Path, name: str, reach: int, most: int) -> None:
    """Raise UserError where `weights_of` would."""
    os.close(_checked(path, name, reach, most))


def _checked(path: Path, name: str, reach: int, most: int) -> int:
    """An open descriptor of the file with the weights."""
    if not name or name == ".." or Path(name).name != name or any(letter in name for letter in "\\:\0"):
        raise UserError(f"{path} keeps weights in {name[:80]!r}, outside its own folder: that is refused.")
    if most == 0:
        raise UserError(f"{path} keeps weights in a second file, which is not allowed here: that is refused.")
    if name != f"{path.name}.data":
        raise UserError(
            f"{path} keeps weights in {name[:80]}, and only {path.name}.data is accepted: give both files the names "
            "that multigan export gave them."
        )
    beside = path.with_name(name)
    try:
        found = beside.lstat()
        if _is_plain(found):
            descriptor = os.open(beside, _READ | getattr(os, "O_NOFOLLOW", 0))
            opened = os.fstat(descriptor)
            if _is_plain(opened) and os.path.samestat(found, opened) and reach <= opened.st_size <= most:
                return descriptor
            os.close(descriptor)
            if _is_plain(opened):
                words = (
                    f"more than the limit of {_size(most)}" if opened.st_size > most else "less than the model needs"
                )
                raise UserError(f"{path} keeps weights in {name}, which has {_size(opened.st_size)}, {words}.")
    except FileNotFoundError as error:
        raise UserError(f"{path} keeps weights in {name}, which is missing beside it: copy both files.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} keeps weights in {name}, which cannot be read: {error}.") from error
    raise UserError(f"{path} keeps weights in {name}, which is a link or no regular file: that is refused.")


_READ = os.O_RDONLY
for _flag in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK"):  # whatever of them the system has
    _READ |= getattr(os, _flag, 0)


def _is_plain(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"
