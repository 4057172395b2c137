"""The two-dimensional networks by their settings.

`generator(latent, label=None) -> [B, C, H, W]` in [-1, 1], `discriminator(images, label=None) -> logits [B]`; an
unconditional network takes no notice of a label.
"""

from __future__ import annotations

from torch import nn

from multigan.networks.config import Dcgan, R3gan, ResNet
from multigan.networks.dcgan import DcganDiscriminator, DcganGenerator
from multigan.networks.r3gan import R3ganDiscriminator, R3ganGenerator
from multigan.networks.resnet import ResNetDiscriminator, ResNetGenerator
from multigan.networks.shapes import Shape


def build_generator(settings: Dcgan | ResNet | R3gan, shape: Shape) -> nn.Module:
    """The generator, freshly initialised. Raises UserError where its settings do not fit the shape."""
    match settings:
        case Dcgan():
            return DcganGenerator(settings, shape)
        case R3gan():
            return R3ganGenerator(settings, shape)
        case ResNet():
            return ResNetGenerator(settings, shape)


def build_discriminator(settings: Dcgan | ResNet | R3gan, shape: Shape) -> nn.Module:
    """The discriminator, freshly initialised. Raises UserError where its settings do not fit the shape."""
    match settings:
        case Dcgan():
            return DcganDiscriminator(settings, shape)
        case R3gan():
            return R3ganDiscriminator(settings, shape)
        case ResNet():
            return ResNetDiscriminator(settings, shape)
