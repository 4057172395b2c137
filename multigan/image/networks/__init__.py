"""The image networks, built from a resolved recipe.

`generator(latent, label=None) -> [B, C, H, W]` in [-1, 1], `discriminator(images, label=None) -> logits [B]`; an
unconditional network takes no notice of a label.
"""

from __future__ import annotations

from torch import nn

from multigan.image.config import Dcgan, ImageRecipe, R3gan, ResNet
from multigan.image.networks.dcgan import DcganDiscriminator, DcganGenerator
from multigan.image.networks.r3gan import R3ganDiscriminator, R3ganGenerator
from multigan.image.networks.resnet import ResNetDiscriminator, ResNetGenerator
from multigan.image.networks.shapes import Shape

__all__ = ["build_discriminator", "build_generator"]


def build_generator(recipe: ImageRecipe) -> nn.Module:
    """The recipe's generator, freshly initialised. Raises UserError where its settings do not fit the pictures."""
    settings, shape = recipe.generator, Shape.of(recipe)
    match settings:
        case Dcgan():
            return DcganGenerator(settings, shape)
        case R3gan():
            return R3ganGenerator(settings, shape)
        case ResNet():
            return ResNetGenerator(settings, shape)


def build_discriminator(recipe: ImageRecipe) -> nn.Module:
    """The recipe's discriminator, freshly initialised. Raises UserError where its settings do not fit the pictures."""
    settings, shape = recipe.discriminator, Shape.of(recipe)
    match settings:
        case Dcgan():
            return DcganDiscriminator(settings, shape)
        case R3gan():
            return R3ganDiscriminator(settings, shape)
        case ResNet():
            return ResNetDiscriminator(settings, shape)
