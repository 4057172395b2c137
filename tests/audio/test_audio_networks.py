"""The audio networks: the reference's layers and counts, phase shuffle, filter, transforms, derivatives, export."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import signal
from sound_files import seen
from torch import nn

from multigan.adversarial import losses, regularizers, schedules
from multigan.adversarial.batch import Batch, Draws
from multigan.adversarial.game import Arithmetic, Game, Now
from multigan.adversarial.objectives import Discriminator
from multigan.adversarial.regularizers import Penalty
from multigan.audio.config import AudioRecipe, Spectral, WaveGan, check_length
from multigan.audio.networks import Shape, build_discriminator, build_generator
from multigan.audio.networks.spectral import SpectralDiscriminator
from multigan.audio.networks.wavegan import PhaseShuffle, shifted, shifted_each
from multigan.audio.transform import InverseStft, Stft
from multigan.exporters.graph import quiet

NETWORKS: dict[str, dict[str, Any]] = {
    "wavegan": {"kind": "wavegan", "width": 2, "strides": [4, 4, 2]},
    "nearest": {"kind": "wavegan", "width": 2, "strides": [4, 2], "upsampling": "nearest", "post_filter": 20},
    "batch norm": {"kind": "wavegan", "width": 2, "strides": [4, 2], "normalize": "batch"},
    "stft": {
        "kind": "stft",
        "transform": {"window": 64, "hop": 16},
        "network": {"kind": "dcgan", "width": 4, "normalize": "none"},
    },
}
LATENT = 6


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def settings_of(mapping: dict[str, Any]) -> WaveGan | Spectral:
    kind = WaveGan if mapping["kind"] == "wavegan" else Spectral
    return kind.model_validate(mapping)


def pair(
    mapping: dict[str, Any], length: int = 1024, channels: int = 1, classes: int = 0
) -> tuple[nn.Module, nn.Module]:
    chosen, shape = settings_of(mapping), Shape(length, channels, classes, LATENT)
    return build_generator(chosen, shape), build_discriminator(chosen, shape)


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


# --- the reference's numbers ------------------------------------------------------------------------------------------


def test_parameters_of_the_published_sizes() -> None:
    """d = 64, 16,384 samples, mono: 19.07 M and 17.43 M, layer by layer as the authors' code has them."""
    chosen, shape = WaveGan(kind="wavegan"), Shape(16_384, 1, 0, 100)
    generator, discriminator = build_generator(chosen, shape), build_discriminator(chosen, shape)
    widths = [1024, 512, 256, 128, 64, 1]
    layers = sum(25 * before * after + after for before, after in itertools.pairwise(widths))
    assert count(generator) == 100 * 16 * 1024 + 16 * 1024 + layers
    assert count(generator) == pytest.approx(19.07e6, rel=0.001)
    widths = widths[::-1]
    layers = sum(25 * before * after + after for before, after in itertools.pairwise(widths))
    assert count(discriminator) == layers + 16 * 1024 + 1
    assert count(discriminator) == pytest.approx(17.43e6, rel=0.001)


