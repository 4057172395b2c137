"""What numbers mean in a text: symbols by their number, from text to numbers and back. Standard library only.

Training, the runtime and whatever else reads an exported file share these rules, which are few enough to be written
down in another language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from typing import Any, Literal, cast, get_args

from multigan.errors import UserError

END, UNKNOWN = "<end>", "<unk>"
LARGEST, LONGEST_SYMBOL = 200_000, 1024
"""Symbols of a vocabulary, and characters of one of them."""
_MARKS = r"""!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~"""
PIECES = rf" ?[^ \t\r\n{_MARKS}]{{1,64}}| ?[{_MARKS}]{{1,64}}|[ \t\r\n]"
"""Within its matches, which leave nothing out, byte-pair encoding merges: a word or punctuation with the space before
it, or one white character. It means the same in Python, JavaScript and `tokenizers`."""

Kind = Literal["characters", "words", "bpe", "symbols"]

_PIECES = re.compile(PIECES)
_REMEMBERED = 2**16
"""Words whose merging is kept."""


@dataclass(frozen=True)
class Vocabulary:
    """symbols: by their number. Where `end` is true, number 0 ends a text, and also starts and pads it, and 1 stands
    for whatever is unknown; where it is false, number 0 stands for the unknown if it is called `<unk>`, and else
    nothing may be unknown. The special ones are known by their place: text that reads like them is text.

    kind: `characters`, code points; `words`, what lies between white space; `bpe`, what `merges` make within the
    matches of PIECES, pairs in their order; `symbols`, at each place the longest that fits. pattern: what found the
    symbols, for the record. lowercase: text is lowered first. Raises ValueError, a clause, where parts do not fit.
    """

    kind: Kind
    symbols: Sequence[str]
    end: bool = True
    merges: Sequence[tuple[str, str]] = ()
    pattern: str | None = None
    lowercase: bool = False
    _merged: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self)

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def specials(self) -> int:
        """How many symbols at the beginning are no text: the end and the unknown."""
        return 2 if self.end else int(self.symbols[0] == UNKNOWN)

    @property
    def unknown_number(self) -> int | None:
        """The number of what is unknown, or None where nothing may be."""
        return self.specials - 1 if self.specials else None

    def encode(self, text: str, most: int | None = None) -> list[int]:
        """The numbers of a text, its end left out; the first `most` of them, whatever the length of what follows.

        Raises UserError where something is unknown and the vocabulary has no number for that.
        """
        unknown = self.unknown_number
        if unknown is None:
            found = [self._numbers.get(symbol, -1) for symbol in self._parts(text, most)]
            if -1 in found:
                raise UserError(
                    f"{self.unknown(text)[0][:40]!r} is not in the vocabulary, which has no {UNKNOWN}: leave it away."
                )
            return found
        get = self._numbers.get
        return [get(symbol, unknown) for symbol in self._parts(text, most)]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers up to the first end. Raises UserError for a number that the vocabulary does not have."""
        found = []
        for number in numbers:
            if self.end and number == 0:
                break
            if not 0 <= number < len(self.symbols):
                raise UserError(f"the vocabulary has {len(self)} symbols and none of the number {number}.")
            found.append(self.symbols[number])
        return (" " if self.kind == "words" else "").join(found)

    def unknown(self, text: str) -> list[str]:
        """What of a text is not in the vocabulary, each once, in order."""
        return list(dict.fromkeys(symbol for symbol in self._parts(text, None) if symbol not in self._numbers))

    def to_json(self) -> dict[str, Any]:
        """As plain data, for a contract."""
        return {
            "kind": self.kind,
            "symbols": list(self.symbols),
            "end": self.end,
            "merges": [list(pair) for pair in self.merges],
            "pattern": self.pattern,
            "lowercase": self.lowercase,
        }

    @staticmethod
    def from_json(raw: Any) -> Vocabulary:
        """Read what `to_json` made. Raises UserError where it is damaged: nothing about it is taken on trust."""
        try:
            return Vocabulary(**_fields(raw))
        except ValueError as error:
            raise UserError(f"the file's vocabulary is damaged ({error}): export it again.") from error

    # --- from text to symbols ---------------------------------------------------------------------------------------

    def _parts(self, text: str, most: int | None) -> Iterable[str]:
        """The symbols of a text and what is unknown between them, the first `most`."""
        if self.lowercase:
            text = text.lower()
        if self.kind == "characters":
            return text if most is None else text[:most]
        if self.kind == "words":
            return text.split() if most is None else text.split(None, most)[:most]
        return islice(self._merging(text) if self.kind == "bpe" else self._longest(text), most)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Of what is text. A word that reads like the unknown symbol, as in corpora that have it, is unknown."""
        return {symbol: number for number, symbol in enumerate(self.symbols) if number >= self.specials}

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {pair: rank for rank, pair in reversed(list(enumerate(self.merges)))}

    @cached_property
    def _lengths(self) -> dict[str, list[int]]:
        """By their first character: how long symbols are, the longest first."""
        found: dict[str, set[int]] = {}
        for symbol in self._numbers:
            found.setdefault(symbol[0], set()).add(len(symbol))
        return {first: sorted(lengths, reverse=True) for first, lengths in found.items()}

    def _longest(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            for length in self._lengths.get(text[at], ()):
                if text[at : at + length] in self._numbers:
                    break
            else:
                length = 1
            yield text[at : at + length]
            at += length

    def _merging(self, text: str) -> Iterator[str]:
        for match in _PIECES.finditer(text):
            word = match.group()
            parts = self._merged.get(word)
            if parts is None:
                parts = _merge(word, self._ranks)
                if len(self._merged) >= _REMEMBERED:
                    self._merged.clear()
                self._merged[word] = parts
            yield from parts


def _merge(word: str, ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """The parts of a word: of all neighbours that may be merged those of the lowest rank, from the left, until there
    are none."""
    parts = list(word)
    none = len(ranks)
    while len(parts) > 1:
        rank, at = min((ranks.get(pair, none), at) for at, pair in enumerate(pairwise(parts)))
        if rank == none:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


# --- what a vocabulary may be -----------------------------------------------------------------------------------------


def _check(made: Vocabulary) -> None:
    """Raise ValueError, a clause, where a vocabulary contradicts itself."""
    symbols = made.symbols
    if not 1 <= len(symbols) <= LARGEST:
        raise ValueError(f"it has {len(symbols):,} symbols, and 1 to {LARGEST:,} are possible")
    if made.end and list(symbols[:2]) != [END, UNKNOWN]:
        raise ValueError(f"it does not begin with {END} and {UNKNOWN}")
    known = set(symbols[made.specials :])
    if len(known) < len(symbols) - made.specials:
        raise ValueError("a symbol is there twice")
    if not known:
        raise ValueError("it has no symbol of text")
    for symbol in known:
        if not 1 <= len(symbol) <= LONGEST_SYMBOL:
            raise ValueError(f"a symbol has {len(symbol):,} characters, and 1 to {LONGEST_SYMBOL:,} are possible")
        if made.kind == "characters" and len(symbol) > 1:
            raise ValueError(f"{symbol[:40]!r} is more than one character")
        if made.kind == "words" and symbol.split() != [symbol]:
            raise ValueError(f"{symbol[:40]!r} is no word")
    if re.search("[\ud800-\udfff]", "".join(known)):
        raise ValueError("a symbol is half a character")
    if made.merges and made.kind != "bpe":
        raise ValueError(f"symbols of kind {made.kind} are not merged, and it has merges")
    if len(made.merges) > LARGEST:
        raise ValueError(f"it has {len(made.merges):,} merges, and {LARGEST:,} are the most")
    for left, right in made.merges:
        if not {left, right, left + right} <= known:
            raise ValueError(f"it merges {left[:40]!r} and {right[:40]!r}, and not all three are among its symbols")


def _fields(raw: Any) -> dict[str, Any]:
    """The fields of a vocabulary, their types checked. Raises ValueError, a clause."""
    if not isinstance(raw, Mapping):
        raise ValueError("it is no object")
    kind, symbols, merges = raw.get("kind"), raw.get("symbols"), raw.get("merges", [])
    pattern, end, lowercase = raw.get("pattern"), raw.get("end"), raw.get("lowercase", False)
    if kind not in get_args(Kind):
        raise ValueError(f"its kind is none of {', '.join(get_args(Kind))}")
    if not _is_texts(symbols):
        raise ValueError("its symbols are no list of texts")
    if not isinstance(merges, list) or not all(_is_texts(pair) and len(pair) == 2 for pair in merges):
        raise ValueError("its merges are no list of pairs of texts")
    if not isinstance(end, bool) or not isinstance(lowercase, bool):
        raise ValueError("end and lowercase are not true or false")
    if pattern is not None and not isinstance(pattern, str):
        raise ValueError("its pattern is no text")
    pairs = [cast(tuple[str, str], tuple(pair)) for pair in merges]
    return {
        "kind": kind,
        "symbols": list(cast(list[str], symbols)),
        "end": end,
        "merges": pairs,
        "pattern": pattern,
        "lowercase": lowercase,
    }


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
