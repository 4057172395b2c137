"""Discriminators of text: of texts `[N, T]` int64, or of nearly one-hot symbols `[N, T, V]`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from multigan.networks.detector import watched
from multigan.text.config import Cnn, Recurrent
from multigan.text.networks.policy import Dropout, alive

AT_ONCE = 256
"""Texts that are graded at a time: what a processor's cache holds."""


class Judge(nn.Module):
    """What the discriminators of text share. decay: how much half the output's squared weights count in the loss."""

    def __init__(
        self, vocabulary: int, embedding: int, ends: bool, classes: int, features: int, dropout: float, decay: float
    ):
        super().__init__()
        self.ends = ends
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.classes = nn.Embedding(classes, embedding) if classes else None
        self.dropout = Dropout(dropout, features)
        self.output = nn.Linear(features, 1)
        self.decay = decay

    def embed(self, sample: Tensor, label: Tensor | None) -> Tensor:
        """`[N, T, E]`, with the class's added to each symbol's."""
        table = self.embedding.weight
        found = sample.to(table.dtype) @ table if sample.is_floating_point() else F.embedding(sample, table)
        return found if self.classes is None else found + self.classes(label)[:, None]

    def penalty(self) -> Tensor:
        """L2 on the output layer, as SeqGAN has it."""
        return self.decay * sum((weight.square().sum() / 2 for weight in self.output.parameters()), torch.zeros(()))

    @torch.no_grad()
    def grade(self, sample: Tensor, label: Tensor | None = None) -> Tensor:
        """The probability that each text `[N, T]` is real, `[N]`, or each of its symbols is, `[N, T]`: without
        dropout, some at a time."""
        self.dropout.rest()
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(sample), AT_ONCE)]
        found = [self.verdicts(sample[part], None if label is None else label[part]) for part in parts]
        return torch.sigmoid(torch.cat(found).float())

    @torch.no_grad()
    def grade_completions(self, texts: Tensor, completed: Tensor, label: Tensor | None = None) -> Tensor:
        """The mean probability `[G, B]` that texts are real which complete the first 1 to G symbols of others.

        texts `[B, T]`; completed `[G, B, R, T]`, whose group g begins with the first g + 1 symbols of the text.
        """
        groups, count, times, length = completed.shape
        labels = None if label is None else label.repeat_interleave(times).repeat(groups)
        found = self.grade(completed.reshape(-1, length), labels)
        if found.dim() == 2:  # a verdict on each symbol
            mask = alive(completed.reshape(-1, length), self.ends)
            found = (found * mask).sum(dim=1) / mask.sum(dim=1)
        return found.view(groups, count, times).mean(dim=2)

    @abstractmethod
    def verdicts(self, sample: Tensor, label: Tensor | None = None) -> Tensor:
        """Logits: one a text `[N]`, or one a symbol `[N, T]`."""

    def forward(self, sample: Tensor, label: Tensor | None = None) -> Tensor:
        """The logits of a training: as `verdicts`, and 0, which is no verdict, behind the end of a text."""
        return self.verdicts(sample, label)


