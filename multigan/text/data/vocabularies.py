"""The vocabulary of a corpus: what its symbols are, the frequent ones first. No torch; merges are trained by
`tokenizers`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from multigan.errors import UserError
from multigan.extras import need
from multigan.text.config import Bpe, Symbols, TextData
from multigan.text.data.corpus import Corpus
from multigan.text.notations import compiled
from multigan.vocabulary import END, LONGEST_SYMBOL, PIECES, UNKNOWN, Vocabulary

HEAD = 2**15
"""Of a text so many characters are looked at: what lies beyond is longer than a text may be."""
_ALPHABET = 0.75
"""Characters take so much of the vocabulary of byte-pair encoding at most."""
_LONGEST_PIECE = 32
_AGAIN = 2
"""Pairs that are there less often are not merged."""


def build_vocabulary(corpus: Corpus, data: TextData) -> Vocabulary:
    """The vocabulary that `data.tokens` asks for: the most frequent symbols, equally frequent ones in the order of
    their characters, so that the same texts give the same numbers.

    Raises UserError where the texts have fewer than two symbols, or a pattern of symbols matches the empty text.
    """
    tokens = data.tokens
    if isinstance(tokens, Bpe):
        return _of_pairs(corpus, data, tokens.size)
    counts = _counts(corpus, data)
    _check_several(counts, corpus)
    specials = _specials(corpus, data, len(counts), tokens.size)
    pattern = tokens.pattern if isinstance(tokens, Symbols) else None
    return Vocabulary(
        tokens.kind, [*specials, *_frequent(counts, tokens.size - len(specials))], data.end, (), pattern, data.lowercase
    )


def vocabulary_of(data: TextData) -> Vocabulary:
    """The vocabulary that a resolved recipe holds. Raises UserError where its parts do not fit each other."""
    if data.vocabulary is None:
        raise ValueError("data.vocabulary must be resolved")
    merges = [tuple(pair.split("\t")) for pair in data.merges or ()]
    if any(len(pair) != 2 for pair in merges):
        raise UserError("data.merges: each is two parts with one tab between them.")
    if isinstance(data.tokens, Bpe) and data.merges is None:
        raise UserError("data.merges is missing, which bpe encodes by: leave data.vocabulary away to have both made.")
    pattern = data.tokens.pattern if isinstance(data.tokens, Symbols) else None
    pairs: Any = merges
    try:
        return Vocabulary(data.tokens.kind, data.vocabulary, data.end, pairs, pattern, data.lowercase)
    except ValueError as error:
        raise UserError(f"data.vocabulary: {error}: leave it away to have it made of the data.") from error


def _check_several(counts: Counter[str], corpus: Corpus) -> None:
    if len(counts) < 2:
        found = f"one symbol, {next(iter(counts))[:40]!r}" if counts else "no symbol"
        raise UserError(
            f"{corpus.place} has a vocabulary of {found}, of which nothing can be learned: choose another data.tokens "
            "or --data."
        )


def _specials(corpus: Corpus, data: TextData, found: int, size: int) -> list[str]:
    """The end and the unknown; where texts have no end, the unknown only if some symbols find no place, or may."""
    if data.end:
        return [END, UNKNOWN]
    return [UNKNOWN] if found > size or any(len(text) > HEAD for text in corpus.texts) else []


def _frequent(counts: Counter[str], most: int) -> list[str]:
    """The most frequent symbols; at least one, however small a vocabulary is asked for."""
    return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[: max(1, most)]


def _heads(corpus: Corpus) -> Iterable[str]:
    return (text if len(text) <= HEAD else text[:HEAD] for text in corpus.texts)


def _counts(corpus: Corpus, data: TextData) -> Counter[str]:
    """How often each symbol is there."""
    tokens = data.tokens
    if isinstance(tokens, Symbols):
        return _of_pattern(corpus, tokens)
    counts: Counter[str] = Counter()
    for text in _heads(corpus):
        counts.update(text if tokens.kind == "characters" else text.split())
    for word in [word for word in counts if len(word) > LONGEST_SYMBOL]:
        del counts[word]
    return counts


def _of_pattern(corpus: Corpus, tokens: Symbols) -> Counter[str]:
    """The matches of a pattern, and the characters between them.

    Texts are encoded by the longest symbol that fits, which may leave characters over that were only in matches: they
    are added, so that nothing of these texts is unknown while there is room.
    """
    pattern = compiled(tokens.pattern)
    counts: Counter[str] = Counter()
    for text in _heads(corpus):
        at = 0
        for match in pattern.finditer(text):
            if match.end() == match.start():
                raise UserError(
                    f"data.tokens.pattern: {tokens.pattern[:80]!r} matches the empty text in {text[:40]!r}: write one "
                    "that takes a character at least."
                )
            counts.update(text[at : match.start()])
            at = match.end()
            if at - match.start() <= LONGEST_SYMBOL:
                counts[match.group()] += 1
            else:
                counts.update(match.group())
        counts.update(text[at:])
    if 0 < len(counts) <= tokens.size - 2:
        longest = Vocabulary("symbols", [END, UNKNOWN, *counts])
        counts.update(chain.from_iterable(map(longest.unknown, _heads(corpus))))
    return counts


# --- byte-pair encoding -----------------------------------------------------------------------------------------------


def _of_pairs(corpus: Corpus, data: TextData, size: int) -> Vocabulary:
    counts: Counter[str] = Counter()
    for text in _heads(corpus):
        counts.update(text)
    _check_several(counts, corpus)
    most = max(1, int(size * _ALPHABET))
    specials = _specials(corpus, data, len(counts), most)
    alphabet = _frequent(counts, most - len(specials))
    room = size - len(specials) - len(alphabet)
    merges = _trained(corpus, counts, alphabet, room) if room > 0 else []
    symbols = dict.fromkeys([*alphabet, *(left + right for left, right in merges)])
    return Vocabulary("bpe", [*specials, *symbols], data.end, merges, None, data.lowercase)


def _trained(corpus: Corpus, counts: Counter[str], alphabet: list[str], room: int) -> list[tuple[str, str]]:
    """Up to `room` merges, in their order. Characters that are not in the alphabet set words apart."""
    tokenizers = need("tokenizers", "train")
    parts = ("models", "pre_tokenizers", "trainers")
    models, splitting, trainers = (need(f"tokenizers.{part}", "train") for part in parts)
    known = set(alphabet)
    dropped = {ord(character): "\n" for character in counts if character not in known}
    seen = known if not dropped else known | {"\n"}
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = splitting.Split(tokenizers.Regex(PIECES), "isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=len(seen) + room,
        min_frequency=_AGAIN,
        max_token_length=_LONGEST_PIECE,
        show_progress=False,
        special_tokens=[],
    )
    tokenizer.train_from_iterator(_without(_heads(corpus), dropped), trainer)
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def _without(texts: Iterable[str], dropped: dict[int, str]) -> Iterator[str]:
    yield from (text.translate(dropped) for text in texts) if dropped else texts
