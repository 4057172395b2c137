"""Texts that SeqGAN's oracle has made, in place of a corpus."""

from __future__ import annotations

from multigan.text.config import OracleData, TextData
from multigan.text.data.corpus import Corpus
from multigan.text.oracle import LENGTH, VOCABULARY, Oracle


def oracle_of(chosen: OracleData) -> Oracle:
    """The oracle that a recipe names. Raises UserError where its file is absent or damaged."""
    return Oracle.seeded(chosen.seed) if chosen.weights is None else Oracle.load(chosen.weights)


def oracle_corpus(data: TextData) -> Corpus:
    """Its texts: numbers with spaces between them."""
    assert data.oracle is not None
    chosen = data.oracle
    made = oracle_of(chosen).sample(chosen.texts, data.length or LENGTH, chosen.seed)
    name = f"the oracle of seed {chosen.seed}" if chosen.weights is None else f"the oracle of {chosen.weights}"
    return Corpus(name, [" ".join(map(str, row)) for row in made.tolist()])


def oracle_settings(data: TextData) -> dict[str, object]:
    """Vocabulary and length where they are absent: symbol n of the vocabulary is the number n."""
    size = VOCABULARY if data.oracle is None or data.oracle.weights is None else len(oracle_of(data.oracle))
    return {
        "vocabulary": data.vocabulary or [str(number) for number in range(size)],
        "length": data.length or LENGTH,
    }