class CnnJudge(Judge):
    """SeqGAN's discriminator. Each convolution is a product of a matrix with the windows of its width, which over short
    texts is faster than a convolution's own kernels."""

    def __init__(self, chosen: Cnn, vocabulary: int, length: int, ends: bool, classes: int = 0):
        pairs = [(width, count) for width, count in zip(chosen.widths, chosen.filters, strict=True) if width <= length]
        pairs = pairs or [(length, chosen.filters[0])]
        features = sum(count for _, count in pairs)
        super().__init__(vocabulary, chosen.embedding, ends, classes, features, chosen.dropout, chosen.decay)
        self.widths = [width for width, _ in pairs]
        self.filters = nn.ModuleList(nn.Linear(width * chosen.embedding, count) for width, count in pairs)
        self.highway = nn.Linear(features, 2 * features)
        """The transform, and the gate."""
        self.begin()

    def begin(self) -> None:
        """SeqGAN's initial weights: normal with 0.1, cut at two deviations; biases 0.1, the gate's -2."""
        nn.init.uniform_(self.embedding.weight, -1, 1)
        for layer in (*self.filters, self.output):
            assert isinstance(layer, nn.Linear)
            nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            nn.init.constant_(layer.bias, 0.1)
        nn.init.zeros_(self.highway.bias)
        with torch.no_grad():
            self.highway.bias[self.highway.in_features :].fill_(-2.0)

    def verdicts(self, sample: Tensor, label: Tensor | None = None) -> Tensor:
        embedded = self.embed(sample, label)
        # ReLU and the largest value may change places.
        return self._finish([values.amax(dim=1) for values in self._convolved(embedded)])

    def _convolved(self, embedded: Tensor, begun: int = 0) -> Iterator[Tensor]:
        """Each convolution's values `[N, P, filters]` at the windows that reach beyond the first `begun` symbols."""
        for width, layer in zip(self.widths, self.filters, strict=True):
            part = embedded[:, max(0, begun - width + 1) :]
            windows = part.shape[1] - width + 1
            # Side by side, which is faster than `unfold`, backward above all.
            yield layer(torch.cat([part[:, shift : shift + windows] for shift in range(width)], dim=2))

    def _finish(self, pooled: list[Tensor]) -> Tensor:
        """From each convolution's largest values to the logits."""
        features = F.relu(torch.cat(pooled, dim=1))
        transformed, gate = self.highway(features).chunk(2, dim=1)
        features = torch.lerp(features, F.relu(transformed).to(features.dtype), torch.sigmoid(gate).to(features.dtype))
        found: Tensor = self.output(self.dropout(features)).squeeze(1)
        return found

    @torch.no_grad()
    def grade_completions(self, texts: Tensor, completed: Tensor, label: Tensor | None = None) -> Tensor:
        """See `Judge`. Windows that lie within a beginning are computed once for all that complete it."""
        self.dropout.rest()
        begun = self._convolved(self.embed(texts, label))
        largest = [values.cummax(dim=1).values for values in begun]
        graded = []
        for group, rows in enumerate(completed, start=1):  # `[B, R, T]`, completing the first `group` symbols
            # A beginning settles the windows that lie within it.
            settled = [
                before[:, group - width] if group >= width else None
                for width, before in zip(self.widths, largest, strict=True)
            ]
            step = max(1, AT_ONCE // rows.shape[1])
            parts = [slice(start, start + step) for start in range(0, len(rows), step)]
            graded.append(torch.cat([self._completions(rows, settled, group, label, part) for part in parts]))
        return torch.stack(graded)

    def _completions(
        self, rows: Tensor, settled: list[Tensor | None], group: int, label: Tensor | None, part: slice
    ) -> Tensor:
        """The mean probability `[P]` of the completions `[B, R, T]` of some texts. settled: of the beginnings, each
        convolution's largest values `[B, filters]`."""
        rows, times = rows[part], rows.shape[1]
        labels = None if label is None else label[part].repeat_interleave(times)
        pooled = []
        for before, values in zip(settled, self._convolved(self.embed(rows.flatten(0, 1), labels), group), strict=True):
            found = values.amax(dim=1)
            if before is not None:
                found = torch.maximum(found, before[part].repeat_interleave(times, dim=0))
            pooled.append(found)
        return torch.sigmoid(self._finish(pooled).float()).view(-1, times).mean(dim=1)


class RecurrentJudge(Judge):
    """An LSTM that judges each symbol by those before it (de Masson d'Autume et al., 2019)."""

    def __init__(self, chosen: Recurrent, vocabulary: int, length: int, ends: bool, classes: int = 0):
        super().__init__(vocabulary, chosen.embedding, ends, classes, chosen.hidden, chosen.dropout, chosen.decay)
        self.lstm = nn.LSTM(chosen.embedding, chosen.hidden, batch_first=True)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def verdicts(self, sample: Tensor, label: Tensor | None = None) -> Tensor:
        features, _ = self.lstm(self.embed(sample, label))
        found: Tensor = self.output(self.dropout(features)).squeeze(2)
        return found

    def forward(self, sample: Tensor, label: Tensor | None = None) -> Tensor:
        # As many of every batch: so a mean counts each symbol the same, however a batch is parted.
        tokens = sample.argmax(dim=2) if sample.is_floating_point() else sample
        return self.verdicts(sample, label).masked_fill(~alive(tokens, self.ends), 0)


class TextDetector(nn.Module):
    """A judge as others use it. Of one that judges each symbol, the means over a text's symbols, its end included."""

    def __init__(self, judge: Judge):
        super().__init__()
        self.judge = judge

    def forward(self, sample: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """symbols int64 `[N, T]`, label int64 `[N]` if conditional -> score `[N]`, features `[N, D]`."""
        self.judge.dropout.rest()
        score, features = watched(self.judge, "output", sample, label)
        if score.dim() == 1:
            return score, features
        mask = alive(sample, self.judge.ends).to(score)
        count = mask.sum(dim=1)
        return (score * mask).sum(dim=1) / count, (features * mask[:, :, None]).sum(dim=1) / count[:, None]
