"""What an export is asked for beside the network."""

from __future__ import annotations

from dataclasses import dataclass

from multigan.contract import Contract, Precision, Role
from multigan.errors import UserError
from multigan.exporters.graph import OPSET, OPSETS
from multigan.exporters.parity import Allowed

TOLERANCE = 1e-4
"""For pictures in [-1, 1]: a seventy-eighth of the step between two 8-bit values."""
LEAST_SNR: dict[Precision, float] = {"fp16": 50.0, "int8": 30.0}
"""Decibels that a file of less precision has to reach. At 30 what is added is heard in the quiet parts of a sound."""


@dataclass(frozen=True)
class Choices:
    """precision: of the weights and what is computed inside. opset: of the ONNX standard. tolerance: the largest
    difference from torch that a float32 file may have; None: TOLERANCE. snr: the least signal-to-noise ratio that one
    of less precision may have, in dB; None: LEAST_SNR. unrolled: a text's loop as a fixed number of turns, without
    control flow, each text of `length` symbols; None: of the model's. role: which of
    the two networks."""

    precision: Precision = "fp32"
    opset: int = OPSET
    tolerance: float | None = None
    snr: float | None = None
    role: Role = "generator"
    unrolled: bool = False
    length: int | None = None

    def check(self, contract: Contract) -> None:
        """Raise UserError where something is out of range, or asked of a model that it is not for."""
        if self.tolerance is not None and not 0 < self.tolerance <= 1:
            raise UserError(f"tolerance {self.tolerance:g} is out of range: choose a number above 0 and at most 1.")
        if self.opset not in OPSETS:
            raise UserError(f"opset {self.opset} is out of range: choose {OPSETS[0]} to {OPSETS[-1]}.")
        if self.snr is not None:
            self._check_snr(self.snr)
        if self.unrolled and (contract.modality != "text" or contract.role != "generator"):
            raise UserError("--unrolled is for generators of text, whose loop it unrolls: leave it away.")
        if self.length is not None and not self.unrolled:
            raise UserError("--length is for --unrolled: other exported texts may have any length when they are drawn.")
        if self.precision == "int8" and contract.role == "discriminator":
            raise UserError(
                "--int8 takes ranges of values from seeded latents, and a discriminator sees real samples: leave it "
                "away, or take --fp16."
            )
        if self.precision == "int8" and contract.modality == "text":
            raise UserError(
                "--int8 is for convolutions, and a text's time goes into sums over its vocabulary, which need float32: "
                "leave it away, or take --fp16, which halves the file."
            )

    def _check_snr(self, snr: float) -> None:
        if self.precision == "fp32":
            raise UserError("--snr is for --fp16 and --int8: a float32 file is held to --tolerance.")
        if not 0 < snr <= 120:
            raise UserError(f"snr {snr:g} is out of range: choose decibels above 0 and at most 120.")

    @property
    def exact(self) -> Allowed:
        """How far the float32 graph may be from torch."""
        return Allowed(error=self.tolerance or TOLERANCE)

    @property
    def reduced(self) -> Allowed:
        """How far a file of less precision may be."""
        return Allowed(snr=LEAST_SNR[self.precision] if self.snr is None else self.snr)
