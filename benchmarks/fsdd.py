"""Spoken digits: WaveGAN, SpecGAN and the inverse transform, the same minutes of the same cores each.

    python benchmarks/fsdd.py --data fsdd.tar.gz --minutes 30

The Free Spoken Digit Dataset (8 kHz, six speakers). The generators learn three speakers' digits, by class; a
classifier on the speech embedding, which has heard the other three speakers alone, says which digit a sample seems to
be. Then `multigan evaluate` with both extractors. An arm's figures are kept in --out, so that arms
can be run one at a time.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from _arms import options, trained
from _models import multigan
from _timing import machine, pin, table
from torch import nn
from torch.nn import functional

from multigan import evaluation
from multigan.audio.features import Speech
from multigan.metrics import Told, frechet_distance

STRIDES = ["generator.strides=[4,4,4,4,2]", "discriminator.strides=[4,4,4,4,2]"]
GAMMA = "gamma: {start: 5, end: 0.5}, every: 4"
ADAM = "{lr: {start: 4.0e-4, end: 5.0e-5}, betas: [0.5, 0.99]}"
RELATIVISTIC = [
    "loss={kind: relativistic}",
    f"regularizers=[{{kind: r1, {GAMMA}}}, {{kind: r2, {GAMMA}}}]",
    f"generator_optimizer={ADAM}",
    f"discriminator_optimizer={ADAM}",
    "training.discriminator_steps=1",
    "latent.distribution=normal",
]
ARMS = {
    "wavegan": ("wavegan", STRIDES),
    "wavegan_rpgan": ("wavegan", [*STRIDES, *RELATIVISTIC]),
    "specgan": ("specgan", []),
    "drums": ("drums", []),
}
COMMON = ["conditional=true", "data.rate=8000", "data.length=8192", "data.channels=1", "data.slices=first"]
RATE, LENGTH = 8_000, 8_192
SILENCE = RATE * 2 // 5
LEARNED = ("jackson", "nicolas", "theo")
"""The generators' speakers; the classifier's are the others."""
GATED = "FD-Speech, gated"
GATE, FRAME = -50.0, 128
"""Decibels of a sound's peak, and samples: quieter frames are made silent."""
MEASURED = ["digit agreement", "FD-LogMel", "FD-Speech", GATED, "precision", "recall", "variance / data's"]
NEAREST = "distance to nearest real / real's"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="fsdd.tar.gz")
    parser.add_argument("--samples", type=int, default=1000)
    options(parser, list(ARMS), "build/fsdd")
    given = parser.parse_args()
    pin(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    digits = given.out / "digits"
    if not digits.exists():
        unpack(given.data, digits)
    print(f"{machine()}, {given.threads} threads, {given.minutes:g} minutes an arm")
    judge = Judge(digits)
    print(f"classifier: right of {judge.accuracy:.1%} of the learned speakers' digits")
    for arm in given.arms:
        found = given.out / f"{arm}.json"
        if not found.exists():
            figures = play(arm, digits / "learned", judge, given)
            if figures:
                found.write_text(json.dumps(figures, indent=2))
    show(given.out, judge)


def unpack(archive: Path, folder: Path) -> None:
    """`folder/learned/DIGIT/*.wav` and `folder/others/DIGIT/*.wav`, by speaker."""
    with tarfile.open(archive) as packed:
        for member in packed:
            name = Path(member.name).name
            if not member.isfile() or not name.endswith(".wav"):
                continue
            digit, speaker, _ = name.split("_")
            place = folder / ("learned" if speaker in LEARNED else "others") / digit
            place.mkdir(parents=True, exist_ok=True)
            file = packed.extractfile(member)
            assert file is not None
            (place / name).write_bytes(file.read())


def play(arm: str, data: Path, judge: Judge, given: argparse.Namespace) -> dict[str, object] | None:
    """Train and evaluate one arm; its figures, unless only trials were asked for."""
    recipe, changes = ARMS[arm]
    found = trained(arm, recipe, "audio", data, given, [*COMMON, *changes])
    if found is None:
        return None
    folder = given.out / arm
    figures: dict[str, float] = {}
    floor: dict[str, float] = {}
    for extractor in ("speech", "logmel"):
        out = folder / f"report-{extractor}"
        arguments = ["--samples", str(given.samples), "--seed", str(given.seed), "--extractor", extractor, "--out", out]
        multigan("evaluate", folder, *arguments)
        report = json.loads((out / "report.json").read_text())
        figures |= report["figures"]
        floor |= report["floor"]
    weights = max((folder / "checkpoints").glob("*.state.safetensors")).name.replace(".state", "")
    model = evaluation.open_model(folder / "checkpoints" / weights)
    labels = np.arange(given.samples) % 10
    made = np.concatenate([model.run(given.seed, at, len(part), Told(part)) for at, part in batches(labels)])
    figures["digit agreement"], floor["digit agreement"] = judge.agreement(made, labels), judge.accuracy
    real = np.random.default_rng(given.seed).permutation(read(data)[0])
    half = len(real) // 2
    known = judge.speech(gated(real[:half]))
    figures[GATED] = frechet_distance(known, judge.speech(gated(made[:half])))
    floor[GATED] = frechet_distance(known, judge.speech(gated(real[half:])))
    return {**found, "figures": figures, "floor": floor}


def gated(sounds: np.ndarray) -> np.ndarray:
    """Sounds `[N, 1, T]` with their quiet frames made silent.

    Most of the recordings' slices is digital silence, which no network makes: the speech embedding hears -80 dB as far
    from it, and says little else where that is not taken out of both.
    """
    frames = sounds.reshape(len(sounds), 1, -1, FRAME)
    levels = np.sqrt((frames**2).mean(axis=3, keepdims=True))
    peaks = np.abs(sounds).max(axis=2)[..., None, None]
    return np.where(levels < peaks * 10 ** (GATE / 20), 0, frames).reshape(sounds.shape).astype(np.float32)


def batches(labels: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The labels 64 at a time, with the number of the first."""
    return [(at, labels[at : at + 64]) for at in range(0, len(labels), 64)]


# --- the classifier -------------------------------------------------------------------------------------------------


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The first slices of all files, `[N, 1, T]`, with their digits."""
    sounds, labels = [], []
    for path in sorted(folder.glob("*/*.wav")):
        samples, _ = soundfile.read(path, dtype="float32")
        sounds.append(np.pad(samples[:LENGTH], (0, max(0, LENGTH - len(samples)))))
        labels.append(int(path.parent.name))
    return np.stack(sounds)[:, None], np.array(labels)


class Judge:
    """A classifier of spoken digits that has heard the other speakers. accuracy: on the learned speakers' digits.

    Two convolutions along the windows of the speech embedding: features that were learned from many speakers. On
    log-mel spectra alone, three speakers teach a network their voices (55% on the others).
    """

    def __init__(self, digits: Path, steps: int = 800):
        torch.manual_seed(0)
        self.speech = Speech(RATE)
        sounds, labels = read(digits / "others")
        known, targets = self.courses(sounds), torch.from_numpy(labels)
        self.mean, self.deviation = known.mean((0, 2), keepdim=True), known.std((0, 2), keepdim=True)
        known = (known - self.mean) / self.deviation
        self.network = nn.Sequential(
            nn.Conv1d(96, 128, 3, padding=1), nn.ReLU(), nn.Dropout(0.5),
            nn.Conv1d(128, 128, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool1d(2), nn.Flatten(), nn.Dropout(0.5),
            nn.Linear(256, 10),
        )  # fmt: skip
        optimizer = torch.optim.AdamW(self.network.parameters(), 2e-3, weight_decay=0.05)
        for _ in range(steps):
            chosen = torch.randint(len(known), (128,))
            loss = functional.cross_entropy(self.network(known[chosen]), targets[chosen], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.network.eval()
        self.accuracy = self.agreement(*read(digits / "learned"))

    def courses(self, sounds: np.ndarray) -> torch.Tensor:
        """The embedding of sounds `[N, 1, T]` in time, `[N, 96, W]`: each as loud as the others, between silence."""
        peaks = np.abs(sounds).max(axis=2, keepdims=True) + 1e-6
        padded = np.pad(0.5 * sounds / peaks, ((0, 0), (0, 0), (SILENCE, SILENCE)))
        return torch.from_numpy(np.stack([self.speech.windows(sound[0]).T for sound in padded]))

    @torch.inference_mode()
    def agreement(self, sounds: np.ndarray, labels: np.ndarray) -> float:
        """The share of sounds `[N, 1, T]` that seem to be their labels."""
        said = self.network((self.courses(sounds) - self.mean) / self.deviation).argmax(1)
        return float((said.numpy() == labels).mean())


def show(folder: Path, judge: Judge) -> None:
    """The table of the arms whose figures are there."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    if not found:
        return
    rows = [["recipe", "minutes", "sounds shown", "sounds/s", *MEASURED, NEAREST]]
    for name, arm in found.items():
        figures = [f"{arm['figures'][measure]:.3g}" for measure in (*MEASURED, NEAREST)]
        rows.append([name, f"{arm['minutes']:.1f}", f"{arm['shown']:,}", f"{arm['samples_per_second']:.0f}", *figures])
    floor = next(iter(found.values()))["floor"]
    rows.append(["real against real", "", "", "", *(f"{floor[measure]:.3g}" for measure in (*MEASURED, NEAREST))])
    print(f"\n{table(rows)}")


if __name__ == "__main__":
    main()
