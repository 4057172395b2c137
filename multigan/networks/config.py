"""The settings of the two-dimensional convolutional networks, no torch. The union over `kind` is their registry."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from multigan.settings import Network


class Dcgan(Network):
    """Transposed and strided convolutions with batch normalisation (Radford et al., 2016)."""

    kind: Literal["dcgan"]
    width: int = Field(64, ge=4, le=1024)
    """Channels at the highest resolution's stage; each coarser stage has twice as many, at most 8 times."""
    normalize: Literal["batch", "none"] = "batch"

    def batch_norm(self, role: Literal["generator", "discriminator"]) -> bool:
        return self.normalize == "batch"


class ResNet(Network):
    """Residual blocks as in SNGAN (Miyato et al., 2018); in the discriminator with spectral normalisation."""

    kind: Literal["resnet"]
    width: int = Field(64, ge=4, le=1024)
    spectral_norm: bool = True
    """For the discriminator only."""

    def batch_norm(self, role: Literal["generator", "discriminator"]) -> bool:
        return role == "generator"

    def bounded(self) -> bool:
        return self.spectral_norm


class R3gan(Network):
    """R3GAN's blocks: 1x1, grouped 3x3, 1x1, without normalisation (Huang et al., 2024)."""

    kind: Literal["r3gan"]
    width: int = Field(64, ge=4, le=1024)
    """Channels at the highest resolution's stage; each coarser stage has twice as many, at most 8 times."""
    widths: list[Annotated[int, Field(ge=1, le=4096)]] | None = Field(None, max_length=8)
    """Channels of each stage from 4 pixels up; overrides `width`."""
    blocks: int = Field(2, ge=1, le=16)
    """Residual blocks a stage."""
    group_size: int = Field(16, ge=1)
    """Channels in each group of the grouped convolution: cardinality = expansion * channels / group_size."""
    expansion: int = Field(2, ge=1, le=8)

    @model_validator(mode="after")
    def _groups(self) -> R3gan:
        for width in [self.width] if self.widths is None else self.widths:
            if width < 1 or width * self.expansion % self.group_size:
                raise ValueError(
                    f"group_size: {self.group_size} does not divide the {width} * {self.expansion} channels inside "
                    "a block: choose another group_size or width"
                )
        return self


Convolutional = Annotated[Dcgan | ResNet | R3gan, Field(discriminator="kind")]
