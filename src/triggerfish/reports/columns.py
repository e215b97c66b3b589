"""Everything that was measured of every class, by the names of the per-class table."""

from __future__ import annotations

from torch import Tensor

from triggerfish.results import ClassScores


def columns(scores: ClassScores) -> dict[str, Tensor]:
    """Vectors (K,) beside the statistic: ``margin``, ``size_pixel``, ``min_norm_0.5``, ..."""
    found = {
        "margin": scores.margin,
        **{f"size_{one.basis}": one.size for one in scores.sizes},
        **{f"ratio_{one.basis}": one.log_ratio for one in scores.sizes},
        **{f"success_{one.basis}": one.success_rate for one in scores.sizes},
        **{f"min_norm_{one.baseline}": one.norm for one in scores.norms},
        **{f"ratio_{one.baseline}": one.log_ratio for one in scores.norms},
        "shown_baseline": scores.shown_baseline,
        **scores.details,
    }
    return {name: vector for name, vector in found.items() if vector is not None}
