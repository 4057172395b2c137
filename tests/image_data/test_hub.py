"""Data sets of the hub, from a real server on the loopback; in their own process: the address is read at import."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loopback_hub import ask, serving
from picture_files import encoded, flat

CARD = b"""---
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': cat
          '1': dog
---
"""
PROGRAM = """
import json, sys
from picture_files import stream, values
from multigan.errors import UserError
for name, settings in json.loads(sys.argv[1]):
    try:
        opened = stream(name, conditional=True, **settings)
        shown = [values(opened.take(0, 12).sample), values(opened.samples(range(12))), opened.labels.tolist()]
        print(json.dumps([opened.survey.classes, *shown]))
        opened.close()
    except UserError as error:
        print(json.dumps(str(error)))
"""


def parquet(start: int, count: int, paths: Mapping[int, Path] = MappingProxyType({})) -> bytes:
    """Rows of pictures numbered from `start`, but those of `paths` hold just that path."""
    pictures = [{"bytes": encoded(flat(start + n)), "path": f"{n}.png"} for n in range(count)]
    for number, path in paths.items():
        pictures[number] = {"bytes": None, "path": str(path)}
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": pictures, "label": [n % 2 for n in range(count)]}), buffer, row_group_size=3)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    files = {"README.md": CARD}
    files |= {f"data/train-0000{n}-of-00002.parquet": parquet(6 * n, 6) for n in range(2)}
    home = tmp_path_factory.mktemp("home")
    questions = [
        ("someone/streamed", {"streaming": True}),
        ("someone/shapes", {}),
        ("someone/missing", {}),
        ("someone/shapes", {"split": "test"}),
        ("someone/spying", {}),
        ("someone/spying", {"streaming": True}),
    ]
    private = home / "private.png"
    flat(200).save(private)
    spying = {"README.md": CARD, "data/train-00000-of-00001.parquet": parquet(0, 12, {4: private})}
    with serving({"someone/shapes": files, "someone/streamed": files, "someone/spying": spying}) as hub:
        return hub.requests, *ask(hub, home, PROGRAM, os.path.dirname(__file__), *questions)


def test_a_hub_data_set_is_loaded_with_its_classes(answers):
    classes, order, pictures, labels = answers[2]
    assert classes == ["cat", "dog"]
    assert pictures == list(range(12))
    assert labels == [0, 1] * 6
    assert sorted(order) == list(range(12))
    assert order != list(range(12))


def test_a_streamed_one_has_the_same_pictures_and_is_read_in_ranges(answers):
    asked, (classes, order, pictures, labels) = answers[:2]
    assert (classes, pictures, labels) == (["cat", "dog"], list(range(12)), [0, 1] * 6)
    assert sorted(order) == list(range(12))
    ranges = [where for method, path, where in asked if method == "GET" and "streamed" in path and ".parquet" in path]
    assert ranges
    assert all(ranges), "a shard was downloaded whole"


def test_what_the_hub_does_not_have_is_one_sentence(answers):
    missing, no_split = answers[3:5]
    assert missing.startswith("someone/missing cannot be loaded: ")
    assert "test" in no_split
    assert "train" in no_split


def test_a_hub_data_set_opens_no_file_of_this_machine(answers):
    """Row 4 names a picture that exists here: the next one of its class stands in for it."""
    for _, order, pictures, _ in answers[5:]:
        assert pictures == [0, 1, 2, 3, 6, 5, 6, 7, 8, 9, 10, 11]
        assert 200 not in order
