"""An independent judge of generated digits: do they look like their label, do they vary, are they new?

    python benchmarks/digit_judge.py --mnist mnist.npz model.onnx [more.onnx ...]

The classifier is trained on MNIST's training digits without the 5,000 that multigan carries (those of the quick start),
to at least 99% on the test digits, and is kept in --cache. mnist.npz holds x_train, y_train, x_test, y_test.
Each model makes 100 samples of each class with one seed. Agreement alone would pass a generator that repeats ten good
digits, and variance alone would pass noise: they count together, beside FD-EffLite0, recall and the nearest real ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from multigan import evaluation
from multigan.embedded import digits
from multigan.errors import UserError
from multigan.files import replacing, write_text
from multigan.image.evaluation import pictures
from multigan.image.extractors import Extractor, Features, Pictures, Progress, extractor
from multigan.metrics import Told, diversity

Labels = NDArray[np.int64]
CLASSES, PER_CLASS = 10, 100
LEAST_ACCURACY = 0.99
EPOCHS, BATCH, RATE = 2, 128, 4e-3
AGREEMENT, VARIANCE = 0.98, 0.85
"""What the quick start promises of its samples, on every seed."""


# --- the classifier -------------------------------------------------------------------------------------------------


def network() -> nn.Sequential:
    """Grey 32x32 pictures in [0, 1] to the logits of ten classes."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Conv2d(24, 48, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(48),
        nn.ReLU(),
        nn.Conv2d(48, 96, 3, padding=1, bias=False),
        nn.BatchNorm2d(96),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(96 * 4 * 4, CLASSES),
    )


def pad(images: NDArray[np.uint8]) -> Pictures:
    """`[n, 28, 28]` with a black margin: `[n, 1, 32, 32]`."""
    return np.pad(images[:, None], ((0, 0), (0, 0), (2, 2), (2, 2)))


