"""Choices that follow from the texts: vocabulary, length, classes; a whole recipe where none is given. No torch."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multigan.data.order import draws, key
from multigan.recipe import Recipe
from multigan.text.config import TextData, TextRecipe
from multigan.text.data.corpus import Corpus, read_corpus
from multigan.text.data.encoding import lengths
from multigan.text.data.vocabularies import build_vocabulary, vocabulary_of
from multigan.vocabulary import Vocabulary

COVERED, LONGEST = 0.995, 512
"""The chosen length holds so many of the texts whole, and is no more than that."""
USUAL, STRETCH = 0.9, 4
"""Texts longer than so many times what this share of them needs do not count: a few are no reason for long rows."""
LOOKED_AT = 50_000
"""Texts whose lengths are looked at."""
MANY_WORDS, SPACED = 4.0, 0.5
"""Words are chosen where texts have more of them on average, and so many texts have a space."""
MOST_CLASSES, FEWEST_A_CLASS = 50, 20
SMILES = re.compile(
    r"(?=.*[cnoCNO])(?:\[[A-Za-z0-9@+:\\/-]+\]|Br|Cl|[BCNOPSFIbcnops]|[()=#$:/\\.+-]|[0-9]|%[0-9]{2}|\*)+"
)
"""What all but a few texts are where they are molecules."""
MOLECULES = 0.98
SMALL, MEDIUM = 20_000, 200_000
"""Texts; below them come the smaller networks."""
SIZES = {  # embedding and hidden of the generator; embedding and filters of the discriminator
    "small": (32, 128, 32, 64),
    "medium": (64, 256, 64, 100),
    "large": (128, 512, 64, 200),
}
WIDTHS = [2, 3, 4, 5]
BATCH = 64
LEARNED = {"optimizer": {"lr": {"start": 5e-3, "end": 5e-4}, "betas": [0.9, 0.99], "clip": 10.0}, "baseline_lr": 5e-4}
PLAYED = {
    "objective": {"kind": "rollouts", "rollouts": 8, "baseline": "mean", "normalize": True},
    "generator_optimizer": {"lr": 3e-4, "betas": [0.9, 0.99], "clip": 10.0},
    "discriminator_optimizer": {"lr": 1e-3, "betas": [0.9, 0.99]},
    "ema": {"half_life": 4000},
}
"""As the recipes `names` and `seqgan` have it."""
LIKELIHOOD_EPOCHS, GAME_SHARE, WARMUP_SHARE = 13, 1.0, 1.2
"""Passes over the texts by likelihood; the game's and the warm-up's length as shares of that."""
FEWEST_SAMPLES, MOST_SAMPLES, MOST_SAMPLES_GPU = 50_000, 400_000, 4_000_000
"""Bounds of the samples for likelihood."""


def settle(recipe: TextRecipe, gpu: bool = False) -> tuple[TextRecipe, list[str]]:
    """Fill in the vocabulary, the merges, the length and the classes where the recipe leaves them to the data.

    Raises UserError as `read_corpus` and `build_vocabulary` do, and where the parts that are given do not fit.
    """
    data = recipe.data
    if data.vocabulary is not None and data.length is not None and not recipe.open_condition:
        vocabulary_of(data)
        return recipe, []
    if data.oracle is not None:
        from multigan.text.data.oracles import oracle_settings  # which needs torch

        return recipe.model_copy(update={"data": data.model_copy(update=oracle_settings(data))}), []
    corpus = read_corpus(data)
    why = list(corpus.notes)
    update: dict[str, Any] = {}
    if recipe.conditional and not data.classes:
        update["classes"] = corpus.classes
    if data.vocabulary is None:
        vocabulary = build_vocabulary(corpus, data)
        update["vocabulary"] = list(vocabulary.symbols)
        if data.tokens.kind == "bpe":
            update["merges"] = ["\t".join(pair) for pair in vocabulary.merges]
        why.append(f"{len(vocabulary):,} symbols ({data.tokens.kind}).")
    else:
        vocabulary = vocabulary_of(data)
    if data.length is None:
        update["length"], said = suggest_length(corpus.texts, vocabulary, data)
        why.append(said)
    return recipe.model_copy(update={"data": data.model_copy(update=update)}), why


def suggest_length(texts: Sequence[str], vocabulary: Vocabulary, data: TextData) -> tuple[int, str]:
    """Symbols of a row, the end included, and why: what holds nearly all texts; where they have no end, the length that
    keeps the most symbols."""
    found = np.sort(lengths(_spread(texts), vocabulary, LONGEST + 1))
    if not data.end:
        values, times = np.unique(np.minimum(found, LONGEST), return_counts=True)
        kept = times if data.long == "drop" else times[::-1].cumsum()[::-1]
        length = int(values[(values * kept).argmax()])
        share = kept[values == length].sum() / len(found)
        return length, f"{length:,} symbols a text: {100 * share:.1f}% of the texts have them."
    covering, usual = (int(found[int(np.ceil(share * len(found))) - 1]) for share in (COVERED, USUAL))
    counted = found[found <= STRETCH * max(1, usual)]
    length = min(covering, int(counted[-1]), LONGEST - 1) + 1
    share = (found < length).mean()
    return length, f"{length:,} symbols a text, its end included: {100 * share:.1f}% of the texts fit in whole."


def suggest_tokens(corpus: Corpus) -> tuple[dict[str, Any], str]:
    """What the symbols are, and why: a notation's, words or characters."""
    texts = _spread(corpus.texts, 2000)
    if np.mean([SMILES.fullmatch(text) is not None for text in texts]) > MOLECULES and not _plain_words(texts):
        return {"kind": "symbols", "pattern": "smiles"}, "The texts read like SMILES: symbols are theirs."
    words = [text.split() for text in texts]
    mean = float(np.mean([len(each) for each in words]))
    spaced = float(np.mean([len(each) > 1 for each in words]))
    if mean > MANY_WORDS and spaced > SPACED:
        return {"kind": "words"}, f"Symbols are words: {mean:.1f} a text; --set data.tokens.kind=characters, or bpe."
    return {"kind": "characters"}, "Symbols are characters; --set data.tokens.kind=words, or bpe."


