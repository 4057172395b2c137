"""What the modalities' metrics share: numpy on arrays of features `[n, d]`, nothing else."""

from multigan.metrics.frechet import Statistics, frechet_distance, statistics
from multigan.metrics.neighbours import Manifold, manifold, nearest

__all__ = ["Manifold", "Statistics", "frechet_distance", "manifold", "nearest", "statistics"]
