"""On a GPU: images/s, utilisation, and the Fréchet distance against time, for dcgan, resnet and r3gan_cifar on
CIFAR-10; bf16 against fp32; and onnxruntime's CUDA provider against torch, where it starts: a plain run, inputs and
outputs bound to the GPU's memory, and a CUDA graph, with the difference from the CPU's samples.

    python benchmarks/gpu.py --data cifar10.parquet --minutes 4
    python benchmarks/gpu.py --models fp32.onnx fp16.onnx

The second line runs exported files alone, for which torch is not needed. Without a GPU it says so and ends. Each arm is
one process of `multigan train image` that measures itself --evaluations times, on 2,000 samples; the time that those
take counts. Arms can be run one at a time (--arms), and the table shows those that are in --out. The speeds of bf16 and
fp32 are those of runs of --trial minutes, in turn.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from _models import MULTIGAN, hardly_trained, multigan
from _timing import interleave, ratio, repeat, table

ARMS = ["dcgan", "resnet", "r3gan_cifar"]
DISTANCE = "FD-EffLite0"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="CIFAR-10 as parquet")
    parser.add_argument("--arms", nargs="*", default=ARMS)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--evaluations", type=int, default=4)
    parser.add_argument("--trial", type=float, default=0.3, help="minutes of each run that only finds a speed")
    parser.add_argument("--parts", nargs="*", default=["train", "precision", "onnx"])
    parser.add_argument("--out", type=Path, default=Path("build/gpu"))
    parser.add_argument("--models", nargs="*", type=Path, default=[], help="exported files to run, and nothing else")
    given = parser.parse_args()
    if given.models:
        onnx_files(given.models)
        return
    name = gpu()
    if name is None:
        print("There is no NVIDIA GPU here that torch can use: nothing to measure.")
        return
    if given.data is None and {"train", "precision"} & set(given.parts):
        parser.error("--data is needed to train: CIFAR-10 as parquet")
    given.out.mkdir(parents=True, exist_ok=True)
    print(name)
    if "precision" in given.parts:
        precisions(given)
    if "train" in given.parts:
        for arm in given.arms:
            path = given.out / f"{arm}.json"
            if not path.exists():
                path.write_text(json.dumps(play(arm, given), indent=2))
        show(given.out)
    if "onnx" in given.parts:
        onnx_against_torch()


def gpu() -> str | None:
    """The GPU's name, with torch's and CUDA's versions; None where torch has none."""
    import torch

    if not torch.cuda.is_available():
        return None
    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}"


class Utilisation(threading.Thread):
    """Asks nvidia-smi every second how busy the GPU is; `median()` after `stop()`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.values: list[float] = []
        self._end = threading.Event()

    def run(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while shutil.which(query[0]) and not self._end.wait(1):
            done = subprocess.run(query, check=False, capture_output=True, text=True)
            if done.returncode == 0 and done.stdout.strip().isdigit():
                self.values.append(float(done.stdout))

    def stop(self) -> None:
        self._end.set()
        self.join()

    def median(self) -> float:
        return statistics.median(self.values) if self.values else float("nan")


def command(arm: str, data: Path, folder: Path, minutes: float, changes: list[str]) -> list[str]:
    settings = [part for each in changes for part in ("--set", each)]
    options = ["--minutes", f"{minutes:g}", "--out", str(folder), "--device", "cuda"]
    return [*MULTIGAN, "train", "image", "--recipe", arm, "--data", str(data), *settings, *options]


def lines(folder: Path) -> list[dict[str, float]]:
    path = folder / "metrics.jsonl"
    # A torn last line of a run that still writes is left for the next look.
    return (
        [json.loads(each) for each in path.read_text().splitlines(True) if each.endswith("\n")] if path.exists() else []
    )


def speed(folder: Path) -> float:
    """Images a second: the median of the log, without its first lines, where kernels are chosen."""
    rates = [line["samples_per_second"] for line in lines(folder) if "samples_per_second" in line]
    return statistics.median(rates[2:] or rates)


def trial(arm: str, given: argparse.Namespace, changes: list[str]) -> float:
    """Images a second in a short run."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        multigan(*command(arm, given.data, folder, given.trial, ["training.samples=1000000000", *changes])[3:])
        return speed(folder)


def play(arm: str, given: argparse.Namespace) -> dict[str, object]:
    """Train an arm for the minutes; its speed, how busy the GPU was, and the distance against the seconds."""
    samples = int(trial(arm, given, []) * 60 * given.minutes * 0.9)
    folder = given.out / f"{arm}-{time.time_ns()}"
    changes = [f"training.samples={samples}", f"training.evaluate_every={max(samples // given.evaluations - 1, 1)}"]
    busy = Utilisation()
    busy.start()
    with (given.out / f"{arm}.log").open("w") as log:
        began = time.perf_counter()
        running = subprocess.Popen(command(arm, given.data, folder, given.minutes, changes), stdout=log, stderr=log)
        curve: dict[int, float] = {}
        while running.poll() is None:
            time.sleep(0.5)
            for line in lines(folder):
                if DISTANCE in line:
                    curve.setdefault(int(line["samples"]), time.perf_counter() - began)
    busy.stop()
    if running.returncode:
        raise SystemExit(f"{arm} failed: see {given.out}/{arm}.log")
    measured = [line for line in lines(folder) if DISTANCE in line]
    return {
        "images_per_second": speed(folder),
        "utilisation": busy.median(),
        "seconds": time.perf_counter() - began,
        "curve": [{**line, "seconds": curve.get(int(line["samples"]))} for line in measured],
    }