def suggest_conditional(corpus: Corpus) -> tuple[bool, str]:
    """Whether there are a few classes with enough texts each, and why."""
    if corpus.classes is None or corpus.labels is None:
        return False, "No classes: neither a label column nor a file for each tells them."
    if len(corpus.classes) < 2:
        return False, "Only one class, so a label would say nothing."
    counts = np.bincount(corpus.labels, minlength=len(corpus.classes))
    fewest = int(counts.min())
    if fewest < FEWEST_A_CLASS:
        poor = corpus.classes[int(counts.argmin())]
        return False, f"{len(corpus.classes):,} classes, but {poor!r} has only {fewest} texts."
    if len(corpus.classes) > MOST_CLASSES:
        return False, f"{len(corpus.classes):,} classes are many: --set conditional=true takes them."
    return True, f"{len(corpus.classes)} classes of {fewest:,} to {int(counts.max()):,} texts: a conditional generator."


def chosen(
    data: str | None, gpu: bool, like: Recipe | None, asked: TextData | None = None
) -> tuple[dict[str, Any], list[str]]:
    """A recipe for `data` as a mapping, and why. like: the recipe of the checkpoint that the training starts from: its
    networks, its vocabulary and its length. asked: what is asked for beside the place, such as a column of labels or
    the kind of symbols: the rest follows from it."""
    asked = (asked or TextData()).model_copy(update={"source": data})
    corpus = read_corpus(asked)
    conditional, why_conditional = suggest_conditional(corpus)
    if asked.label_column is not None and corpus.classes is not None and not conditional:
        conditional, why_conditional = True, f"{len(corpus.classes)} classes, as data.label_column asks."
    if like is not None:
        conditional = like.conditional
        why_conditional = f"{'Conditional' if conditional else 'Unconditional'}, as {like.name} is."
    if "tokens" in asked.model_fields_set:
        tokens, why_tokens = asked.tokens.model_dump(), f"Symbols: {asked.tokens.kind}, as data.tokens asks."
    else:
        tokens, why_tokens = suggest_tokens(corpus)
    mapping = _mapping(corpus, data, tokens, conditional, gpu)
    if like is None:
        return mapping, [why_tokens, why_conditional]  # what `settle` then reads says its notes
    trained = like.model_dump(mode="json", exclude_none=True)
    for part in ("generator", "discriminator", "objective", "loss"):
        mapping[part] = trained[part]
    for part in ("tokens", "lowercase", "length", "end", "vocabulary", "merges"):
        mapping["data"].pop(part, None)
        if part in trained["data"]:
            mapping["data"][part] = trained["data"][part]
    sentences = [
        *corpus.notes,
        f"Vocabulary, length and networks are those of {like.name}, which the training starts from.",
    ]
    return mapping, [*sentences, why_conditional]


def _spread(texts: Sequence[str], most: int = LOOKED_AT) -> Sequence[str]:
    """Up to `most` of the texts, spread by chance but the same every time."""
    if len(texts) <= most:
        return texts
    drawn = np.unique(draws(key("survey"), np.arange(most)) % np.uint64(len(texts)))
    return [texts[int(index)] for index in drawn]


def _plain_words(texts: Sequence[str]) -> bool:
    """Whether texts are of letters alone, as names are that happen to be written in the letters of elements."""
    return float(np.mean([text.isalpha() for text in texts])) > 0.5


def _mapping(corpus: Corpus, data: str | None, tokens: dict[str, Any], conditional: bool, gpu: bool) -> dict[str, Any]:
    count = len(corpus)
    size = "small" if count < SMALL else "medium" if count < MEDIUM or not gpu else "large"
    embedding, hidden, judged, filters = SIZES[size]
    batch = BATCH
    while batch > count // 2 and batch > 4:
        batch //= 2
    most = MOST_SAMPLES_GPU if gpu else MOST_SAMPLES
    likelihood = min(max(LIKELIHOOD_EPOCHS * count, FEWEST_SAMPLES), most)
    warmup = int(WARMUP_SHARE * likelihood)
    stem = Path(data).stem if data else "names"
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in stem).strip("-")
    return {
        "modality": "text",
        "name": plain[:64] or "texts",
        "conditional": conditional,
        "data": {
            "source": data,
            "tokens": tokens,
            **({"classes": corpus.classes} if conditional else {}),
        },
        "generator": {"kind": "lstm", "embedding": embedding, "hidden": hidden},
        "discriminator": {
            "kind": "cnn",
            "embedding": judged,
            "widths": list(WIDTHS),
            "filters": [filters] * len(WIDTHS),
        },
        "loss": {"kind": "non_saturating"},
        **copy.deepcopy(PLAYED),
        "likelihood": {"samples": likelihood, **copy.deepcopy(LEARNED)},
        "warmup": warmup,
        "training": {
            "samples": likelihood + warmup + int(GAME_SHARE * likelihood),
            "batch": batch,
            "discriminator_steps": 4,
        },
    }
