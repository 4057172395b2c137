"""Arrays as sounds and pictures of sounds: written and read back, levels against formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from multigan import sounds
from multigan.errors import UserError


def tones(*frequencies: float, level: float = 0.5, frames: int = 4096) -> np.ndarray:
    place = np.arange(frames) / 16_000
    return np.stack([level * np.sin(2 * np.pi * each * place) for each in frequencies])[:, None].astype(np.float32)


@pytest.mark.parametrize(("format", "bits"), [("wav", 16), ("wav", 24), ("wav", 32), ("flac", 16), ("flac", 24)])
@pytest.mark.parametrize("channels", [1, 2])
def test_sounds_are_written_to_their_depth(tmp_path: Path, format: str, bits: int, channels: int) -> None:
    sound = tones(440, 880)[:channels, 0] * 2.4  # beyond the range, where it is clipped
    path = tmp_path / f"a.{format}"
    sounds.save_sound(sound, 22_050, path, bits)
    found, rate = soundfile.read(path, dtype="float64", always_2d=True)
    assert rate == 22_050
    assert soundfile.info(path).subtype == sounds.DEPTHS[bits]
    error = np.abs(found.T - np.clip(sound, -1, 1)).max()
    assert error <= {16: 2**-15, 24: 2**-23, 32: 0}[bits]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(("format", "bits"), [("mp3", 16), ("wav", 8), ("flac", 32)])
def test_other_formats_and_depths_are_refused(format: str, bits: int) -> None:
    with pytest.raises(UserError, match="choose"):
        sounds.check_format(format, bits)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        sounds.save_sound(tones(440)[0], 16_000, tmp_path / "file" / "a.wav")


def test_loudest_to_one() -> None:
    scaled = sounds.loudest_to_one(np.concatenate([tones(440, level=0.01), tones(440) * 0]))
    assert np.abs(scaled[0]).max() == 1
    assert np.abs(scaled[1]).max() == 0


def test_a_sine_of_amplitude_one_has_power_one_in_its_bin() -> None:
    spectrum = sounds.power(tones(1000, 2000, level=1.0), window=512)
    assert spectrum.argmax(axis=2).tolist() == [[32] * spectrum.shape[1], [64] * spectrum.shape[1]]
    np.testing.assert_allclose(spectrum.max(axis=2), 1, rtol=1e-3)


def test_a_spectrogram_shows_high_tones_high_and_loud_ones_bright() -> None:
    pictures = sounds.spectrogram(tones(200, 6000, level=1.0)).astype(int).sum(axis=3)
    low, high = (picture.mean(axis=1).argmax() for picture in pictures)
    assert low > sounds.HEIGHT * 0.7
    assert high < sounds.HEIGHT * 0.3
    quiet = sounds.spectrogram(tones(200, level=0.01)).astype(int).sum(axis=3)
    assert quiet.max() < pictures[0].max()
    assert sounds.spectrogram(np.zeros((1, 2, 100))).shape == (1, sounds.HEIGHT, sounds.WIDTH, 3)


def test_a_sheet_has_a_named_row_for_each_class() -> None:
    plain, named = sounds.sheet(tones(*[440] * 6)), sounds.sheet(tones(*[440] * 6), ["kick", "snare"])
    assert named.height < named.width
    assert named.height == 2 * (sounds.HEIGHT + 2) + 2
    assert plain.mode == named.mode == "RGB"


def test_levels() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 1, 8192))
    full = np.clip(tones(440, level=3.0), -1, 1)
    made = sounds.level(np.concatenate([tones(440), tones(440)]))
    assert made.loudness == pytest.approx(20 * np.log10(0.5 / 2**0.5), abs=0.05)
    assert (made.silent, made.clipped) == (0, 0)
    assert made.flatness < 0.01
    assert sounds.level(noise).flatness > 0.5
    assert sounds.level(np.concatenate([full, tones(440)])).clipped == 0.5
    assert sounds.level(np.concatenate([tones(440) * 0, tones(440)])).silent == 0.5


@pytest.mark.parametrize(("bits", "subtype"), [(16, "PCM_16"), (24, "PCM_24"), (32, "FLOAT")])
def test_raw_samples_are_what_a_wav_file_holds(bits: int, subtype: str, tmp_path: Path) -> None:
    stereo = np.concatenate([tones(440), tones(880)], 1)
    path = tmp_path / "a.raw"
    path.write_bytes(sounds.pcm(np.concatenate([stereo, -stereo]), bits))
    found, _ = soundfile.read(path, samplerate=16_000, channels=2, subtype=subtype, format="RAW", always_2d=True)
    wanted = np.concatenate([stereo[0].T, -stereo[0].T])
    assert np.abs(found - wanted).max() <= {16: 2**-15, 24: 2**-22, 32: 0}[bits]


def test_what_is_told_of_many_sounds_is_what_is_told_of_parts_of_them() -> None:
    """Spectra are made some at a time, since they take many times the sounds' memory."""
    many = np.random.default_rng(0).normal(0, 0.1, (sounds.AT_ONCE + 3, 1, 1024)).astype(np.float32)
    many[-1] = 0
    pictures = sounds.spectrogram(many)
    assert (pictures[-3:] == sounds.spectrogram(many[-3:])).all()
    found = sounds.level(many)
    assert found.silent == pytest.approx(1 / len(many))
    rms = np.sqrt((many.astype(np.float64) ** 2).mean(axis=(1, 2)))
    assert found.loudness == pytest.approx(np.median(20 * np.log10(rms + 1e-9)))
