"""SeqGAN's oracle (Yu et al., 2017): an LSTM with random weights whose samples are the real texts, so that what it says
of generated ones is exact. NLL_oracle is the mean of -ln p over symbols and texts."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multigan import noise
from multigan.errors import UserError

VOCABULARY, WIDTH, LENGTH = 5000, 32, 20
START = 0
"""The first input. It is a symbol as any other, and may be generated."""
BATCH = 64
"""Texts at a time: their logits stay in a processor's cache."""
NAMES = tuple(f"p{number:02}" for number in range(15))
"""The arrays of a weights file: the embedding; then W, U and b of the input, the forget and the output gate and of the
candidate; then the output's W and b. Row vectors: x W + h U + b."""
LARGEST = 256 << 20
"""Bytes of a weights file, unpacked."""
Tokens = NDArray[np.int64]
State = tuple[Tensor, Tensor]


class Oracle(nn.Module):
    """The LSTM. It begins with state zero and the symbol START.

    i, f, o = sigmoid(x W + h U + b), g = tanh(...), c = f c + i g, h = o tanh(c), logits = h W_o + b_o.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """weights: the arrays NAMES, as `seeded` and `load` make them."""
        super().__init__()
        arrays = [torch.from_numpy(np.ascontiguousarray(weights[name], np.float32)) for name in NAMES]
        vocabulary, embedding = arrays[0].shape
        hidden = len(arrays[3])
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)
        # torch has the gates in the order i, f, g, o, in one matrix; the weights i, f, o, g, in one each.
        gates = [arrays[1 + 3 * gate : 4 + 3 * gate] for gate in (0, 1, 3, 2)]
        self.load_state_dict(
            {
                "embedding.weight": arrays[0],
                "lstm.weight_ih_l0": torch.cat([w.T for w, _, _ in gates]),
                "lstm.weight_hh_l0": torch.cat([u.T for _, u, _ in gates]),
                "lstm.bias_ih_l0": torch.cat([b for _, _, b in gates]),
                "lstm.bias_hh_l0": torch.zeros(4 * hidden),
                "output.weight": arrays[13].T,
                "output.bias": arrays[14],
            }
        )
        self.requires_grad_(False)

    @staticmethod
    def seeded(seed: int, vocabulary: int = VOCABULARY, embedding: int = WIDTH, hidden: int = WIDTH) -> Oracle:
        """Weights and biases from N(0, 1): array k is sample k of `noise.normal` under the seed, in rows."""
        shapes = _shapes(vocabulary, embedding, hidden)
        drawn = {
            name: noise.normal(seed, number, 1, int(np.prod(shape))).reshape(shape)
            for number, (name, shape) in enumerate(zip(NAMES, shapes, strict=True))
        }
        return Oracle(drawn)

    @staticmethod
    def load(path: str | Path) -> Oracle:
        """From an .npz file of the arrays NAMES. Raises UserError where it is absent, damaged or of other shapes."""
        return Oracle(_read(Path(path)))

    def __len__(self) -> int:
        """How many symbols it knows."""
        return self.output.out_features

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits `[B, T, V]` of what follows each of the symbols `[B, T]`, and the state after them."""
        hidden, state = self.lstm(self.embedding(inputs), state)
        return self.output(hidden), state

    @torch.inference_mode()
    def sample(self, count: int, length: int = LENGTH, seed: int = 0, temperature: float = 1.0) -> Tokens:
        """int64 `[count, length]`: text i of a seed is the same however many are drawn.

        temperature: the logits are divided by it. Raises UserError where an argument is out of range.
        """
        if not 0 < temperature < float("inf"):
            raise UserError(f"temperature {temperature:g} is out of range: choose a number above 0.")
        starts = range(0, count, BATCH)
        parts = [self._sample(start, min(BATCH, count - start), length, seed, temperature) for start in starts]
        return np.concatenate(parts) if parts else np.empty((0, length), np.int64)

    def _sample(self, start: int, count: int, length: int, seed: int, temperature: float) -> Tokens:
        """By the inverse of the distribution function, at a uniform number for each symbol."""
        uniforms = torch.from_numpy(noise.fractions(seed, start, count, length))
        symbol, state = torch.full((count, 1), START), None
        made = torch.empty((count, length), dtype=torch.int64)
        for at in range(length):
            logits, state = self(symbol, state)
            reached = torch.softmax(logits[:, 0].double() / temperature, dim=-1).cumsum(dim=-1)
            wanted = uniforms[:, at : at + 1] * reached[:, -1:]  # the sum is 1 but for rounding
            symbol = torch.searchsorted(reached, wanted, right=True).clamp_(max=reached.shape[1] - 1)
            made[:, at] = symbol[:, 0]
        found: Tokens = made.numpy()
        return found

    @torch.inference_mode()
    def nll(self, tokens: Tokens | Tensor) -> NDArray[np.float64]:
        """Of texts `[count, length]` the mean of -ln p over their symbols, in nats: float64 `[count]`.

        NLL_oracle is the mean of these. Raises UserError where a symbol is none of the oracle's.
        """
        symbols = torch.as_tensor(tokens, dtype=torch.int64)
        size = self.output.out_features
        if symbols.ndim != 2 or not symbols.shape[1]:
            raise UserError(f"texts of shape {list(symbols.shape)} where [count, length] is expected.")
        if len(symbols) and not 0 <= int(symbols.min()) <= int(symbols.max()) < size:
            wrong = f"{int(symbols.min())} to {int(symbols.max())}"
            raise UserError(f"symbols from {wrong} are not all the oracle's, which knows 0 to {size - 1}.")
        parts = [self._nll(part) for part in symbols.split(BATCH)]
        return torch.cat(parts).numpy() if len(symbols) else np.empty(0)

    def _nll(self, symbols: Tensor) -> Tensor:
        inputs = torch.cat([torch.full_like(symbols[:, :1], START), symbols[:, :-1]], dim=1)
        logits, _ = self(inputs)
        chosen = logits.gather(2, symbols[..., None])[..., 0]
        return (torch.logsumexp(logits, dim=2).double() - chosen.double()).mean(dim=1)


