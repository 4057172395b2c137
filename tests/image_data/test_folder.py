"""Folders as they are found: nested, split, wrapped, littered, linked."""

from __future__ import annotations

import os
import socket
import tracemalloc

import pytest
from picture_files import flat, write_flat

from multigan.data.folder import Folder, Listing
from multigan.errors import UserError
from multigan.image.config import ImageData
from multigan.image.data.medium import PICTURES, open_source


def names(source) -> list[str]:
    return [source.name(index) for index in range(len(source))]


def test_a_flat_folder_has_no_classes_and_is_in_the_order_of_names(tmp_path):
    for name in ("b.png", "a.JPG", "c.jpeg"):
        flat(1).save(tmp_path / name, "PNG")
    source = Folder(tmp_path, PICTURES)
    assert names(source) == ["a.JPG", "b.png", "c.jpeg"]
    assert source.classes is None
    assert source.labels is None


def test_folders_are_classes_whatever_lies_deeper(tmp_path):
    write_flat(tmp_path / "dog" / "big" / "old", 2)
    write_flat(tmp_path / "dog", 1)
    write_flat(tmp_path / "cat" / "x", 3)
    (tmp_path / "empty").mkdir()
    source = Folder(tmp_path, PICTURES)
    assert source.classes == ["cat", "dog"]
    assert source.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [name.split(os.sep)[0] for name in names(source)] == ["cat"] * 3 + ["dog"] * 3


def test_an_only_folder_is_entered(tmp_path):
    write_flat(tmp_path / "archive" / "pictures" / "cat", 2)
    write_flat(tmp_path / "archive" / "pictures" / "dog", 2)
    assert Folder(tmp_path, PICTURES).classes == ["cat", "dog"]


def test_splits_are_not_classes(tmp_path):
    for split, count in (("train", 3), ("test", 2)):
        write_flat(tmp_path / split / "cat", count)
        write_flat(tmp_path / split / "dog", count)
    train, test = Folder(tmp_path, PICTURES), Folder(tmp_path, PICTURES, "test")
    assert (len(train), train.classes, train.labels.tolist()) == (6, ["cat", "dog"], [0, 0, 0, 1, 1, 1])
    assert (len(test), test.classes, test.labels.tolist()) == (4, ["cat", "dog"], [0, 0, 1, 1])
    assert all(name.startswith("test") for name in names(test))
    with pytest.raises(UserError, match=r"test, train and none for data\.split: valid"):
        Folder(tmp_path, PICTURES, "valid")


def test_pictures_beside_the_folders_mean_no_classes(tmp_path):
    write_flat(tmp_path / "cat", 2)
    write_flat(tmp_path / "dog", 2)
    flat(1).save(tmp_path / "stray.png")
    source = Folder(tmp_path, PICTURES)
    assert len(source) == 5
    assert source.classes is None
    assert "beside" in " ".join(source.notes)


def test_litter_is_ignored(tmp_path):
    write_flat(tmp_path, 2)
    for name in (".hidden.png", "._000.png", "notes.txt", "Thumbs.db", "labels.csv", "noending"):
        (tmp_path / name).write_bytes(b"litter")
    for folder in (".git", "__MACOSX", "@eaDir"):
        write_flat(tmp_path / folder, 1)
    assert names(Folder(tmp_path, PICTURES)) == ["000.png", "001.png"]


def test_links_are_followed_and_loops_end(tmp_path):
    write_flat(tmp_path / "elsewhere", 2)
    write_flat(tmp_path / "data" / "cat", 1)
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "cat" / "loop").symlink_to(tmp_path / "data")
    source = Folder(tmp_path / "data", PICTURES)
    assert source.classes == ["cat", "dog"]
    assert len(source) == 3


def test_only_regular_files_and_links_to_them_are_pictures(tmp_path):
    """To open a pipe without a writer would wait for ever."""
    write_flat(tmp_path / "elsewhere", 1)
    folder = tmp_path / "data"
    write_flat(folder, 1)
    (folder / "link.png").symlink_to(tmp_path / "elsewhere" / "000.png")
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(folder / "socket.png"))
    (folder / "piped.png").symlink_to(folder / "pipe.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "broken.png").symlink_to(folder / "nothing.png")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    assert names(Folder(folder, PICTURES)) == ["000.png", "link.png"]


def test_names_that_are_no_utf8_can_be_read_and_printed(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")
    try:
        with open(path, "wb") as file:
            flat(7).save(file, "PNG")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    source = Folder(tmp_path, PICTURES)
    source.name(0).encode()
    with source.open(0) as image:
        assert image.getpixel((0, 0)) == 7


def test_a_listing_is_small(tmp_path):
    """A million names must not become a million Python objects: 80 bytes a file at most, names of 20 bytes included."""
    count = 2000
    for number in range(count):
        (tmp_path / f"picture-{number:08d}.png").touch()
    tracemalloc.start()
    listing = Listing(tmp_path, PICTURES.suffixes)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(listing) == count
    assert listing.path(1321) == b"picture-00001321.png"
    assert kept < 80 * count


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda root: None, "is empty"),
        (lambda root: (root / "deep" / "er").mkdir(parents=True), "is empty"),
        (lambda root: (root / "notes.txt").write_text("x"), "holds 1 files but no pictures"),
    ],
)
def test_a_folder_without_pictures_says_so(tmp_path, make, sentence):
    make(tmp_path)
    with pytest.raises(UserError, match=sentence):
        open_source(ImageData(source=str(tmp_path)))


@pytest.mark.parametrize("place", ["nowhere", "./no/where", "/no/where/x.parquet", "pictures/cats"])
def test_a_missing_path_says_so(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(UserError, match=f"no folder or file {place}"):
        open_source(ImageData(source=place))


@pytest.mark.parametrize("place", ["~no-such-user/pictures", "n" * 300, "a\0b"])
def test_a_path_that_the_system_refuses_is_one_sentence(place):
    with pytest.raises(UserError, match=r"cannot be read|no folder or file"):
        open_source(ImageData(source=place))


@pytest.mark.skipif(os.geteuid() == 0, reason="everything may be read by root")
def test_a_folder_that_may_not_be_read_is_one_sentence(tmp_path):
    write_flat(tmp_path / "closed", 1)
    (tmp_path / "closed").chmod(0)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        open_source(ImageData(source=str(tmp_path / "closed")))


def test_a_single_picture_is_not_a_source(tmp_path):
    flat(1).save(tmp_path / "one.png")
    with pytest.raises(UserError, match="single file"):
        open_source(ImageData(source=str(tmp_path / "one.png")))


def test_named_classes_choose_and_number(tmp_path):
    for number, name in enumerate(("ant", "bee", "cat")):
        write_flat(tmp_path / name, 2, start=10 * number)
    source = open_source(ImageData(source=str(tmp_path), classes=["cat", "ant"]))
    assert source.classes == ["cat", "ant"]
    assert source.labels.tolist() == [1, 1, 0, 0]
    with source.open(2) as image:
        assert image.getpixel((0, 0)) == 20
    with pytest.raises(UserError, match=r"'catt'.*Did you mean 'cat'"):
        open_source(ImageData(source=str(tmp_path), classes=["catt", "ant"]))