def show(folder: Path) -> None:
    """The table of the arms whose figures are there."""
    rows = [["recipe", "images/s", "GPU busy, %", f"seconds: images shown: {DISTANCE}"]]
    for path in sorted(folder.glob("*.json")):
        arm = json.loads(path.read_text())
        curve = [f"{p['seconds'] or 0:.0f}: {p['samples']:,.0f}: {p[DISTANCE]:.1f}" for p in arm["curve"]]
        rows.append([path.stem, f"{arm['images_per_second']:.0f}", f"{arm['utilisation']:.0f}", "; ".join(curve)])
    print(table(rows))


def precisions(given: argparse.Namespace) -> None:
    """bf16 against fp32 (with the matrix units' TF32 as torch sets it), two short runs of each in turn."""
    rows = [["recipe", "fp32, images/s", "bf16, images/s", "bf16 / fp32"]]
    for arm in given.arms:
        rates: dict[str, list[float]] = {"fp32": [], "bf16": []}
        for name in ("fp32", "bf16", "bf16", "fp32"):
            rates[name].append(trial(arm, given, [f"training.precision={name}"]))
        fp32, bf16 = (statistics.mean(rates[name]) for name in ("fp32", "bf16"))
        rows.append([arm, f"{fp32:.0f}", f"{bf16:.0f}", f"{bf16 / fp32:.2f}"])
    print(table(rows))


def onnx_against_torch() -> None:
    """A DCGAN of 32x32 in colour, latents from and pictures to the CPU's memory: torch, and onnxruntime's CUDA."""
    import torch

    from multigan.checkpoint import load_generator
    from multigan.errors import UserError
    from multigan.runs import find_checkpoint

    with tempfile.TemporaryDirectory() as scratch:
        run, model = hardly_trained("dcgan", Path(scratch))
        _, eager, _ = load_generator(find_checkpoint(run))
        eager.cuda()

        @torch.inference_mode()
        def torch_run(latent: Any) -> Any:
            return eager(torch.from_numpy(latent).cuda()).cpu().numpy()

        rows = [["batch", "arm", "ms", "samples/s", "times torch", "largest difference from the CPU"]]
        try:
            for batch in (1, 16, 256):
                rows += onnx_rows(model, batch, {"torch": torch_run}, "torch")
        except UserError as error:
            print(f"onnxruntime's CUDA provider is not measured: {error}")
            return
    print(table(rows))


def onnx_files(models: Sequence[Path]) -> None:
    """Exported files, such as one of fp32 and one of fp16, on CUDA against the CPU, whose samples are the measure."""
    from multigan.errors import UserError

    for model in models:
        rows = [["batch", "arm", "ms", "samples/s", "times plain", "largest difference from the CPU"]]
        try:
            for batch in (1, 16, 256):
                rows += onnx_rows(model, batch, {}, "plain run")
        except UserError as error:
            print(f"{model.name} is not measured: {error}")
            continue
        print(model.name, table(rows), sep="\n")


def onnx_rows(model: Path, batch: int, others: Mapping[str, Callable[[Any], Any]], base: str) -> list[list[str]]:
    """The arms' times at one batch, against `base`. others: of latents, beside onnxruntime's. Raises UserError where
    CUDA does not start."""
    import numpy as np

    from multigan import noise
    from multigan.runtime.fixed import FixedSession
    from multigan.runtime.onnx_file import read
    from multigan.runtime.session import open_session, start

    file = read(model)
    names, inputs = [file.contract.output.name], noise.inputs(file.contract, 7, 0, batch)
    sessions = {"plain run": open_session(file, "cuda")}
    if not file.branches:
        sessions["bound to the GPU's memory"] = FixedSession(start(file, "cuda", None), file, batch)
        sessions["CUDA graph"] = open_session(file, "cuda", fixed=batch)
    runs = {name: lambda session=session: session.run(names, inputs)[0] for name, session in sessions.items()}
    runs |= {name: lambda other=other: other(inputs["latent"]) for name, other in others.items()}
    wanted = open_session(file, "cpu").run(names, inputs)[0].astype(np.float64)
    errors = {name: float(np.max(np.abs(each().astype(np.float64) - wanted))) for name, each in runs.items()}
    times = interleave({name: repeat(each, 50) for name, each in runs.items()}, 15, 50, warmups=3)
    rows = []
    for name, arm in times.items():
        seconds, times_as_fast = 1 / arm.rate("wall"), ratio(times, base, name, "wall")[0]
        speed = [f"{1000 * seconds:.3f}", f"{batch / seconds:,.0f}", f"{times_as_fast:.2f}"]
        rows.append([str(batch), name, *speed, f"{errors[name]:.1e}"])
    return rows


if __name__ == "__main__":
    main()
