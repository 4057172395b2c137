"""The C++ twin of multigan/noise.py, however it is compiled."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from multigan import noise
from multigan.contract import Input
from multigan.normal import normal_quantile

HEADER = Path(__file__).resolve().parent.parent / "export" / "cpp" / "multigan_noise.hpp"
COMPILER = shutil.which("g++") or shutil.which("clang++")
STEPS = 100_003
PROGRAM = r"""
#include <cstdio>
#include <string>
#include <vector>
#include "multigan_noise.hpp"

int main() {
    char kind[16];
    unsigned long long seed, start, count, size;
    unsigned stream;
    double truncation, low, high;
    while (std::scanf("%15s", kind) == 1) {
        std::vector<float> values;
        if (std::string(kind) == "number") {
            std::scanf("%lf %lf %llu %llu", &low, &high, &start, &count);
            for (auto i = start; i < start + count; ++i) values.push_back(multigan::number(low, high, i));
        } else if (std::string(kind) == "quantile") {
            std::scanf("%llu", &count);
            for (auto i = 1ull; i < count; ++i) {
                const double found = multigan::quantile(static_cast<double>(i) / static_cast<double>(count));
                std::fwrite(&found, sizeof found, 1, stdout);
            }
        } else {
            std::scanf("%llu %llu %llu %llu %lf %u", &seed, &start, &count, &size, &truncation, &stream);
            values.resize(count * size);
            const auto distribution = std::string(kind) == "normal" ? multigan::Distribution::normal
                                                                    : multigan::Distribution::uniform;
            for (std::size_t i = 0; i < count; ++i)
                multigan::draw(values.data() + i * size, size, distribution, seed, start + i, stream, truncation);
        }
        std::fwrite(values.data(), sizeof(float), values.size(), stdout);
    }
}
"""

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler is installed")


def _compiled(folder: Path, *flags: str) -> Path:
    assert COMPILER
    (folder / "main.cpp").write_text(PROGRAM)
    program = folder / "main"
    strict = ["-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-unused-result", f"-I{HEADER.parent}"]
    subprocess.run([COMPILER, *strict, *flags, folder / "main.cpp", "-o", program], check=True, timeout=300)
    return program


@pytest.mark.parametrize("flags", [("-O0",), ("-O3", "-march=native", "-ffp-contract=fast")], ids=["plain", "fast"])
def test_every_bit_is_repeated(tmp_path: Path, flags: tuple[str, ...]) -> None:
    cases = [
        (kind, seed, start, 37, 131, truncation, stream)
        for kind, truncations in (("normal", (None, 1e-5, 0.1, 0.7, 2.0, 8.0)), ("uniform", (None, 0.3)))
        for truncation in truncations
        for seed, start, stream in ((0, 0, 0), (7, 2**32 - 5, 1), (2**64 - 1, 2**53 - 60, 2**32 - 1))
    ]
    cases.append(("normal", 11, 0, 8, 100_000, None, 0))
    ranges = [(48.0, 72.0, 0, 200), (-0.1, 1e9, 2**53 - 101, 100)]
    lines = [f"{kind} {s} {a} {n} {size} {cut or 0:.17g} {stream}" for kind, s, a, n, size, cut, stream in cases]
    lines += [f"number {low:.17g} {high:.17g} {start} {count}" for low, high, start, count in ranges]
    lines.append(f"quantile {STEPS}")
    told = "\n".join(lines).encode()
    found = subprocess.run([_compiled(tmp_path, *flags)], input=told, capture_output=True, check=True, timeout=60)
    draw = {"normal": noise.normal, "uniform": noise.uniform}
    ours = [draw[kind](*rest).ravel() for kind, *rest in cases]
    for low, high, start, count in ranges:
        bounds = Input("number", "condition", "float32", ["batch"], minimum=low, maximum=high)
        ours.append(np.asarray(noise.numbers(bounds, start, count, 0), np.float32))
    drawn = np.concatenate(ours).tobytes()
    assert found.stdout[: len(drawn)] == drawn
    # A float32 hides nearly all that goes wrong in a double.
    assert np.array_equal(np.frombuffer(found.stdout[len(drawn) :]), normal_quantile(np.arange(1, STEPS) / STEPS))


def test_arithmetic_that_is_not_exact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        _compiled(tmp_path, "-ffast-math")
