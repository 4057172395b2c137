"""What a seed means: a counter-based generator that gives the same latents on every machine and in every language.

Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) gives 32-bit words as a function of
(seed, stream, sample, block) alone, so sample `i` of a seed is the same whatever is drawn before it or beside it. The
words become uniforms and, by Wichura's inverse of the normal distribution (Applied Statistics algorithm AS 241, 1988),
normals. Every floating-point step is one that IEEE 754 fixes to the last bit (+ - * / and the square root), also in the
logarithm, so that `docs/noise.md` and `export/web/noise.mjs` can repeat it exactly. Only numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.contract import Contract, Input
from multigan.errors import UserError
from multigan.normal import Floats, normal_quantile, tail_probability

SEEDS = 2**64
SAMPLES = 2**53
"""Sample indices lie below this, so that a language whose only number is a double can name them all."""
STREAMS = 2**32
LATENT_STREAM = 0
WIDEST_TRUNCATION = 8.0
FREE = -1
"""In a prefix: what the generator may choose."""

_MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
_WEYL = np.array([[0x9E3779B9], [0xBB67AE85]], np.uint64)
_ROUNDS = np.arange(10, dtype=np.uint64)[:, None, None]
_MASK = 0xFFFFFFFF
_LOW, _HALF = np.uint64(_MASK), np.uint64(32)


def philox(counter: NDArray[np.uint32], seed: int) -> NDArray[np.uint32]:
    """Philox 4x32-10 of `counter` `[..., 4]` under the 64-bit key `seed` (low word first): words `[..., 4]`."""
    # Words 0 and 2, which are multiplied, lie beside each other, and so do 1 and 3: each operation serves two.
    pairs = counter.astype(np.uint64).reshape(-1, 2, 2)
    even, odd = pairs[..., 0].T.copy(), pairs[..., 1].T.copy()
    keys = np.array([[seed & _MASK], [seed >> 32]], np.uint64) + _ROUNDS * _WEYL & _LOW
    for key in keys:
        product = _MULTIPLIERS * even
        even = (product >> _HALF)[::-1] ^ odd ^ key
        odd = (product & _LOW)[::-1]
    return np.stack([even[0], odd[0], even[1], odd[1]], axis=-1).astype(np.uint32).reshape(counter.shape)


def words(seed: int, start: int, count: int, size: int, stream: int = LATENT_STREAM) -> NDArray[np.uint32]:
    """32-bit words `[count, size]`: row `i` belongs to sample `start + i`.

    Word `j` of a sample is word `j mod 4` of the block whose counter is (j div 4, stream, the sample's low 32 bits, its
    high 32 bits). Raises UserError where the seed, the samples or the stream are out of range.
    """
    check_samples(seed, start, count)
    _check_range("stream", stream, STREAMS)
    if count < 0 or size < 1:
        raise UserError(f"cannot draw {count} samples of size {size}: the count is at least 0 and the size at least 1.")
    blocks = -(-size // 4)
    samples = np.arange(start, start + count, dtype=np.uint64)
    counter = np.empty((count, blocks, 4), np.uint32)
    counter[..., 0] = np.arange(blocks, dtype=np.uint32)
    counter[..., 1] = stream
    counter[..., 2] = (samples & np.uint64(_MASK)).astype(np.uint32)[:, None]
    counter[..., 3] = (samples >> np.uint64(32)).astype(np.uint32)[:, None]
    return philox(counter, seed).reshape(count, blocks * 4)[:, :size]


def check_samples(seed: int, start: int, count: int) -> None:
    """Raise UserError where there is no such seed, or are no such samples."""
    _check_range("seed", seed, SEEDS)
    _check_range("start", start, SAMPLES)
    _check_range("start + count", start + max(count, 0), SAMPLES)


def fractions(seed: int, start: int, count: int, size: int, stream: int = LATENT_STREAM) -> Floats:
    """Uniform in (0, 1), float64 `[count, size]`: (word + 1/2) / 2^32, which is exact, never 0 and never 1."""
    return (words(seed, start, count, size, stream).astype(np.float64) + 0.5) / 4294967296.0


def uniform(
    seed: int, start: int, count: int, size: int, truncation: float | None = None, stream: int = LATENT_STREAM
) -> NDArray[np.float32]:
    """Uniform in [-t, t], float32 `[count, size]`; t is `truncation` in (0, 1], or 1 where it is None.

    Raises UserError where an argument is out of range.
    """
    width = 1.0 if truncation is None else check_truncation(truncation, 1.0)
    return ((2.0 * fractions(seed, start, count, size, stream) - 1.0) * width).astype(np.float32)


def normal(
    seed: int, start: int, count: int, size: int, truncation: float | None = None, stream: int = LATENT_STREAM
) -> NDArray[np.float32]:
    """Standard normal, float32 `[count, size]`, restricted to [-t, t] where `truncation` t in (0, 8] is given.

    The restricted distribution is the inverse CDF at Phi(-t) + u (1 - 2 Phi(-t)): as t falls, each value moves smoothly
    towards 0, and a seed keeps its picture. Raises UserError where an argument is out of range.
    """
    p = fractions(seed, start, count, size, stream)
    if truncation is None:
        return normal_quantile(p).astype(np.float32)
    width = check_truncation(truncation, WIDEST_TRUNCATION)
    outside = tail_probability(width)
    values = normal_quantile(outside + p * (1.0 - 2.0 * outside))
    return np.minimum(np.maximum(values, -width), width).astype(np.float32)


def latents(
    contract_input: Input,
    seed: int,
    start: int,
    count: int,
    truncation: float | None = None,
    stream: int = LATENT_STREAM,
    length: int | None = None,
) -> NDArray[np.float32]:
    """Samples `start` to `start + count` of the latent that a contract describes, float32 `[count, ...]`.

    length: of an axis that has a name and no size; a shorter sample is the beginning of a longer one. Raises UserError
    where an argument is out of range for the latent's distribution.
    """
    shape = [int(length or 1) if isinstance(side, str) else side for side in contract_input.shape[1:]]
    draw = uniform if contract_input.distribution == "uniform" else normal
    return draw(seed, start, count, math.prod(shape), truncation, stream).reshape(count, *shape)


def inputs(
    contract: Contract,
    seed: int,
    start: int,
    count: int,
    truncation: float | None = None,
    labels: NDArray[np.int64] | None = None,
    told: NDArray[np.float32] | None = None,
    length: int | None = None,
    given: Mapping[str, Any] | None = None,
) -> dict[str, NDArray[Any]]:
    """The inputs that a contract's graph wants for samples `start` to `start + count` of `seed`, by name.

    The first latent or noise input draws from stream 0, the next from stream 1, and so on; truncation is the latent's
    alone. labels: the class of each sample, `[count]`; sample i has class i mod (number of classes) without them. told:
    the number of each, `[count]`; those of `numbers` without it. length: of the axes that have a name and no size, such
    as a text's; without it the contract's `extra["length"]`. A shorter sample is the beginning of a longer one, except
    where the length stands before another axis. given: values of prefixes and scalars by the names of the inputs; a
    scalar that is not there takes its default, and a prefix leaves all free. Raises UserError where an argument is out
    of range, an input is of another kind, or a prefix has another shape.
    """
    made: dict[str, NDArray[Any]] = {}
    stream = LATENT_STREAM
    given = given or {}
    length = length_of(contract) if length is None else length
    for each in contract.inputs:
        if each.kind in ("latent", "noise"):
            held = truncation if each.kind == "latent" else None
            made[each.name] = latents(each, seed, start, count, held, stream, length)
            stream += 1
        elif each.kind == "label":
            turns = np.arange(start, start + count, dtype=np.int64) % max(len(contract.labels), 1)
            made[each.name] = turns if labels is None else labels
        elif is_number(each):
            made[each.name] = numbers(each, start, count, len(contract.labels)) if told is None else told
        elif each.kind == "prefix":
            made[each.name] = _prefix(each, count, length, given.get(each.name))
        elif each.kind == "scalar" and given.get(each.name, each.default) is not None:
            made[each.name] = np.array(given.get(each.name, each.default), each.dtype)
        else:
            raise UserError(f"the input {each.name!r} of kind {each.kind!r} is one that this multigan cannot fill.")
    return made


def length_of(contract: Contract) -> int | None:
    """The length that the contract names for axes without a size, if it does."""
    found = contract.extra.get("length")
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def _prefix(said: Input, count: int, length: int | None, given: Any) -> NDArray[Any]:
    """What is given of each sample, `[count, length]`; everything free without it."""
    shape = (count, *(length or 1 if isinstance(side, str) else side for side in said.shape[1:]))
    if given is None:
        return np.full(shape, FREE if said.default is None else said.default, said.dtype)
    found = np.asarray(given, said.dtype)
    if found.shape != shape:
        raise UserError(f"the {said.name} has the shape {list(found.shape)} where {list(shape)} is wanted.")
    return found


def is_number(each: Input) -> bool:
    """Whether an input is a number for each sample, between a minimum and a maximum."""
    bounded = each.minimum is not None and each.maximum is not None and each.minimum < each.maximum
    return each.kind == "condition" and each.dtype == "float32" and len(each.shape) == 1 and bounded


def numbers(bounds: Input, start: int, count: int, classes: int = 0) -> NDArray[np.float32]:
    """The numbers that samples `start` to `start + count` have where none is asked for, float32 `[count]`.

    They take turns evenly over the range: the t-th is at the share of it that t + 1 makes in base 2 with its digits
    mirrored at the point (van der Corput, 1935): 1/2, 1/4, 3/4, 1/8, 5/8, ... t is the sample's number divided by the
    number of classes, so that every class has the same numbers.
    """
    _check_range("start", start, SAMPLES)
    _check_range("start + count", start + max(count, 0), SAMPLES)
    low, high = float(bounds.minimum or 0.0), float(bounds.maximum or 0.0)
    left = np.arange(start, start + count, dtype=np.int64) // max(classes, 1) + 1
    share, place = np.zeros(count), 0.5
    while left.any():
        share += place * (left % 2)
        left, place = left // 2, place / 2
    return (low + share * (high - low)).astype(np.float32)


def check_truncation(value: float, widest: float) -> float:
    """`value` where it lies in (0, widest]. Raises UserError elsewhere."""
    if not 0.0 < value <= widest:
        raise UserError(
            f"truncation {value:g} is out of range: choose a number above 0 and at most {widest:g}; "
            "smaller gives more typical, less varied samples."
        )
    return float(value)


def _check_range(name: str, value: int, end: int) -> None:
    if not 0 <= value < end:
        raise UserError(f"{name} {value} is out of range: choose a whole number from 0 to {end - 1}.")
