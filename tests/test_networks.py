"""The image networks: shapes, conditions, derivatives, initial weights, export."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from multigan.adversarial.batch import Draws
from multigan.errors import UserError
from multigan.image.augment import Augmentation
from multigan.image.config import ImageRecipe
from multigan.image.head import networks
from multigan.networks.activation import LeakyReLU
from multigan.networks.convolution import Conv1d, Conv2d
from multigan.networks.layers import Resample
from multigan.networks.shapes import Shape, doubling_widths

NETWORKS: dict[str, dict[str, Any]] = {
    "dcgan": {"kind": "dcgan", "width": 4},
    "plain": {"kind": "dcgan", "width": 4, "normalize": "none"},
    "resnet": {"kind": "resnet", "width": 4},
    "r3gan": {"kind": "r3gan", "width": 8, "group_size": 4, "blocks": 1},
}
LATENT = 6


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def recipe(
    network: dict[str, Any], size: tuple[int, int] = (16, 16), channels: int = 3, classes: int = 0, latent: int = LATENT
) -> ImageRecipe:
    names = [str(each) for each in range(classes)] or None
    return ImageRecipe.model_validate(
        {
            "modality": "image",
            "name": "test",
            "conditional": bool(classes),
            "data": {"size": size, "channels": channels, "classes": names},
            "latent": {"size": latent},
            "generator": network,
            "discriminator": network,
            "loss": {"kind": "hinge"},
            "training": {"samples": 1000},
        }
    )


def pair(*args: Any, **kwargs: Any) -> tuple[nn.Module, nn.Module]:
    chosen = recipe(*args, **kwargs)
    return networks(chosen)


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


@pytest.mark.parametrize(
    ("size", "base"),
    [((16, 16), (4, 4)), ((32, 32), (4, 4)), ((64, 96), (4, 6)), ((24, 40), (6, 10)), ((256, 16), (64, 4)),
     ((256, 256), (4, 4)), ((136, 200), (17, 25))],
)  # fmt: skip
def test_base(size: tuple[int, int], base: tuple[int, int]) -> None:
    shape = Shape(size, 3, 0, 8)
    assert shape.base == base
    assert (base[0] << shape.doublings, base[1] << shape.doublings) == size


def test_doubling_widths() -> None:
    assert doubling_widths(10, 3) == [40, 20, 10]
    assert doubling_widths(10, 6) == [80, 80, 80, 40, 20, 10]


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(
    ("size", "channels", "classes"),
    [((16, 16), 1, 3), ((64, 96), 3, 0), ((64, 96), 1, 3), ((24, 40), 4, 3), ((256, 256), 3, 0)],
)
def test_shapes(kind: str, size: tuple[int, int], channels: int, classes: int) -> None:
    generator, discriminator = pair(NETWORKS[kind], size, channels, classes)
    label = torch.tensor([0, 2]) if classes else None
    images = generator(torch.randn(2, LATENT), label)
    logits = discriminator(images, label)
    assert images.shape == (2, channels, *size)
    assert images.dtype == torch.float32
    assert logits.shape == (2,)
    if kind != "r3gan":  # whose output is linear
        assert images.abs().max() <= 1
    logits.sum().backward()
    unused = [name for net in (generator, discriminator) for name, each in net.named_parameters() if each.grad is None]
    assert not unused


@pytest.mark.parametrize("kind", NETWORKS)
def test_channels_last_changes_nothing(kind: str) -> None:
    generator, discriminator = (net.double() for net in pair(NETWORKS[kind], (24, 40), 3, 3))
    latent, label = torch.randn(3, LATENT, dtype=torch.float64), torch.tensor([0, 1, 2])
    images = generator(latent, label)
    logits = discriminator(images, label)
    generator, discriminator = (net.to(memory_format=torch.channels_last) for net in (generator, discriminator))
    again = generator(latent, label)
    torch.testing.assert_close(again, images, rtol=1e-10, atol=1e-10)
    last = again.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(discriminator(last, label), logits, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_class_matters(kind: str) -> None:
    generator, discriminator = pair(NETWORKS[kind], classes=3)
    with torch.no_grad():  # training parts the classes' gains, which begin equal
        for name, each in generator.named_parameters():
            if "gain" in name or "bias.weight" in name:
                each.add_(torch.randn_like(each))
    generator.eval()
    latent = torch.randn(1, LATENT).expand(3, -1)
    images = generator(latent, torch.tensor([0, 1, 1]))
    assert (images[0] - images[1]).abs().max() > 0.1 * images.std()
    torch.testing.assert_close(images[1], images[2])
    judged, discriminator = torch.randn(3, 3, 16, 16), discriminator.train()
    logits, other = (discriminator(judged, torch.tensor(label)) for label in ([0, 1, 1], [1, 1, 1]))
    assert (logits[0] - other[0]).abs() > 1e-3
    torch.testing.assert_close(logits[1:], other[1:])
    with pytest.raises(ValueError, match="label"):
        generator(latent)
    with pytest.raises(ValueError, match="label"):
        discriminator(images)


@pytest.mark.parametrize("kind", ["plain", "resnet", "r3gan"])
def test_the_projection_is_an_inner_product(kind: str) -> None:
    """Miyato and Koyama's form: what class a adds over class b is linear in their embeddings' difference."""
    _, discriminator = pair({**NETWORKS[kind], **({"spectral_norm": False} if kind == "resnet" else {})}, classes=2)
    image = torch.randn(1, 3, 16, 16)

    def gap() -> torch.Tensor:
        with torch.no_grad():
            return (discriminator(image, torch.tensor([0])) - discriminator(image, torch.tensor([1]))).squeeze()

    before = gap()
    with torch.no_grad():
        discriminator.get_parameter("projection.embedding.weight").mul_(3)
    torch.testing.assert_close(gap(), 3 * before, rtol=1e-4, atol=1e-5)


def test_parameters_of_the_published_sizes() -> None:
    # TorchGAN 0.1.0's DCGAN for 32x32 has 1,068,931 and 663,360: its last layer has no bias where ours has one.
    generator, discriminator = pair({"kind": "dcgan", "width": 64}, (32, 32), latent=100)
    assert (count(generator), count(discriminator)) == (1_068_931, 663_361)
    with torch.device("meta"):
        generator, discriminator = pair({"kind": "r3gan", "widths": [768] * 4}, (32, 32), 3, classes=10, latent=64)
    assert count(generator) == pytest.approx(20.7e6, rel=0.03)
    assert count(discriminator) == pytest.approx(20.7e6, rel=0.03)
    grouped = [each for each in generator.modules() if isinstance(each, nn.Conv2d) and each.kernel_size == (3, 3)]
    assert [each.groups for each in grouped] == [96] * 8


def test_r3gans_output_keeps_its_range_once_it_is_trained() -> None:
    generator, _ = pair(NETWORKS["r3gan"])
    nn.init.constant_(generator.output.bias, 3.0)
    latent = torch.randn(2, LATENT)
    assert generator.train()(latent).max() > 1
    assert generator.eval()(latent).max() == 1


def test_r3gan_begins_as_its_resampling_path() -> None:
    _, discriminator = pair({"kind": "r3gan", "widths": [32] * 4, "blocks": 2}, (32, 32))
    blocks = [each for each in discriminator.modules() if type(each).__name__ == "Block"]
    assert len(blocks) == 8
    features = torch.randn(2, 32, 8, 8)
    assert torch.equal(blocks[0](features), features)
    gain = (2 / (1 + 0.2**2)) ** 0.5 * 8**-0.25
    for index, fan_in in ((0, 32), (2, 16 * 9)):
        spread = torch.cat([block.branch[index].weight.flatten() for block in blocks]).std().item()
        assert spread == pytest.approx(gain / fan_in**0.5, rel=0.03)


def test_unusable_settings_are_sentences() -> None:
    with pytest.raises(UserError, match=r"generator\.widths has 2 stages, but 32x32 pixels make 4"):
        networks(recipe({"kind": "r3gan", "widths": [16, 16]}, (32, 32)))
    unresolved = recipe(NETWORKS["dcgan"]).model_copy(
        update={"data": recipe(NETWORKS["dcgan"]).data.model_copy(update={"size": None})}
    )
    with pytest.raises(UserError, match=r"data\.size"):
        networks(unresolved)
    with pytest.raises(UserError, match=r"data\.classes"):
        networks(recipe(NETWORKS["dcgan"]).model_copy(update={"conditional": True}))


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "resnet", "r3gan"])
def test_r1_through_augmentation_by_finite_differences(kind: str) -> None:
    """The weights' gradient of |d D(T(x)) / d x|^2 against central differences of the penalty itself."""
    _, discriminator = pair(NETWORKS[kind], (16, 16), 3, classes=2)
    discriminator.double()
    augmentation = Augmentation(["translation", "cutout", "color", "flip"])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # away from the zeros that the blocks begin with
        for each in discriminator.parameters():
            each.add_(torch.randn(each.shape, generator=generator, dtype=each.dtype) * 0.1)
    images = torch.randn(2, 3, 16, 16, generator=generator, dtype=torch.float64).requires_grad_()

    def penalty() -> torch.Tensor:
        seen = augmentation(images, 0.7, Draws(3, 0, 2, 0, 2), "real")
        logits = discriminator(seen, torch.tensor([0, 1]))
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return gradient.square().sum()

    weights = [each for each in discriminator.parameters() if each.dim() > 1]
    found = torch.autograd.grad(penalty(), weights, allow_unused=True)
    assert sum(each is not None for each in found) >= len(weights) - 1  # the last may only shift the logit
    step = 1e-6
    for weight, gradient in zip(weights, found, strict=True):
        direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            weight.add_(direction, alpha=step)
        above = penalty().detach()
        with torch.no_grad():
            weight.sub_(direction, alpha=2 * step)
        below = penalty().detach()
        with torch.no_grad():
            weight.add_(direction, alpha=step)
        slope = (above - below) / (2 * step)
        expected = torch.zeros_like(slope) if gradient is None else (gradient * direction).sum()
        torch.testing.assert_close(expected, slope, rtol=2e-4, atol=1e-6 * (1 + abs(float(slope))))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(("kernel", "stride", "groups"), [(3, 1, 1), (3, 1, 2), (4, 2, 1), (1, 1, 1)])
