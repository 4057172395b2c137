"""Too little memory, the commonest end of a first training, as a sentence with its mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from multigan.errors import UserError
from multigan.settings import Training

_WORDS = ("can't allocate memory", "not enough memory", "out of memory")


def is_shortage(error: Exception) -> bool:
    """Whether an error says that memory was not to be had: of torch's on a CPU only the text tells."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)


@contextmanager
def explaining(training: Training, device: torch.device) -> Iterator[None]:
    """Turn a shortage of memory into a UserError that names the keys which need less."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_shortage(error):
            raise
        where = "the GPU's memory" if device.type == "cuda" else "this machine's memory"
        part = training.batch // training.accumulate
        raise UserError(
            f"{where} is not enough: work through the batch in more parts (training.accumulate, now "
            f"{training.accumulate}: {part} samples at a time), or lower training.batch, generator.width or the size "
            "of the samples."
        ) from error
