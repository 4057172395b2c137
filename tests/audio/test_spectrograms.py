"""SpecGAN's parts: the paper's networks, spectrograms and the way back, phases by Griffin and Lim's algorithm."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import signal
from torch import nn

from multigan import embedded, noise
from multigan.audio.config import SpecGan
from multigan.audio.griffin_lim import SOFTNESS, GriffinLim
from multigan.audio.networks import Shape, build_discriminator, build_generator
from multigan.audio.spectrograms import Spectrograms
from multigan.audio.transform import Stft

Array = NDArray[Any]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def settings(**parts: Any) -> SpecGan:
    return SpecGan(kind="specgan", **parts)


def drums(count: int, length: int) -> torch.Tensor:
    """Real sounds `[count, 1, length]`, as loud as they can be."""
    cut = [np.pad(each.samples[:length], (0, max(0, length - len(each.samples)))) for each in embedded.drums()[::7]]
    return torch.from_numpy(np.stack([each / np.abs(each).max() for each in cut[:count]]))[:, None]


# --- the paper's networks ---------------------------------------------------------------------------------------------


def test_layers_and_parameters_of_the_published_size() -> None:
    """128 x 128, d = 64: 4 x 4 x 1024, then five layers of kernel 5 and stride 2 up to 1 channel, and back."""
    shape = Shape(16_384, 1, 0, 100)
    generator, discriminator = build_generator(settings(), shape), build_discriminator(settings(), shape)
    seen: list[tuple[int, ...]] = []
    for layer in (*generator.layers, *discriminator.layers):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert (layer.kernel_size, layer.stride) == ((5, 5), (2, 2))
            layer.register_forward_hook(lambda *each: seen.append(tuple(each[2].shape[1:])))
    planes = generator(torch.rand(1, 100) * 2 - 1)
    assert discriminator(planes).shape == (1,)
    up = [(512, 8, 8), (256, 16, 16), (128, 32, 32), (64, 64, 64), (1, 128, 128)]
    down = [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4)]
    assert seen == up + down
    widths = [1024, 512, 256, 128, 64, 1]
    made = sum(25 * before * after + after for before, after in itertools.pairwise(widths))
    judged = sum(25 * before * after + after for before, after in itertools.pairwise(widths[::-1]))
    counts = [sum(each.numel() for each in network.parameters()) for network in (generator, discriminator)]
    assert counts == [100 * 16 * 1024 + 16 * 1024 + made, judged + 16 * 1024 + 1]


@pytest.mark.parametrize(
    ("length", "transform", "base"),
    [
        (8192, {"window": 256, "hop": 128}, (8, 4)),
        (65_536, {"window": 256, "hop": 128}, (4, 16)),
        (6144, {"window": 256, "hop": 128}, (16, 6)),
        (16_384, {"window": 512, "hop": 128}, (8, 4)),
    ],
)
def test_other_lengths_follow(length: int, transform: dict[str, int], base: tuple[int, int]) -> None:
    chosen, shape = settings(width=1, transform=transform), Shape(length, 2, 3, 6)
    generator, discriminator = build_generator(chosen, shape), build_discriminator(chosen, shape)
    label = torch.tensor([0, 2])
    planes = generator(torch.rand(2, 6), label)
    assert planes.shape == (2, 2, transform["window"] // 2, length // transform["hop"])
    assert generator.base.shape[:2] == base
    logits = discriminator(planes, label)
    logits.sum().backward()
    for network in (generator, discriminator):
        assert all(each.grad is not None for each in network.parameters())
    assert not torch.equal(logits, discriminator(planes, label.flip(0)))
    assert generator.spectrograms.sounds(planes, torch.zeros_like(planes)).shape == (2, 2, length)


# --- spectrograms -----------------------------------------------------------------------------------------------------


def transformed(sounds: Array, window: int, hop: int) -> Array:
    """The complex spectrum `[..., bins, frames]` by numpy, the bin of half the rate left out."""
    before = (window - hop) // 2
    padded = np.pad(sounds, [(0, 0)] * (sounds.ndim - 1) + [(before, window - hop - before)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, window, axis=-1)[..., ::hop, :]
    return np.fft.rfft(frames * signal.get_window("hann", window))[..., : window // 2].swapaxes(-1, -2)


def test_standardisation_is_numpys() -> None:
    chosen = settings(transform={"window": 64, "hop": 32}, sigmas=1.5, floor=-60)
    sounds = torch.randn(100, 2, 2048) * torch.rand(100, 1, 1)
    sounds[..., 1500:] = 0
    spectrograms = Spectrograms(chosen, 2, 2048)
    spectrograms.measure(sounds)
    levels = np.log(np.abs(transformed(sounds.double().numpy(), 64, 32)) + 64 / 4 * 10 ** (-60 / 20))
    mean, deviation = levels.mean((0, 3)), levels.std((0, 3))
    np.testing.assert_allclose(spectrograms.mean[..., 0], mean, rtol=1e-5)
    np.testing.assert_allclose(spectrograms.deviation[..., 0], deviation, rtol=1e-5)
    wanted = np.clip((levels - mean[..., None]) / (1.5 * deviation[..., None]), -1, 1)
    found = spectrograms(sounds)
    np.testing.assert_allclose(found, wanted, atol=2e-4)
    assert ((found == 1) | (found == -1)).float().mean() > 0.001


def test_the_way_back_undoes_it() -> None:
    """With the sound's own phases, no iteration and nothing clipped; silence is silence again."""
    sounds = drums(6, 4096) * 0.5
    sounds[:, :, 3000:] = 0
    spectrograms = Spectrograms(settings(transform={"window": 256, "hop": 64}, sigmas=10, griffin_lim=0), 1, 4096)
    spectrograms.measure(sounds)
    real, imaginary = Stft(256, 64)(sounds)
    found = spectrograms.sounds(spectrograms(sounds), torch.atan2(imaginary, real) / torch.pi)
    assert (found - sounds)[..., 256:-256].abs().max() < 5e-3
    assert found[..., 3300:].abs().max() < 1e-4