def unseen(mnist: Path) -> tuple[Pictures, Labels, Pictures, Labels, int]:
    """Training and test digits of an mnist.npz, without any that equals an embedded one, and how many were left out."""
    try:
        with np.load(mnist, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{mnist} is no mnist.npz with x_train, y_train, x_test and y_test ({error}).") from error
    embedded = {image.tobytes() for image in digits()[0]}
    parts: list[NDArray] = []
    left_out = 0
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        new = np.array([image.tobytes() not in embedded for image in images])
        left_out += int((~new).sum())
        parts += [pad(images[new]), labels[new].astype(np.int64)]
    return parts[0], parts[1], parts[2], parts[3], left_out


def train(images: Pictures, labels: Labels, seed: int = 0) -> nn.Sequential:
    """Adam with one cycle of the learning rate, no augmentation: about a minute of one core."""
    torch.manual_seed(seed)
    model = network().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    steps = EPOCHS * (len(images) // BATCH)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    pixels, targets = torch.from_numpy(images), torch.from_numpy(labels)
    for step in range(steps):
        if step % (len(images) // BATCH) == 0:
            order = torch.randperm(len(images))
        chosen = order[torch.arange(step * BATCH, (step + 1) * BATCH) % (len(images) // BATCH * BATCH)]
        loss = functional.cross_entropy(model(scaled(pixels[chosen])), targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        cycle.step()
    return model.eval()


def scaled(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 `[n, 1, 32, 32]` in [0, 1], laid out channels last."""
    return (pixels.float() / 255).to(memory_format=torch.channels_last)


class Judge:
    """A classifier of digits. accuracy: on the test digits."""

    def __init__(self, model: nn.Sequential, accuracy: float = float("nan")) -> None:
        self.model, self.accuracy = model.eval(), accuracy

    @torch.inference_mode()
    def classify(self, images: Pictures) -> Labels:
        """The classes of uint8 `[n, 1, 32, 32]`."""
        parts = [self.model(scaled(part)).argmax(1) for part in torch.from_numpy(images).split(512)]
        return torch.cat(parts).numpy()

    def judge(self, images: Pictures, labels: Labels) -> float:
        """The share of pictures uint8 `[n, 1, 32, 32]` that look like their label `[n]`."""
        return float((self.classify(images) == labels).mean())


def load(mnist: Path | None, cache: Path) -> Judge:
    """The judge in `cache`, or a new one trained on `mnist` and put there. Raises UserError if it is no good judge."""
    if cache.exists():
        with safe_open(cache, framework="pt") as file:
            model = network()
            model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            facts = file.metadata()
        print(f"judge: {cache}, {facts['protocol']}")
        return Judge(model, float(facts["accuracy"]))
    if mnist is None:
        raise UserError(f"there is no judge in {cache}: give --mnist, the mnist.npz to train one on.")
    start = time.perf_counter()
    images, labels, test_images, test_labels, left_out = unseen(mnist)
    judge = Judge(train(images, labels))
    judge.accuracy = judge.judge(test_images, test_labels)
    protocol = (
        f"{judge.accuracy:.2%} of {len(test_labels)} test digits, trained on {len(labels)} others; "
        f"{left_out} that equal an embedded digit left out"
    )
    print(f"judge: {protocol}; {time.perf_counter() - start:.0f} s")
    if judge.accuracy < LEAST_ACCURACY:
        raise UserError(f"the judge reaches {judge.accuracy:.2%}, less than {LEAST_ACCURACY:.0%}: it cannot judge.")
    with replacing(cache) as temporary:
        facts = {"accuracy": str(judge.accuracy), "protocol": protocol}
        save_file({name: value.contiguous() for name, value in judge.model.state_dict().items()}, temporary, facts)
    return judge


# --- the models -----------------------------------------------------------------------------------------------------


class Remembering(Extractor):
    """An extractor that keeps each picture's features: the real digits are the same for every model and every run."""

    def __init__(self, base: Extractor, cache: Path) -> None:
        super().__init__(**vars(base))
        self.cache = cache.with_name(f"{cache.stem}-{base.name}-{base.precision}.npz")
        self.known: dict[bytes, Features] = {}
        if self.cache.exists():
            with np.load(self.cache, allow_pickle=False) as file:
                self.known = {key.tobytes(): value for key, value in zip(file["keys"], file["features"], strict=True)}

    def __call__(self, samples: Pictures, progress: Progress | None = None) -> Features:
        keys = [hashlib.blake2b(picture.tobytes(), digest_size=16).digest() for picture in samples]
        new = [number for number, key in enumerate(keys) if key not in self.known]
        if new:
            self.known |= zip((keys[number] for number in new), super().__call__(samples[new], progress), strict=True)
        return np.stack([self.known[key] for key in keys])

    def keep(self, pictures: Pictures) -> None:
        """Write these pictures' features beside the judge."""
        features = self(pictures)
        keys = [hashlib.blake2b(picture.tobytes(), digest_size=16).digest() for picture in pictures]
        with replacing(self.cache) as temporary:
            np.savez(temporary, keys=np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16), features=features)


def measure(path: Path, judge: Judge, measured_by: Extractor, samples: int, seed: int, out: Path) -> dict[str, float]:
    """Print and write one model's figures and nearest digits."""
    real, real_labels = digits()
    labels = np.arange(CLASSES * PER_CLASS) % CLASSES
    images = pictures(evaluation.open_model(path).run, len(labels), seed, Told(labels))
    variety = diversity(images, labels, pad(real), real_labels)
    assert variety is not None
    found = evaluation.evaluate(path, count=samples, seed=seed, measured_by=measured_by)
    folder = out / f"{path.stem}-judged"
    found.save(folder)
    figures = {"label agreement": judge.judge(images, labels), "variance ratio": variety.ratio, **found.report.figures}
    passed = figures["label agreement"] >= AGREEMENT and figures["variance ratio"] >= VARIANCE
    write_text(folder / "judged.json", json.dumps({"figures": figures, "passed": passed}, indent=2) + "\n")
    print(f"\n{path}: {'passed' if passed else 'NOT passed'}, {len(labels)} samples, {PER_CLASS} a class, seed {seed}")
    print(
        f"{figures['label agreement']:.1%} are classified as their label (wanted {AGREEMENT:.0%}; of real digits "
        f"{judge.accuracy:.2%})\n{variety.ratio:.2f} of the data's variance within a class (wanted {VARIANCE}; least: "
        f"{variety.worst:.2f}, class {variety.worst_class})\n\n{found.report.to_text()}\n\nwritten to {folder}"
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.onnx", help="or a checkpoint's .safetensors")
    parser.add_argument("--mnist", type=Path, help="mnist.npz; needed where the cache holds no judge")
    parser.add_argument(
        "--cache", type=Path, default=Path("build/digit_judge.safetensors"), help="where the judge is kept"
    )
    parser.add_argument("--samples", type=int, default=1000, help="for the Fréchet distance, precision and recall")
    parser.add_argument("--extractor", default="efflite0")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build"))
    options = parser.parse_args()
    try:
        judge = load(options.mnist, options.cache)
        measured_by = Remembering(extractor(options.extractor, precision=options.precision), options.cache)
        if not measured_by.known:
            measured_by.keep(pad(digits()[0]))
        for path in options.models:
            measure(path, judge, measured_by, options.samples, options.seed, options.out)
    except UserError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
