"""The order of the pictures: every one once an epoch, and a function of the seed and the position alone."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from multigan.data.order import BlockOrder, Blocks, Order, draws, flips, key

SEEDS = st.integers(0, 2**63 - 1)


def splitmix64(state: int) -> int:
    """The finalizer in plain integers, as published."""
    mask = 2**64 - 1
    z = state & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


@given(SEEDS, st.integers(0, 2**40))
def test_draws_are_splitmix64_of_a_counter(seed, counter):
    family = int.from_bytes(hashlib.blake2b(f"{seed}/order/2".encode(), digest_size=8).digest(), "little")
    expected = splitmix64(family + (counter + 1) * 0x9E3779B97F4A7C15)
    assert int(draws(key(seed, "order", 2), np.array([counter]))[0]) == expected


def test_the_stream_begins_as_splitmix64_does():
    """The first outputs of the reference implementation for the seed 1234567."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert draws(np.uint64(1234567), np.arange(3)).tolist() == expected


@given(SEEDS, st.integers(1, 200), st.integers(0, 5))
def test_every_epoch_is_a_permutation(seed, size, epoch):
    indices = Order(seed, size).indices(np.arange(epoch * size, (epoch + 1) * size))
    assert sorted(indices.tolist()) == list(range(size))


def test_epochs_and_seeds_differ():
    first, second = (Order(1, 50).indices(np.arange(epoch * 50, epoch * 50 + 50)) for epoch in (0, 1))
    other = Order(2, 50).indices(np.arange(50))
    assert first.tolist() != second.tolist() != other.tolist() != first.tolist()


def test_each_place_is_equally_likely():
    """Where the first picture lands, over 4,000 epochs of 10: chi squared with 9 degrees of freedom."""
    order = Order(5, 10)
    places = [int(np.flatnonzero(order.indices(np.arange(e * 10, e * 10 + 10)) == 0)[0]) for e in range(4000)]
    counts = np.bincount(places, minlength=10)
    assert ((counts - 400) ** 2 / 400).sum() < 33  # exceeded once in 8,000 times


@given(SEEDS, st.integers(1, 40), st.integers(0, 300), st.integers(1, 120))
def test_a_range_reads_as_its_positions_one_by_one(seed, size, start, count):
    """Ranges straddle epochs, and an order asked out of turn answers the same."""
    together = Order(seed, size).indices(np.arange(start, start + count)).tolist()
    alone = Order(seed, size)
    one_by_one = [int(alone.indices(np.array([position]))[0]) for position in reversed(range(start, start + count))]
    assert together == one_by_one[::-1]


BLOCKS = st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any)


@given(SEEDS, BLOCKS, st.integers(1, 5), st.integers(0, 3))
def test_blocks_are_read_window_by_window(seed, lengths, window, epoch):
    blocks = Blocks(np.cumsum([0, *lengths]), window)
    size = sum(lengths)
    indices = BlockOrder(seed, blocks).indices(np.arange(epoch * size, (epoch + 1) * size))
    assert sorted(indices.tolist()) == list(range(size))
    # the last time that a block is used lies at most a window's blocks after its first
    owner = np.searchsorted(blocks.bounds, indices, side="right") - 1
    used = set(owner.tolist())
    alive = [{block for block in used if block in owner[:at] and block in owner[at:]} for at in range(size)]
    assert max(len(each) for each in alive) <= window


def test_a_window_mixes_its_blocks():
    blocks = Blocks(np.arange(0, 1001, 100), 5)
    indices = BlockOrder(0, blocks).indices(np.arange(100))
    assert len({int(index) // 100 for index in indices}) == 5


def test_half_are_mirrored_and_always_the_same_half():
    mask = flips(9, np.arange(10_000))
    assert abs(mask.mean() - 0.5) < 0.02
    np.testing.assert_array_equal(flips(9, np.arange(5_000, 5_100)), mask[5_000:5_100])
    assert (flips(10, np.arange(10_000)) != mask).mean() > 0.4
