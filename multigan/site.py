"""A folder for any static host: the browser page, onnxruntime-web and exported models. Standard library and runtime.

The page's own files are in `export/web`, and in an installed multigan in `multigan/web`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multigan import __version__
from multigan.errors import UserError
from multigan.files import digest
from multigan.runtime.onnx_file import OnnxFile, read

ORT = "onnxruntime-web@1.30.0"
INTEGRITY = {
    "package": "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    "ort.wasm.bundle.min.mjs": "sha256-EeZL2P/hG9GiovDWJ1/fu7pyYvC3a5m1PSKKiiLvPZA=",
    "ort-wasm-simd-threaded.wasm": "sha256-M5jBDQfSKb2Rs2RUjhMODlGo5XBLiMfAg+u+t4hC3uI=",
}
"""Hashes in base64: of npm's package, as the registry states it, and of the two files of its `dist`."""
ORT_FILES = tuple(name for name in INTEGRITY if name != "package")
PACK = f"npm pack {ORT}"

LIST = "models.json"
WRITER = "multigan export --web"
LARGEST = 2**30
"""Bytes of a model that the page takes; `onnx_file.mjs` has the same number."""


@dataclass(frozen=True)
class Report:
    """folder: that was written. sizes: bytes of the page, of onnxruntime-web, and of each model by its file's name."""

    folder: Path
    page: int
    ort: int
    models: Mapping[str, int]

    def __str__(self) -> str:
        named = [f"{name} {_size(size)}" for name, size in self.models.items()]
        parts = [f"page {_size(self.page)}", f"onnxruntime-web {_size(self.ort)}", *named]
        return f"{self.folder}: {', '.join(parts)}"


def write(models: Sequence[Path], out: Path, ort: Path | None = None) -> Report:
    """Write the page with these exported files to the folder `out`, whole or not at all.

    ort: a folder with onnxruntime-web's two files, or npm's package; None fetches the package with npm. Raises
    UserError where a model is not multigan's, onnxruntime-web is not the pinned one, or `out` holds what this did not
    write.
    """
    check_folder(out)
    files = [_model(path) for path in models]
    runtime = _from_path(ort) if ort is not None else _from_npm()
    page = {path.name: path.read_bytes() for path in page_files()}
    named = _named([each.path for each in files])
    contents = {**page, **{f"ort/{name}": content for name, content in runtime.items()}}
    listed = _list(contents, dict(zip(named, files, strict=True)))
    contents |= {name: each.content for name, each in zip(named, files, strict=True)}
    with _replacing_folder(out) as temporary:
        for name, content in {**contents, LIST: listed}.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            (temporary / name).write_bytes(content)
    sizes = {name: len(each.content) for name, each in zip(named, files, strict=True)}
    return Report(out, sum(map(len, page.values())), sum(map(len, runtime.values())), sizes)


def page_files() -> list[Path]:
    """The files of the page: from the installed package, or from the checkout's `export/web`."""
    here = Path(__file__).parent
    folder = next((each for each in (here / "web", here.parent / "export" / "web") if each.is_dir()), None)
    if folder is None:
        raise UserError("this installation has no browser page: pip install --force-reinstall multigan")
    return sorted(path for path in folder.iterdir() if path.is_file())


# --- models -----------------------------------------------------------------------------------------------------------


def _model(path: Path) -> OnnxFile:
    """A model that the page can load. Raises UserError where it is none."""
    file = read(path)
    file.contract.expect("generator", path)
    if file.external:
        raise UserError(f"{path} keeps weights in a second file, which a browser page cannot load: leave it away.")
    if len(file.content) > LARGEST:
        raise UserError(f"{path} has {len(file.content) / 1e9:.1f} GB, more than a browser can run: leave it away.")
    return file


def _named(paths: Sequence[Path]) -> list[str]:
    """A name for each file, of letters that no host changes, each once."""
    found: list[str] = []
    for path in paths:
        stem = re.sub("[^A-Za-z0-9._-]", "_", path.stem).lstrip(".")[:80] or "model"
        names = [f"{stem}.onnx", *(f"{stem}-{number}.onnx" for number in range(2, len(paths) + 1))]
        found.append(next(name for name in names if name.lower() not in map(str.lower, found)))
    return found