def test_a_sound_that_passes_full_scale_is_scaled_down_and_not_clipped() -> None:
    spectrograms = Spectrograms(settings(transform={"window": 64, "hop": 32}, griffin_lim=2), 2, 2048)
    planes, phase = torch.full((2, 2, 32, 64), -0.5), torch.rand(2, 2, 32, 64)
    quiet = spectrograms.sounds(planes, phase)
    spectrograms.mean[:] = 5.0
    loud = spectrograms.sounds(planes, phase)
    assert quiet.abs().max() < 1
    assert loud.abs().amax((1, 2)).tolist() == [1.0, 1.0]
    torch.testing.assert_close(loud, quiet / quiet.abs().amax((1, 2), keepdim=True), atol=5e-3, rtol=0)


def test_a_bin_that_never_changes_is_no_division_by_zero() -> None:
    spectrograms = Spectrograms(settings(transform={"window": 64, "hop": 32}), 1, 2048)
    spectrograms.measure(torch.zeros(3, 1, 2048))
    assert torch.equal(spectrograms(torch.zeros(1, 1, 2048)), torch.zeros(1, 1, 32, 64))
    assert torch.isfinite(spectrograms(torch.ones(1, 1, 2048))).all()


# --- phases -----------------------------------------------------------------------------------------------------------


def overlapped(spectrum: Array, window: int, hop: int) -> Array:
    """The weighted overlap-add of a spectrum `[bins, frames]`."""
    hann, frames = signal.get_window("hann", window), spectrum.shape[1]
    pieces = np.fft.irfft(np.pad(spectrum, ((0, 1), (0, 0))), axis=0) * hann[:, None]
    summed, weight = np.zeros((frames - 1) * hop + window), np.zeros((frames - 1) * hop + window)
    for index in range(frames):
        place = slice(index * hop, index * hop + window)
        summed[place] += pieces[:, index]
        weight[place] += hann**2
    before = (window - hop) // 2
    return (summed / np.maximum(weight, 1e-3))[before : before + frames * hop]


def reference(magnitude: Array, phase: Array, window: int, hop: int, iterations: int, softness: float) -> Array:
    """Griffin and Lim's algorithm on complex numbers."""
    spectrum = magnitude * np.exp(1j * np.pi * phase)
    for _ in range(iterations):
        found = transformed(overlapped(spectrum, window, hop), window, hop)
        spectrum = magnitude * found / np.sqrt(np.abs(found) ** 2 + (softness * magnitude + 1e-12) ** 2)
    return overlapped(spectrum, window, hop)


def convergence(sound: Array, magnitude: Array, window: int, hop: int) -> float:
    """How far a sound's magnitudes are from the wanted ones (Sturmel and Daudet, 2011)."""
    return float(np.linalg.norm(np.abs(transformed(sound, window, hop)) - magnitude) / np.linalg.norm(magnitude))


@pytest.mark.parametrize(("window", "hop"), [(256, 128), (256, 64)])
def test_phases_are_those_of_the_algorithm_and_come_nearer_to_the_sound(window: int, hop: int) -> None:
    """In double precision ours is the reference's, sample by sample; softened it converges as the plain one does."""
    frames, drawn = 32, np.random.default_rng(1)
    sounds = drums(5, frames * hop).double()
    magnitude = np.abs(transformed(sounds[:, 0].numpy(), window, hop))
    phase = drawn.uniform(-1, 1, magnitude.shape)
    reached: dict[int, list[float]] = {}
    for iterations in (0, 1, 4, 16, 64):
        vocoder = GriffinLim(window, hop, frames, iterations).double()  # its basis keeps float32's rounding
        ours = vocoder(torch.from_numpy(magnitude)[:, None], torch.from_numpy(phase)[:, None])[:, 0].numpy()
        reached[iterations] = [convergence(*each, window, hop) for each in zip(ours, magnitude, strict=True)]
        if iterations in (0, 1, 4):
            for sound, wanted, begun in zip(ours, magnitude, phase, strict=True):
                theirs = reference(wanted, begun, window, hop, iterations, SOFTNESS)
                assert np.abs(sound - theirs).max() < 1e-4
        if iterations == 16:
            plain = [
                convergence(reference(wanted, begun, window, hop, iterations, 0.0), wanted, window, hop)
                for wanted, begun in zip(magnitude, phase, strict=True)
            ]
            assert np.mean(reached[iterations]) < 1.05 * np.mean(plain)
    means = [float(np.mean(each)) for each in reached.values()]
    assert means == sorted(means, reverse=True)
    assert means[3] < 0.5 * means[0]


def test_a_real_sound_comes_back_close_in_spectrum() -> None:
    sounds = drums(12, 16_384)
    spectrograms = Spectrograms(settings(), 1, 16_384)
    spectrograms.measure(sounds)
    phase = torch.from_numpy(noise.uniform(0, 0, len(sounds), 128 * 128)).view(-1, 1, 128, 128)
    found = spectrograms.sounds(spectrograms(sounds), phase)
    far = [
        convergence(ours[0], np.abs(transformed(theirs[0], 256, 128)), 256, 128)
        for ours, theirs in zip(found.numpy(), sounds.numpy(), strict=True)
    ]
    assert np.median(far) < 0.35
    louder = 10 * torch.log10(found.square().mean((1, 2)) / sounds.square().mean((1, 2)))
    assert louder.abs().max() < 6