def test_convolution_equals_torchs_own(kernel: int, stride: int, groups: int, axes: int) -> None:
    def layers(layer: type[nn.Conv1d | nn.Conv2d], between: nn.Module) -> nn.Module:
        return nn.Sequential(
            layer(4, 8, kernel, stride, kernel // 2, groups=groups), between, layer(8, 2, 3, padding=1, bias=False)
        ).double()

    mine, plain = (Conv1d, nn.Conv1d) if axes == 1 else (Conv2d, nn.Conv2d)
    own, torchs = layers(mine, LeakyReLU(0.2)), layers(plain, nn.LeakyReLU(0.2))
    torchs.load_state_dict(own.state_dict())
    start = torch.randn(2, 4, *[6] * axes, dtype=torch.float64)
    found = []
    for network in (own, torchs):
        images = start.clone().requires_grad_()
        squares = network(images).square().sum()
        (gradient,) = torch.autograd.grad(squares, images, create_graph=True)
        loss = squares + gradient.square().sum()
        found.append([gradient, *torch.autograd.grad(loss, [images, *network.parameters()])])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kind", "asked"), [(LeakyReLU, False), (nn.LeakyReLU, True)])
def test_the_penaltys_derivative_asks_nothing_of_the_features(kind: type[nn.LeakyReLU], asked: bool) -> None:
    """A network of straight pieces: where its gradient is penalised, the forward pass has no part in the derivative."""
    first, second = (Conv1d(2, 2, 3, padding=1) for _ in range(2))
    images = torch.randn(1, 2, 8, requires_grad=True)
    features = first(images)
    slopes = kind(0.2)(features.clone())
    (gradient,) = torch.autograd.grad(second(slopes).sum(), images, create_graph=True)
    wanted = [features, first.weight, second.weight]
    found = torch.autograd.grad(gradient.square().sum(), wanted, allow_unused=True)
    assert (found[0] is not None) == asked
    assert all(each is not None and each.abs().max() > 0 for each in found[1:])


def test_convolution_refuses_what_it_cannot_differentiate() -> None:
    layer = Conv2d(2, 2, 3, padding=1)
    images = torch.randn(1, 2, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(images).square().sum(), layer.weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_convolution_under_autocast_rounds_as_torchs_own() -> None:
    own = Conv2d(4, 4, 3, padding=1)
    images = torch.randn(2, 4, 6, 6, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        mine, theirs = own(images), F.conv2d(images, own.weight, own.bias, padding=1)
    assert mine.dtype == torch.bfloat16
    assert torch.equal(mine, theirs)
    mine.float().sum().backward()
    assert images.grad is not None
    assert images.grad.dtype == torch.float32


@pytest.mark.parametrize("grow", [True, False])
def test_resampling_against_its_formula(grow: bool) -> None:
    images = torch.randn(2, 3, 6, 4, dtype=torch.float64, requires_grad=True)

    def axis(values: np.ndarray, at: int) -> np.ndarray:
        x = np.moveaxis(values, at, 0)
        if grow:
            after = np.concatenate([x[1:], np.zeros_like(x[:1])])
            y = np.stack([x, (x + after) / 2], 1).reshape(-1, *x.shape[1:])
        else:
            before = np.concatenate([np.zeros_like(x[:1]), x[1:-1:2]])
            y = (before + 2 * x[0::2] + x[1::2]) / 4
        return np.moveaxis(y, 0, at)

    layer = Resample(grow).double()
    expected = axis(axis(images.detach().numpy(), 2), 3)
    np.testing.assert_allclose(layer(images).detach().numpy(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(layer, (images,))
    assert torch.autograd.gradgradcheck(layer, (images,))


# --- spectral norm ----------------------------------------------------------------------------------------------------


def test_spectral_norm_against_the_singular_values() -> None:
    _, discriminator = pair(NETWORKS["resnet"], (32, 32), 3, classes=5)
    for _ in range(300):
        discriminator.before_step()
    layers = [each for each in discriminator.modules() if parametrize.is_parametrized(each)]
    assert len(layers) == sum(
        isinstance(each, nn.Conv2d | nn.Linear | nn.Embedding) for each in discriminator.modules()
    )
    for layer in layers:
        matrix = layer.weight.detach().flatten(1).numpy()
        assert np.linalg.svd(matrix, compute_uv=False)[0] == pytest.approx(1, abs=2e-3)


def test_power_iteration_runs_only_when_told() -> None:
    _, discriminator = pair(NETWORKS["resnet"])
    images = torch.randn(2, 3, 16, 16)
    first = discriminator(images)
    assert torch.equal(discriminator(images), first)
    with torch.no_grad():
        discriminator.get_parameter("logit.parametrizations.weight.original").mul_(2)
    moved = discriminator(images)  # sigma is a function of the weight even without an iteration
    torch.testing.assert_close(moved, first, rtol=1e-4, atol=1e-5)
    discriminator.before_step()
    assert not torch.equal(discriminator(images), moved)
    for module in list(discriminator.modules()):
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")
    assert not any(parametrize.is_parametrized(each) for each in discriminator.modules())


# --- export -----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # torch's exporter deprecates its own calls
@pytest.mark.parametrize("kind", ["dcgan", "resnet", "r3gan"])
def test_export_with_a_dynamic_batch(kind: str, tmp_path: Any) -> None:
    generator, _ = pair(NETWORKS[kind], (16, 24), 3, classes=3)
    generator(torch.randn(8, LATENT), torch.arange(8) % 3)  # the norms have seen something
    generator.eval()
    path = str(tmp_path / "model.onnx")
    torch.onnx.export(
        generator,
        (torch.randn(2, LATENT), torch.tensor([0, 2])),
        path,
        dynamo=True,
        opset_version=20,
        external_data=False,
        verbose=False,
        input_names=["latent", "label"],
        output_names=["image"],
        dynamic_shapes=({0: "batch"}, {0: "batch"}),
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        latent, label = torch.randn(batch, LATENT), torch.arange(batch)
        (image,) = session.run(None, {"latent": latent.numpy(), "label": label.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(image, generator(latent, label).numpy(), atol=1e-4)


def test_r3gan_widths_double_towards_the_base() -> None:
    generator, discriminator = pair({"kind": "r3gan", "width": 16, "blocks": 1}, (64, 64))
    for network, order in ((generator, [128, 128, 64, 32, 16]), (discriminator, [16, 32, 64, 128, 128])):
        blocks = [each for each in network.modules() if type(each).__name__ == "Block"]
        assert [block.branch[0].in_channels for block in blocks] == order
