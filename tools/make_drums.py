"""Make multigan/embedded/drums.flac and drums.json: 91 percussive one-shots out of Debian's package sonic-pi-samples.

    apt-get install sonic-pi-samples && python tools/make_drums.py

Its copyright file lists each of them as CC0, one by one, with its author and source, which go into drums.json. One
channel of 16 kHz and 16 bits, one clip after another; silence at a clip's end (60 dB below its peak) is cut off, and so
is what lies beyond 16,384 samples, with 10 ms faded out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import soundfile
import soxr

from multigan.files import replacing, write_text

SAMPLES = Path("/usr/share/sonic-pi/samples")
COPYRIGHT = Path("/usr/share/doc/sonic-pi-samples/copyright")
TARGET = Path(__file__).resolve().parent.parent / "multigan" / "embedded"
RATE, FLOOR, LONGEST, FADE, COUNT = 16_000, 10 ** (-60 / 20), 16_384, 160, 91
FAMILIES = ("bd_", "drum_", "elec_", "perc_", "sn_", "tabla_")
KINDS = {
    "kick": r"bd_.*|drum_bass_.*|.*_kick",
    "snare": r"sn_.*|.*_snare.*|drum_roll|perc_snap.*",
    "tom": r"drum_tom_.*|elec_fuzz_tom|elec_bong",
    "cymbal": r"drum_cymbal_.*|drum_splash_.*|elec_cymbal|elec_triangle|perc_swash",
    "tabla": r"tabla_.*",
    "blip": r"elec_.*|perc_.*|drum_cowbell",
}
"""The first whose pattern a name matches."""


def main() -> None:
    clips = []
    for paragraph in COPYRIGHT.read_text(encoding="utf-8").split("\n\n"):
        found = re.match(r"Files: etc/samples/(\w+)\.flac\nCopyright: (.+)\nSource: (.+)\nLicense: CC0\b", paragraph)
        if found and found[1].startswith(FAMILIES):
            clips.append(dict(zip(("name", "by", "source"), found.groups(), strict=True)))
    if len(clips) != COUNT:
        raise SystemExit(f"the package lists {len(clips)} such sounds as CC0, and not {COUNT}.")
    parts = []
    kinds = list(KINDS)
    clips.sort(key=lambda clip: (kinds.index(kind_of(clip["name"])), clip["name"]))
    for clip in clips:
        sound = read(SAMPLES / f"{clip['name']}.flac")
        parts.append(sound)
        clip |= {"kind": kind_of(clip["name"]), "frames": len(sound)}
    with replacing(TARGET / "drums.flac") as path:
        soundfile.write(path, np.concatenate(parts), RATE, subtype="PCM_16", compression_level=1.0)
    rows = ",\n".join(json.dumps(clip, ensure_ascii=False) for clip in clips)
    write_text(TARGET / "drums.json", f"[\n{rows}\n]\n")
    counts = ", ".join(f"{sum(clip['kind'] == kind for clip in clips)} {kind}" for kind in KINDS)
    size = (TARGET / "drums.flac").stat().st_size / 1e6
    print(f"{counts}; {sum(map(len, parts)) / RATE:.0f} seconds, {size:.2f} MB")


def kind_of(name: str) -> str:
    return next(kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, name))


def read(path: Path) -> np.ndarray:
    """One channel at RATE, without the silence at its end."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = soxr.resample(sound.mean(axis=1), rate, RATE, quality="VHQ")
    peak = np.abs(sound).max()
    sound = sound / max(1.0, peak / 0.999)  # a resampler's overshoot would be clipped
    sound = sound[: int(np.flatnonzero(np.abs(sound) > peak * FLOOR)[-1]) + 1]
    if len(sound) > LONGEST:
        sound = sound[:LONGEST].copy()
        sound[-FADE:] *= np.linspace(1, 0, FADE, dtype=np.float32)
    return sound


if __name__ == "__main__":
    main()
