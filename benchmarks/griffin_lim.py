"""How near Griffin and Lim's algorithm, as SpecGAN's export has it, comes to the wanted magnitudes, and how far torch
and onnxruntime are apart after it, by the softness of its division. On the embedded drums, each at full scale: their
own magnitudes, and the same times exp(0.5 n) with n normal in each bin, which no sound has.

    python benchmarks/griffin_lim.py
"""

from __future__ import annotations

import argparse
from io import BytesIO

from _timing import machine, pin, table

WINDOW, HOP, FRAMES = 256, 128, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=16)
    parser.add_argument("--softness", type=float, nargs="*", default=[0.0, 0.01, 0.1, 0.3])
    given = parser.parse_args()
    pin(given.threads)
    import numpy as np
    import onnxruntime
    import torch

    from multigan import embedded, noise
    from multigan.audio import griffin_lim
    from multigan.audio.transform import Stft
    from multigan.exporters.graph import OPSET, quiet

    torch.set_num_threads(given.threads)
    length, drums = HOP * FRAMES, [each.samples for each in embedded.drums()]
    cut = [np.pad(each[:length], (0, max(0, length - len(each)))) / np.abs(each[:length]).max() for each in drums]
    transform = Stft(WINDOW, HOP)
    own = torch.hypot(*transform(torch.from_numpy(np.stack(cut))[:, None]))
    changed = own * torch.exp(0.5 * torch.randn(own.shape, generator=torch.Generator().manual_seed(0)))
    phase = torch.from_numpy(noise.uniform(0, 0, len(own), own[0].numel(), stream=1)).view_as(own)

    def compared(softness: float) -> list[list[str]]:
        """A row for each set of magnitudes."""
        griffin_lim.SOFTNESS = softness
        vocoder, file = griffin_lim.GriffinLim(WINDOW, HOP, FRAMES, given.iterations).eval(), BytesIO()
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                vocoder, (own[:2], phase[:2]), dynamo=True, opset_version=OPSET, input_names=["magnitude", "phase"],
                dynamic_shapes=({0: "batch"}, {0: "batch"}), verbose=False,
            )  # fmt: skip
            program.save(file)
        session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
        rows = []
        for name, wanted in (("a sound's own", own), ("no sound's", changed)):
            with torch.no_grad():
                made = vocoder(wanted, phase)
                found = torch.hypot(*transform(made))
            theirs = session.run(None, {"magnitude": wanted.numpy(), "phase": phase.numpy()})[0]
            apart = np.abs(made.numpy() - theirs).max(axis=(1, 2))
            near = (found - wanted).flatten(1).norm(dim=1) / wanted.flatten(1).norm(dim=1)
            rows.append([f"{softness:g}", name, f"{near.mean():.4f}", f"{np.median(apart):.1e}", f"{apart.max():.1e}"])
        return rows

    head = ["softness", "magnitudes", "spectral convergence, mean", "torch - onnxruntime: median", "largest"]
    print(f"{machine()}; {len(own)} drums, {given.iterations} iterations\n")
    print(table([head, *(row for softness in given.softness for row in compared(softness))]))


if __name__ == "__main__":
    main()
