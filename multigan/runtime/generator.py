"""An exported generator: a file in, arrays and pictures out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multigan import noise
from multigan.contract import Contract
from multigan.errors import UserError
from multigan.memory import memory
from multigan.pictures import to_image, to_uint8
from multigan.runtime import interpolation
from multigan.runtime.devices import Place
from multigan.runtime.labels import Label, is_sequence, resolve
from multigan.runtime.numbers import Number, bounds_of
from multigan.runtime.numbers import resolve as resolve_numbers
from multigan.runtime.onnx_file import OnnxFile, read
from multigan.runtime.session import Session, open_session
from multigan.runtime.texts import MOST, Texts, check_count, part_of
from multigan.runtime.trust import DEFAULT, Trust

_PLENTY = 2**28
"""Bytes of samples from which on the memory that is free is looked at."""


class Generator(Texts):
    """A generator that `multigan export` wrote. Several threads may use it at once.

    contract: what the file says of itself. device: where it really runs. trust: its limits.
    """

    def __init__(self, session: Session, contract: Contract, trust: Trust = DEFAULT) -> None:
        self.session = session
        self.contract = contract
        self.trust = trust
        self.device: Place = session.device

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str = "auto",
        threads: int | None = None,
        trust: Trust = DEFAULT,
        fixed_batch: int | None = None,
    ) -> Generator:
        """Open an exported file.

        device: `cpu`, `cuda`, `tensorrt`, or `auto`: CUDA where it starts, else the CPU, said in the log. threads: of
        the CPU for one operator; None leaves the choice to onnxruntime. trust: the limits of what the file may be and
        of what running it may cost (`multigan.runtime.trust`): DEFAULT, UPLOADED for strangers' files, or others.
        fixed_batch: on CUDA, replay a batch of this size as a CUDA graph. Raises UserError where the file is missing,
        truncated, too new, not multigan's or beyond a limit, or the device is absent.
        """
        return cls.of(read(path, trust), device, threads, fixed_batch)

    @classmethod
    def of(
        cls, file: OnnxFile, device: str = "auto", threads: int | None = None, fixed_batch: int | None = None
    ) -> Generator:
        """A file that was read already. Sentences on what is wrong call it `file.path`. Raises UserError as `load`."""
        file.contract.expect("generator", file.path)
        return cls(open_session(file, device, threads, fixed_batch), file.contract, file.trust)

    def warm_up(self, batch: int = 1) -> None:
        """Run the graph once with a batch of that size, so that the next call is as fast as all after it."""
        self._check_batch(batch, batch)
        self._run(noise.inputs(self.contract, 0, 0, batch))

    def close(self) -> None:
        """Let go of the graph, and of its process where it is isolated; a generator that is not used any more does so
        by itself."""
        self.session.close()

    def sample(
        self,
        n: int,
        seed: int = 0,
        label: Label = None,
        truncation: float | None = None,
        batch: int = 16,
        start: int = 0,
        number: Number = None,
    ) -> NDArray[np.float32]:
        """Samples `start` to `start + n` of `seed`: float32 `[n, C, H, W]` in [-1, 1] for pictures, int64 `[n, T]` for
        texts (`texts` gives strings). `stream` gives them a batch at a time.

        Sample i of a seed is the same whatever n, `start` and `batch`. label: a name, a class number, or one of those
        for each sample; None gives sample i the class i mod (number of classes). number: of a model that is told one,
        for all or one for each; None: they take turns over its range (`multigan.noise.numbers`). truncation: keep each
        value of a normal latent in [-t, t], 0 < t <= 8 (of a uniform one, 0 < t <= 1): more typical, less varied.
        batch: how many go through the graph at once. Raises UserError where an argument is out of range, the label is
        unknown, or the samples do not fit into the memory.
        """
        check_count("n", n, MOST)
        self._check_room(n)
        parts = self.stream(n, seed, label, truncation, batch, start, number)
        made = next(parts)
        if len(made) == n:
            return made
        whole = np.empty((n, *made.shape[1:]), made.dtype)
        first = 0
        for part in chain([made], parts):
            whole[first : first + len(part)] = part
            first += len(part)
        return whole

    def stream(
        self,
        n: int,
        seed: int = 0,
        label: Label = None,
        truncation: float | None = None,
        batch: int = 16,
        start: int = 0,
        number: Number = None,
    ) -> Iterator[NDArray[np.float32]]:
        """The same samples a batch at a time: any number of them takes little memory. Raises UserError as `sample`
        does, at once where an argument is wrong."""
        check_count("n", n, noise.SAMPLES)
        self._check_batch(batch, n)
        batch = min(batch, self.session.fixed or batch)
        each_label, each_number = is_sequence(label), is_sequence(number)
        labels = resolve(self.contract, label, n if each_label else 1, start)
        numbers = resolve_numbers(self.contract, number, n if each_number else 1)
        noise.check_samples(seed, start, n)

        def parts() -> Iterator[NDArray[np.float32]]:
            for first in range(0, n, batch):
                count = min(batch, n - first)
                part = slice(first, first + count)
                classes = part_of(labels, part) if each_label else resolve(self.contract, label, count, start + first)
                told = part_of(numbers, part) if each_number else resolve_numbers(self.contract, number, count)
                yield self._run(noise.inputs(self.contract, seed, start + first, count, truncation, classes, told))

        return parts()

    def images(self, n: int, seed: int = 0, label: Label = None, **options: Any) -> list[Image.Image]:
        """The same samples as pillow pictures. options: those of `sample`."""
        self.check_pictures()
        return [to_image(each) for each in to_uint8(self.sample(n, seed, label, **options))]

    def interpolate(
        self,
        seeds: Sequence[int],
        steps: int = 12,
        label: Label = None,
        truncation: float | None = None,
        batch: int = 16,
        closed: bool = False,
        number: Number = None,
    ) -> NDArray[np.float32]:
        """From sample 0 of each seed to that of the next in `steps` steps: `[(len(seeds) - 1) * steps + 1, C, H, W]`.

        Normal latents move along great circles, uniform ones on straight lines. label: one class for all the way (class
        0 where it is None). number: the same for all the way (None: the contract's default), or one for each of the
        way's samples. closed: back to the first seed, which is not repeated: `[len(seeds) * steps, C, H, W]`.
        Raises UserError as `sample` does.
        """
        latent = self.contract.input("latent")
        if latent is None:
            raise UserError("this model has no latent to move through.")
        if len(seeds) < 2:
            raise UserError(f"interpolation needs at least 2 seeds, such as 7,8,9, and got {len(seeds)}.")
        check_count("steps", steps, MOST // len(seeds))
        self._check_batch(batch, len(seeds) * steps)
        self._check_room(len(seeds) * steps)
        points = np.concatenate([noise.latents(latent, seed, 0, 1, truncation) for seed in seeds])
        latents = interpolation.path(points, steps, latent, closed)
        return self.of_latents(latents, 0 if label is None and self.contract.labels else label, number, seeds[0], batch)

    def of_latents(
        self,
        latents: NDArray[np.float32],
        label: Label = None,
        number: Number = None,
        seed: int = 0,
        batch: int = 16,
    ) -> NDArray[np.float32]:
        """The samples `[n, ...]` of latents `[n, Z]` that come from somewhere else than a seed.

        label: as in `sample`. number: for all or one for each; None: the contract's default for all. seed: of what
        other noise the graph takes, the same for all. Raises UserError as `sample` does, and where the latents have
        another shape.
        """
        latent = self.contract.input("latent")
        if latent is None:
            raise UserError("this model has no latent to move through.")
        if list(latents.shape[1:]) != latent.shape[1:] or not len(latents):
            raise UserError(f"the latents have the shape {list(latents.shape)} where {latent.shape} is wanted.")
        self._check_batch(batch, len(latents))
        batch = min(batch, self.session.fixed or batch)
        bounds = bounds_of(self.contract)
        if number is None and bounds is not None:
            number = bounds.minimum if bounds.default is None else bounds.default
        labels = resolve(self.contract, label, len(latents))
        numbers = resolve_numbers(self.contract, number, len(latents))
        return np.concatenate(list(self._along(latents, labels, numbers, seed, batch)))

    def _along(
        self,
        latents: NDArray[np.float32],
        labels: NDArray[np.int64] | None,
        numbers: NDArray[np.float32] | None,
        seed: int,
        batch: int,
    ) -> Iterator[NDArray[np.float32]]:
        latent = self.contract.input("latent")
        assert latent is not None
        for first in range(0, len(latents), batch):
            here = slice(first, first + batch)
            part = latents[here]
            classes, told = part_of(labels, here), part_of(numbers, here)
            inputs = noise.inputs(self.contract, seed, 0, 1, None, classes, told)
            for each in self.contract.inputs:
                if each.kind == "noise":  # the same along all the way, which would jump otherwise
                    inputs[each.name] = inputs[each.name].repeat(len(part), axis=0)
            yield self._run({**inputs, latent.name: part})

    # --- running ----------------------------------------------------------------------------------------------------

    def _run(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        return self._checked(self._outputs(inputs, [self.contract.output.name])[0], inputs)

    def _outputs(self, inputs: dict[str, NDArray[Any]], names: list[str]) -> list[NDArray[Any]]:
        return self.session.run(names, inputs)

    def _check_room(self, n: int) -> None:
        """Raise UserError where so many samples at once are more than the machine's memory."""
        axes = [axis for axis in self.contract.output.shape[1:] if isinstance(axis, int)]
        size = n * math.prod(axes) * 4
        there = memory() if size > _PLENTY else None
        if there is not None and size > there.free:
            raise UserError(
                f"{n:,} samples at once are {size / 1e9:.1f} GB, and {there.free / 1e9:.1f} GB of memory are free: ask "
                "for fewer, or take them a batch at a time (Generator.stream)."
            )

    def _checked(self, output: NDArray[Any], inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """The output, where it is what the contract says."""
        said = self.contract.output
        axes = {"batch": max((len(value) for value in inputs.values() if value.ndim), default=1)}
        for each in self.contract.inputs:
            named = zip(each.shape[1:], inputs[each.name].shape[1:], strict=True)
            axes |= {axis: size for axis, size in named if isinstance(axis, str)}
        wanted = [axes["batch"], *(axes.get(axis, -1) if isinstance(axis, str) else axis for axis in said.shape[1:])]
        if list(output.shape) != wanted:
            raise UserError(
                f"the model gave {list(output.shape)} for {axes['batch']} samples, where its contract says "
                f"{said.shape}: export it again."
            )
        if not np.isfinite(output).all():
            raise UserError(
                "the model gives values that are not numbers: its training went wrong, export another checkpoint."
            )
        low, high = said.minimum, said.maximum
        if said.dtype == "int64" and not (
            low is not None and high is not None and low <= output.min() and output.max() <= high
        ):
            raise UserError("the model gives symbols that its vocabulary does not have: export it again.")
        return output

    def check_pictures(self) -> None:
        """Raise UserError where the model makes something else than pictures."""
        if self.contract.modality != "image":
            raise UserError(f"this model makes {self.contract.modality}, not pictures.")
        shape = self.contract.output.shape
        if len(shape) != 4 or shape[1] not in (1, 3, 4):
            raise UserError(f"this model's output {shape} is no batch of pictures with 1, 3 or 4 channels.")
