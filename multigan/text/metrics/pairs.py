"""What a sweep may measure of texts alone, a quality and a diversity each. Of other real texts they give the floor."""

from __future__ import annotations

from multigan.text.metrics.bleu import ORDERS, bleu, self_bleu
from multigan.text.metrics.grams import Texts
from multigan.text.metrics.ngrams import NGramModel, Sequences
from multigan.text.metrics.sweep import REVERSE


class BleuPair:
    """BLEU-n against real texts, and self-BLEU-n: for the axes BLEU. A measure for `sweep`."""

    def __init__(self, references: Texts) -> None:
        """references: real texts `[n]`, each a list of symbols."""
        self.references = references

    def __call__(self, texts: Texts, temperature: float = 1.0) -> dict[str, float]:
        """BLEU-2 to -5 and self-BLEU-2 to -5 of texts. Raises UserError where there are fewer than two."""
        quality, repetition = bleu(texts, self.references), self_bleu(texts)
        return {f"BLEU-{order}": quality[order] for order in ORDERS} | {
            f"self-BLEU-{order}": repetition[order] for order in ORDERS
        }


class NGramPair:
    """The NLL of texts under a model of real ones, and the perplexity of the real ones under a model of the texts
    (reverse perplexity; Zhao et al., 2018): for the axes REVERSE. A measure for `sweep`.

    Both models are of one order; a model of few texts has a high reverse perplexity whatever they are, so that only
    equal numbers of texts compare.
    """

    def __init__(self, real: Sequences, vocabulary_size: int, order: int = 4, *, end: bool = True) -> None:
        """real: held-out texts of symbols 0 to vocabulary_size - 1; end: as in `NGramModel.fit`."""
        self.real, self.vocabulary_size, self.order, self.end = real, vocabulary_size, order, end
        self.model = NGramModel.fit(real, order, vocabulary_size, end=end)

    def __call__(self, texts: Sequences, temperature: float = 1.0) -> dict[str, float]:
        """The two figures of texts `[n]`. Raises UserError where there is none."""
        reverse = NGramModel.fit(texts, self.order, self.vocabulary_size, end=self.end)
        figures = (self.model.nll(texts).per_symbol, reverse.nll(self.real).perplexity)
        return dict(zip((REVERSE.quality.name, REVERSE.diversity.name), figures, strict=True))