def _list(contents: Mapping[str, bytes], models: Mapping[str, OnnxFile]) -> bytes:
    """What the page reads of the folder, and what tells this command that the folder is its own."""
    described = [
        {
            "file": name,
            "name": each.contract.name,
            "modality": each.contract.modality,
            "bytes": len(each.content),
        }
        for name, each in models.items()
    ]
    parts = [part for name, content in contents.items() for part in (name.encode(), content)]
    parts += [part for name, each in models.items() for part in (name.encode(), each.content)]
    listed = {
        "written_by": WRITER,
        "version": __version__,
        "onnxruntime_web": ORT.partition("@")[2],
        "digest": digest(*parts),
        "page": sorted(contents),
        "models": described,
    }
    return json.dumps(listed, indent=1).encode()


# --- onnxruntime-web --------------------------------------------------------------------------------------------------


def _from_path(path: Path) -> dict[str, bytes]:
    """The two files of a folder that holds them, or of npm's package."""
    if path.is_file():
        return _unpacked(path)
    package = Path("node_modules") / "onnxruntime-web"
    places = [path / inner / "dist" for inner in (Path(), Path("package"), Path("onnxruntime-web"), package)]
    folder = next((each for each in (path, *places) if all((each / name).is_file() for name in ORT_FILES)), None)
    if folder is None:
        raise UserError(f"{path} has no {' and '.join(ORT_FILES)}: run {PACK} and give the .tgz that it writes.")
    try:
        return {name: _same(name, (folder / name).read_bytes(), folder / name) for name in ORT_FILES}
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror or error}.") from error


def _from_npm() -> dict[str, bytes]:
    """The two files of the package that npm fetches, or has in its cache."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            f"onnxruntime-web is fetched with npm, which is not installed: install Node.js, or run {PACK} elsewhere "
            "and give the .tgz that it writes with --ort."
        )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([npm, "pack", ORT], cwd=folder, check=False, capture_output=True, text=True)
        written = list(Path(folder).glob("*.tgz"))
        if done.returncode or not written:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            reason = lines[0].strip()[:200] if lines else f"it left with {done.returncode}"
            raise UserError(
                f"npm could not fetch onnxruntime-web ({reason}): look at the connection, or run {PACK} elsewhere and "
                "give the .tgz that it writes with --ort."
            )
        return _unpacked(written[0])


def _unpacked(package: Path) -> dict[str, bytes]:
    """The two files of npm's package. Raises UserError where it is another."""
    try:
        content = _same("package", package.read_bytes(), package)
    except OSError as error:
        raise UserError(f"cannot read {package}: {error.strerror or error}.") from error
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for name in ORT_FILES:
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None  # the package is the one whose hash is known
            found[name] = _same(name, member.read(), package)
    return found


def _same(name: str, content: bytes, path: Path) -> bytes:
    """`content`, where its hash is the pinned one. Raises UserError elsewhere."""
    algorithm, _, wanted = INTEGRITY[name].partition("-")
    if base64.b64encode(hashlib.new(algorithm, content).digest()).decode() != wanted:
        raise UserError(f"{path} is not {ORT}'s (its hash differs): run {PACK} and give the .tgz that it writes.")
    return content


# --- the folder -------------------------------------------------------------------------------------------------------


def check_folder(out: Path) -> None:
    """Raise UserError where `out` is there and holds anything but what this command wrote."""
    try:
        if not out.exists() or (out.is_dir() and not any(out.iterdir())):
            return
        strange = next((name for name in sorted(_held(out)) if name not in _known(out)), None)
    except OSError as error:
        raise UserError(f"cannot read {out}: {error.strerror or error}.") from error
    if not out.is_dir() or strange is not None:
        what = f"holds {strange}" if out.is_dir() else "is a file"
        raise UserError(f"{out} {what}, which {WRITER} did not write: choose another folder.")


def _held(folder: Path) -> set[str]:
    """The names of all files of a folder, and of its empty folders."""
    found = folder.rglob("*")
    plain = (path for path in found if path.is_symlink() or not path.is_dir() or not any(path.iterdir()))
    return {path.relative_to(folder).as_posix() for path in plain}


def _known(folder: Path) -> set[str]:
    """What the folder's list says that it holds; nothing where it is not this command's."""
    listed: Any = None
    try:
        listed = json.loads((folder / LIST).read_bytes())
        if listed["written_by"] == WRITER:
            return {LIST, *listed["page"], *(each["file"] for each in listed["models"])}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return set()


@contextmanager
def _replacing_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out`; it takes the place of `out` when the block succeeds, else it goes."""
    target = out.resolve()
    temporary, old = (target.with_name(f".{target.name[:64]}.{secrets.token_hex(4)}.{end}") for end in ("tmp", "old"))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        check_folder(out)
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(temporary, target)
        except OSError:
            if old.exists():
                os.replace(old, target)
            raise
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {out}: {reason}. Free some room or choose another folder.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
