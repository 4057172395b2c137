"""What a warm `Generator.sample` adds to onnxruntime's own run, and what drawing its noise costs.

    python benchmarks/runtime_overhead.py

For each exported file (--models; without, a DCGAN of 32x32 in colour and the recipe `drums`, hardly trained) and batch:
onnxruntime's run alone, always of the same inputs; the noise alone; `by hand`, the noise and then the run; `sample`. By
hand takes longer than the two apart, since each finds the processor's caches full of the other. What `sample` adds is
its time less by hand's: arguments, labels, the watchdog, the checks of the output. The arms take turns; medians of the
rounds' differences.
`isolated` is `sample` of the same file in a process of its own (trust=UPLOADED).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from _models import hardly_trained
from _timing import Times, interleave, machine, pin, repeat, table

WANTED = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="*", type=Path)
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 16])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    pin(given.threads)
    print(f"{machine()}, {given.threads} threads; {given.rounds} rounds of {given.repeats} calls; milliseconds, wall")
    head = [
        "model",
        "batch",
        "onnxruntime",
        "noise",
        "by hand",
        "sample",
        "adds",
        "adds, CPU",
        "wanted",
        "isolated adds",
    ]
    rows = [head]
    with tempfile.TemporaryDirectory() as scratch:
        for model in given.models or made(Path(scratch)):
            rows += [measured(model, batch, given) for batch in given.batches]
    print(table(rows))


def made(folder: Path) -> list[Path]:
    found = []
    for recipe, modality in (("dcgan", "image"), ("drums", "audio")):
        model = hardly_trained(recipe, folder / recipe, modality=modality)[1]
        found.append(model.rename(model.with_name(f"{recipe}.onnx")))
    return found


def measured(model: Path, batch: int, given: argparse.Namespace) -> list[str]:
    """A row of the table."""
    from multigan import noise
    from multigan.runtime import UPLOADED, load

    here = load(model, "cpu", given.threads)
    alone = load(model, "cpu", given.threads, UPLOADED)
    inputs = noise.inputs(here.contract, 7, 0, batch)
    names, raw = [here.contract.output.name], here.session.raw  # type: ignore[attr-defined]
    work = {
        "onnxruntime": lambda: raw.run(names, inputs),
        "noise": lambda: noise.inputs(here.contract, 7, 0, batch),
        "by hand": lambda: raw.run(names, noise.inputs(here.contract, 7, 0, batch)),
        "sample": lambda: here.sample(batch, 7, batch=batch),
        "isolated": lambda: alone.sample(batch, 7, batch=batch),
    }
    arms = {name: repeat(each, given.repeats) for name, each in work.items()}
    times = interleave(arms, given.rounds, given.repeats, warmups=2)
    alone.close()
    shown = [f"{1000 / times[name].rate('wall'):.3f}" for name in ("onnxruntime", "noise", "by hand", "sample")]
    adds = [f"{added(times, 'sample', clock):.3f}" for clock in ("wall", "cpu")]
    return [model.stem, str(batch), *shown, *adds, f"{WANTED:g}", f"{added(times, 'isolated', 'wall'):.3f}"]


def added(times: dict[str, Times], arm: str, clock: str) -> float:
    """Milliseconds a call beyond the same by hand."""
    pairs = zip(times[arm].of(clock), times["by hand"].of(clock), strict=True)
    return 1000 * statistics.median(whole - part for whole, part in pairs) / times[arm].amount


if __name__ == "__main__":
    main()