def unigram(samples: Tokens, count: int, seed: int = 0) -> Tokens:
    """Texts `[count, length]` whose symbols are drawn one by one as often as `samples` `[n, length]` have them: what
    knows how frequent each symbol is, and nothing else."""
    pool = np.sort(samples, axis=None)
    chosen = noise.fractions(seed, 0, count, samples.shape[1], stream=1) * len(pool)
    return pool[np.minimum(chosen.astype(np.int64), len(pool) - 1)]


def anchors(oracle: Oracle, count: int = 10_000, length: int = LENGTH, seed: int = 0) -> dict[str, float]:
    """NLL_oracle of the oracle's own samples (no honest generator is below), of the same at temperature 0.75 (below it,
    by lost diversity), of unigram sampling and of uniformly random symbols."""
    own = oracle.sample(count, length, seed)
    size = oracle.output.out_features
    random = (noise.fractions(seed, 0, count, length, stream=2) * size).astype(np.int64)
    texts = {
        "own samples": own,
        "at temperature 0.75": oracle.sample(count, length, seed, 0.75),
        "unigram": unigram(own, count, seed),
        "uniform": random,
    }
    return {name: float(oracle.nll(each).mean()) for name, each in texts.items()}


# --- the weights file -----------------------------------------------------------------------------------------------


def _shapes(vocabulary: int, embedding: int, hidden: int) -> list[tuple[int, ...]]:
    gate: list[tuple[int, ...]] = [(embedding, hidden), (hidden, hidden), (hidden,)]
    return [(vocabulary, embedding), *(gate * 4), (hidden, vocabulary), (vocabulary,)]


def _read(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in NAMES}
    except FileNotFoundError as error:
        raise UserError(f"there is no oracle file {path}.") from error
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is no .npz file of the arrays {NAMES[0]} to {NAMES[-1]}, or is damaged.") from error
    wrong = _wrong(arrays)
    if wrong:
        raise UserError(f"{path} holds no oracle: {wrong}.")
    return arrays


def _check_size(path: Path) -> None:
    """Raise ValueError where what is packed is larger than an oracle."""
    with zipfile.ZipFile(path) as file:
        if sum(each.file_size for each in file.infolist()) > LARGEST:
            raise ValueError("too large")


def _wrong(arrays: Mapping[str, NDArray[np.float32]]) -> str:
    """What is wrong with a file's arrays, in words."""
    first, bias = arrays[NAMES[0]], arrays[NAMES[3]]
    if first.ndim != 2 or bias.ndim != 1:
        return f"{NAMES[0]} has the shape {first.shape} and {NAMES[3]} {bias.shape}, where (V, E) and (H,) are expected"
    for name, shape in zip(NAMES, _shapes(first.shape[0], first.shape[1], len(bias)), strict=True):
        array = arrays[name]
        if array.shape != shape:
            return f"{name} has the shape {array.shape} where {shape} is expected"
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            return f"{name} holds something else than finite floating-point numbers"
    return ""
