"""Generators and discriminators of texts."""

from __future__ import annotations

from dataclasses import dataclass

from multigan.text.config import Cnn, Lstm, TextDiscriminator, TextGenerator
from multigan.text.networks.judges import CnnJudge, Judge, RecurrentJudge
from multigan.text.networks.lstm import LstmPolicy
from multigan.text.networks.policy import Policy
from multigan.text.networks.transformer import TransformerPolicy


@dataclass(frozen=True)
class Shape:
    """What both networks must agree on: symbols, the longest text, whether texts end before it, classes."""

    vocabulary: int
    length: int
    ends: bool
    classes: int = 0


def build_generator(chosen: TextGenerator, shape: Shape) -> Policy:
    """The generator of a recipe, freshly initialised."""
    rest = (shape.vocabulary, shape.length, shape.ends, shape.classes)
    return LstmPolicy(chosen, *rest) if isinstance(chosen, Lstm) else TransformerPolicy(chosen, *rest)


def build_discriminator(chosen: TextDiscriminator, shape: Shape) -> Judge:
    """The discriminator of a recipe, freshly initialised."""
    rest = (shape.vocabulary, shape.length, shape.ends, shape.classes)
    return CnnJudge(chosen, *rest) if isinstance(chosen, Cnn) else RecurrentJudge(chosen, *rest)


__all__ = ["Judge", "Policy", "Shape", "build_discriminator", "build_generator"]
