"""The heat map of class pairs: which class leads to which by a suspiciously small perturbation."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from triggerfish.results import Pairs, Scanned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLAGGED = "#c81e1e"
MOST_NUMBERS = 20
"""Classes up to which every cell has its number; with more it would not be legible."""


def render_heat_map(result: Scanned, pairs: Pairs) -> bytes:
    """PNG bytes: sources down, targets across, darker is more suspicious.

    The strongest pair of each flagged class is framed in red. Cells that were not measured, and the
    diagonal, are hatched. The scale starts at 0 and reaches the threshold at least, so that a clean
    model looks pale.
    """
    # It takes a quarter of a second to import, and only a scan that leaves files draws.
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    count, verdict = len(pairs.score), result.verdict
    side = min(3.4 + 0.32 * count, 12.0)
    # A figure of its own instead of pyplot: no global state, so workers can draw side by side.
    figure = Figure(figsize=(side + 1.1, side), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    top = max(_largest(pairs), verdict.threshold if math.isfinite(verdict.threshold) else 0.0, 1e-9)
    shown = axes.imshow(pairs.score.numpy(), cmap="Blues", vmin=0.0, vmax=top)
    axes.set_facecolor("#ececec")
    axes.patch.set_hatch("///")
    axes.patch.set_edgecolor("#c4c4c4")
    _label(axes, count)
    if count <= MOST_NUMBERS:
        _write_numbers(axes, pairs, top)
    flagged = pairs.strongest(verdict.flagged)
    for source, target in flagged:
        corner = (target - 0.5, source - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=FLAGGED, linewidth=2.2))
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label("pair score: how much less perturbation than expected (log ratio)")
    if math.isfinite(verdict.threshold):
        bar.ax.axhline(verdict.threshold, color="black", linewidth=1, linestyle="--")
    axes.set_title(_headline(result, flagged), fontsize=10, parse_math=False)
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def _largest(pairs: Pairs) -> float:
    return float(pairs.score.nan_to_num(0.0).max())


def _label(axes: Axes, count: int) -> None:
    step = 1 if count <= MOST_NUMBERS else 5
    axes.set_xticks(range(0, count, step))
    axes.set_yticks(range(0, count, step))
    axes.set_xlabel("target class: where the perturbation leads")
    axes.set_ylabel("source class: where it starts")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _write_numbers(axes: Axes, pairs: Pairs, top: float) -> None:
    for source, row in enumerate(pairs.score.tolist()):
        for target, value in enumerate(row):
            if math.isfinite(value):
                colour = "white" if value > 0.6 * top else "#444444"
                text = f"{value:.1f}".replace("-0.0", "0.0")
                axes.text(target, source, text, color=colour, fontsize=7, ha="center", va="center")


def _headline(result: Scanned, flagged: tuple[tuple[int, int], ...]) -> str:
    shown = ", ".join(f"{source} -> {target}" for source, target in flagged[:5])
    more = f" and {len(flagged) - 5} more" if len(flagged) > 5 else ""
    found = f" ({shown}{more})" if flagged else ""
    return f"{result.scores.name}: {result.verdict.name}{found}"
