"""What the modalities' metrics share: numpy on arrays of features `[n, d]`, nothing else."""

from multigan.metrics.comparison import (
    DENSITY_K,
    Diversity,
    Evaluator,
    FeatureExtractor,
    Features,
    Labels,
    Novelty,
    Progress,
    check_count,
    compare,
    diversity,
    novelty,
)
from multigan.metrics.frechet import Statistics, frechet_distance, statistics
from multigan.metrics.neighbours import Manifold, manifold, nearest
from multigan.metrics.report import Evaluation, Plan, Report, Told

__all__ = [
    "DENSITY_K",
    "Diversity",
    "Evaluation",
    "Evaluator",
    "FeatureExtractor",
    "Features",
    "Labels",
    "Manifold",
    "Novelty",
    "Plan",
    "Progress",
    "Report",
    "Statistics",
    "Told",
    "check_count",
    "compare",
    "diversity",
    "frechet_distance",
    "manifold",
    "nearest",
    "novelty",
    "statistics",
]