@pytest.mark.parametrize(
    ("strides", "length", "base"),
    [
        ([4] * 5, 8192, 8),
        ([4] * 5, 16_384, 16),
        ([4] * 5 + [2], 32_768, 16),
        ([4] * 6, 65_536, 16),
        ([8, 5, 2], 240, 3),
    ],
)
def test_lengths_and_what_each_layer_makes(strides: list[int], length: int, base: int) -> None:
    chosen, shape = WaveGan(kind="wavegan", width=1, strides=strides), Shape(length, 2, 0, LATENT)
    generator, discriminator = build_generator(chosen, shape), build_discriminator(chosen, shape)
    assert generator.base == (2 ** (len(strides) - 1), base)
    sizes: list[int] = []
    for layer in (*generator.stages, *discriminator.layers):
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            layer.register_forward_hook(lambda *each: sizes.append(each[2].size(-1)))
    sounds = generator(torch.rand(1, LATENT) * 2 - 1)
    assert sounds.shape == (1, 2, length)
    assert discriminator(sounds).shape == (1,)
    up = np.cumprod(strides).tolist()
    down = [length // each for each in up]
    assert sizes == [base * each for each in up] + down


def test_phase_shuffle_follows_the_first_four_layers_and_never_the_last() -> None:
    for strides, wanted in (([4] * 5, 4), ([4] * 6, 4), ([4, 4], 1), ([4], 0)):
        discriminator = build_discriminator(WaveGan(kind="wavegan", width=1, strides=strides), Shape(4096, 1, 0, 4))
        layers = list(discriminator.layers)
        shuffles = [index for index, each in enumerate(layers) if isinstance(each, PhaseShuffle)]
        assert shuffles == [3 * number + 2 for number in range(wanted)]
    still = build_discriminator(WaveGan(kind="wavegan", width=1, phase_shuffle=0), Shape(4096, 1, 0, 4))
    assert not any(isinstance(each, PhaseShuffle) for each in still.modules())


# --- phase shuffle ----------------------------------------------------------------------------------------------------


@given(st.integers(-8, 8), st.integers(10, 40))
def test_a_shift_is_numpys_reflection(shift: int, length: int) -> None:
    features = np.random.default_rng(0).normal(size=(3, 2, length))
    padded = np.pad(features, ((0, 0), (0, 0), (max(shift, 0), max(-shift, 0))), mode="reflect")
    wanted = padded[..., max(-shift, 0) : max(-shift, 0) + length]
    assert np.array_equal(shifted(torch.from_numpy(features), shift).numpy(), wanted)
    assert np.array_equal(shifted_each(torch.from_numpy(features), torch.tensor([shift] * 3)).numpy(), wanted)


@pytest.mark.parametrize("each", [False, True])
def test_every_shift_is_drawn_as_often_and_none_of_its_own(each: bool) -> None:
    layer, features = PhaseShuffle(2, each), torch.arange(20.0).expand(6, 1, 20).contiguous()
    seen = []
    for step in range(400):
        layer.draw(Draws(0, step, 6, 0, 6), "stream")
        moved = layer(features)[:, 0, 10] - 10
        seen += (-moved).tolist()
        assert each or len(set(moved.tolist())) == 1
    values, counts = np.unique(seen, return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    assert counts.min() > 0.12 * len(seen)
    layer.draw(Draws(0, 7, 6, 0, 6), "stream")
    again = layer(features)
    layer.draw(Draws(0, 7, 6, 0, 6), "stream")
    assert torch.equal(layer(features), again)
    assert torch.equal(layer.eval()(features), features)


@pytest.mark.parametrize("each", [False, True])
def test_phase_shuffle_moves_every_layer_that_has_it_and_parts_agree_with_the_whole(each: bool) -> None:
    chosen = WaveGan(kind="wavegan", width=2, strides=[4, 4, 4], phase_shuffle=3, shuffle_each=each)
    shape = Shape(512, 1, 0, LATENT)
    game = Game(build_generator(chosen, shape), build_discriminator(chosen, shape), LATENT)
    sounds = torch.randn(6, 1, 512)
    layers = [layer for layer in game.discriminator.modules() if isinstance(layer, PhaseShuffle)]
    moved = [0] * len(layers)
    for step in range(12):
        game.begin(Now(Draws(1, step, 6, 0, 6), phase="discriminator"))
        whole = game.judge(sounds, Batch(sounds), "real")
        for index, layer in enumerate(layers):
            moved[index] += bool((torch.as_tensor(layer.shift) != 0).any())
        shifts = {tuple(torch.as_tensor(layer.shift).flatten().tolist()) for layer in layers}
        assert len(shifts) > 1 or step > 0
        parts = []
        for ends in ((0, 2), (2, 6)):
            game.begin(Now(Draws(1, step, 6, *ends), phase="discriminator"))
            parts.append(game.judge(sounds[slice(*ends)], Batch(sounds[slice(*ends)]), "real"))
        torch.testing.assert_close(torch.cat(parts), whole)
    assert min(moved) >= 6


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize(
    ("strides", "length", "most"), [([4, 4, 4, 4, 2], 512, 1), ([8, 8, 2], 256, 3), ([4], 256, 16)]
)
def test_the_largest_shift_that_a_recipe_allows_is_one_that_layers_can_take(
    strides: list[int], length: int, most: int, each: bool
) -> None:
    chosen = WaveGan(kind="wavegan", width=1, strides=strides, phase_shuffle=most, shuffle_each=each)
    check_length("discriminator", chosen, length)
    discriminator, sounds = build_discriminator(chosen, Shape(length, 1, 0, 4)), torch.randn(3, 1, length)
    layers = [layer for layer in discriminator.modules() if isinstance(layer, PhaseShuffle)]
    for shift in (-most, most):
        for layer in layers:
            layer.shift = torch.tensor([shift] * 3) if each else shift
        assert discriminator(sounds).isfinite().all()
    if layers:
        with pytest.raises(ValueError, match=f"at most {most}"):
            check_length("discriminator", chosen.model_copy(update={"phase_shuffle": most + 1}), length)


# --- the generator's end ----------------------------------------------------------------------------------------------


def test_the_post_filter_is_a_filter_of_the_waveform() -> None:
    chosen = WaveGan(kind="wavegan", width=2, strides=[4, 4], post_filter=33)
    generator = build_generator(chosen, Shape(512, 2, 0, LATENT))
    latent = torch.rand(3, LATENT)
    found = generator(latent).detach().numpy()
    post, generator.post_filter = generator.post_filter, None
    plain = generator(latent).detach().numpy()
    taps = post.filter.weight[0, 0].detach().numpy()
    wanted = signal.correlate(plain, taps[None, None], mode="full")[..., 16 : 16 + 512]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.abs(found - plain).max() > 0.01


def test_nearest_upsampling_has_no_transposed_convolution() -> None:
    generator, _ = pair(NETWORKS["nearest"])
    assert not any(isinstance(each, nn.ConvTranspose1d) for each in generator.modules())


# --- shapes, classes, derivatives -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(("channels", "classes"), [(1, 0), (2, 3)])
def test_shapes(kind: str, channels: int, classes: int) -> None:
    generator, discriminator = pair(NETWORKS[kind], 1024, channels, classes)
    label = torch.tensor([0, 2]) if classes else None
    sounds = generator(torch.randn(2, LATENT), label)
    logits = discriminator(seen(discriminator, sounds), label)
    assert sounds.shape == (2, channels, 1024)
    assert logits.shape == (2,)
    assert sounds.dtype == logits.dtype == torch.float32
    logits.sum().backward()
    unused = [name for net in (generator, discriminator) for name, each in net.named_parameters() if each.grad is None]
    assert not unused


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_class_matters(kind: str) -> None:
    generator, discriminator = pair(NETWORKS[kind], classes=3)
    latent = torch.randn(1, LATENT).expand(3, -1)
    sounds = generator.eval()(latent, torch.arange(3))
    assert not torch.equal(sounds[0], sounds[1])
    logits = discriminator.eval()(seen(discriminator, sounds[:1].expand(3, -1, -1)), torch.arange(3))
    assert len(set(logits.tolist())) == 3
    with pytest.raises(ValueError, match="label"):
        generator(latent)


@pytest.mark.parametrize("kind", ["wavegan", "stft"])
@pytest.mark.parametrize("penalty", ["r1", "gradient_penalty"])
def test_penalties_on_waveforms_by_finite_differences(kind: str, penalty: str) -> None:
    """The derivative of the discriminator's loss along a direction in its weights, phase shuffle drawn the same."""
    generator, discriminator = (net.double() for net in pair(NETWORKS[kind], 512))
    view = discriminator.view if isinstance(discriminator, SpectralDiscriminator) else None
    arithmetic = Arithmetic(torch.float64)
    game = Game(
        generator, discriminator, LATENT, view=view, arithmetic=arithmetic, penalize="after" if view else "before"
    )
    form = regularizers.half_square if penalty == "r1" else regularizers.unit_distance
    chosen = Penalty(penalty, "real" if penalty == "r1" else "between", form, schedules.constant(3.0))
    objective = Discriminator(losses.Wasserstein(), [chosen])
    batch = Batch(torch.randn(4, 1, 512, dtype=torch.float64) * 0.1)

    def loss() -> torch.Tensor:
        game.train_only("discriminator")
        game.begin(Now(Draws(3, 0, 4, 0, 4), phase="discriminator"))
        return objective(game, batch)[0]

    weights = list(discriminator.parameters())
    direction = [torch.randn_like(each) for each in weights]
    gradients = torch.autograd.grad(loss(), weights)
    found = sum(float((a * b).sum()) for a, b in zip(gradients, direction, strict=True))

    def moved(step: float) -> float:
        with torch.no_grad():
            for weight, each in zip(weights, direction, strict=True):
                weight += step * each
        value = float(loss().detach())
        with torch.no_grad():
            for weight, each in zip(weights, direction, strict=True):
                weight -= step * each
        return value

    step = 1e-8  # so near that no rectifier turns over
    assert found == pytest.approx((moved(step) - moved(-step)) / (2 * step), rel=1e-3)


# --- the transform ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "hop"), [(64, 16), (256, 64), (128, 64), (96, 16)])
def test_the_transform_is_scipys(window: int, hop: int) -> None:
    sounds = torch.randn(2, 1, hop * 12)
    real, imaginary = Stft(window, hop)(sounds)
    before = (window - hop) // 2
    padded = np.pad(sounds[:, 0].numpy(), ((0, 0), (before, window - hop - before)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop]
    wanted = np.fft.rfft(frames * signal.get_window("hann", window), axis=2)[..., : window // 2].swapaxes(1, 2)
    assert real.shape == (2, 1, window // 2, 12)
    np.testing.assert_allclose(real[:, 0].numpy() + 1j * imaginary[:, 0].numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize(("window", "hop"), [(64, 16), (256, 64), (128, 64)])
def test_the_inverse_gives_the_sound_back(window: int, hop: int) -> None:
    """But for the bin of half the rate, which is left out: so the sound has nothing there."""
    place = torch.arange(hop * 32) / 32
    sounds = torch.stack([torch.sin(place * rate) for rate in (1.0, 5.0, 20.0)])[:, None]
    found = InverseStft(window, hop, 32)(*Stft(window, hop)(sounds))
    assert found.shape == sounds.shape
    inside = slice(window, -window)  # a sound that begins at once has something there
    assert (found - sounds)[..., inside].abs().max() < 2e-3
    assert (found - sounds).abs().max() < 0.1


def test_the_spectral_discriminator_hears_levels_and_not_phases() -> None:
    _, discriminator = pair(NETWORKS["stft"])
    place = torch.arange(1024) / 16_000
    sine, cosine, quiet = (
        torch.sin(2 * torch.pi * 1000 * place), torch.cos(2 * torch.pi * 1000 * place),
        0.1 * torch.sin(2 * torch.pi * 1000 * place),
    )  # fmt: skip
    with torch.no_grad():
        logits = discriminator(seen(discriminator, torch.stack([sine, cosine, quiet])[:, None]))
    assert abs(logits[0] - logits[1]) < 0.2 * abs(logits[0] - logits[2])


# --- settings ---------------------------------------------------------------------------------------------------------


def mapping(**parts: Any) -> dict[str, Any]:
    network = NETWORKS["wavegan"]
    return {
        "modality": "audio", "name": "test", "generator": network, "discriminator": network,
        "loss": {"kind": "wasserstein"}, "regularizers": [{"kind": "gradient_penalty"}],
        "training": {"samples": 1000}, **parts,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"data": {"length": 1000}}, "1000 is no multiple of 32, the product of its strides, so the generator cannot"),
        ({"data": {"length": 1000}}, "nearest: 992"),
        ({"data": {"length": 512}, "discriminator": NETWORKS["stft"] | {"transform": {"window": 256, "hop": 64}}},
         "16 hops of its transform, so the discriminator cannot"),
        ({"generator": {"kind": "wavegan", "kernel": 24}}, "24 has no middle: choose 23 or 25"),
        ({"discriminator": NETWORKS["stft"] | {"transform": {"window": 100}}}, "nearest: 96"),
        ({"discriminator": NETWORKS["stft"] | {"transform": {"window": 256, "hop": 100}}}, "usual: 64"),
        ({"regularizers": []}, "wasserstein needs a discriminator of bounded slope"),
        ({"data": {"rate": 0}}, "rate"),
        ({"data": {"length": 256}, "discriminator": {"kind": "wavegan", "strides": [8, 8, 2], "phase_shuffle": 4}},
         "discriminator.phase_shuffle: 4 is as long as a layer that it shifts, which has 4 samples of a slice of 256 "
         "(at most 3;"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        AudioRecipe.model_validate(mapping(**parts))
    assert words in str(raised.value)


def test_a_plain_recipe_is_valid() -> None:
    recipe = AudioRecipe.model_validate(mapping(data={"length": 1024}))
    assert recipe.notes() == []


# --- export -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
def test_export_with_a_dynamic_batch(kind: str, tmp_path: Any) -> None:
    generator, _ = pair(NETWORKS[kind], classes=3)
    generator.eval()
    latent, label = torch.randn(2, LATENT), torch.tensor([0, 2])
    path = tmp_path / "model.onnx"
    shapes = ({0: "batch"}, {0: "batch"})
    with quiet():
        torch.onnx.export(
        generator, (latent, label), path, dynamo=True, opset_version=20, dynamic_shapes=shapes,
        input_names=["latent", "label"], output_names=["sound"], verbose=False,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        latent, label = torch.randn(batch, LATENT), torch.arange(batch)
        (found,) = session.run(None, {"latent": latent.numpy(), "label": label.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, generator(latent, label).numpy(), atol=1e-5)
