"""The outlier plot: every class's anomaly index against the threshold."""

from __future__ import annotations

import io
import math

from triggerfish.results import Scanned


def render_outlier_plot(result: Scanned) -> bytes:
    """PNG bytes: one bar a class, flagged ones red, a dashed line at the threshold."""
    from matplotlib.figure import Figure  # slow to import; only a scan that leaves files draws

    verdict = result.verdict
    classes = [k for k, v in enumerate(verdict.anomaly_index) if math.isfinite(v)]
    # A figure of its own instead of pyplot: no global state, so workers can draw side by side.
    figure = Figure(figsize=(6.4, 3.6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.bar(
        classes,
        [verdict.anomaly_index[k] for k in classes],
        color=["#c81e1e" if k in verdict.flagged else "#7a8ca0" for k in classes],
    )
    if math.isfinite(verdict.threshold):
        label = f"threshold {verdict.threshold:g}"
        axes.axhline(verdict.threshold, color="black", linewidth=1, linestyle="--", label=label)
        axes.legend(loc="best", frameon=False)
    if len(verdict.anomaly_index) <= 20:
        axes.set_xticks(range(len(verdict.anomaly_index)))
    axes.set_xlabel("class")
    axes.set_ylabel("anomaly index")
    axes.set_title(f"{result.scores.name}: {_headline(result)}", fontsize=10, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def _headline(result: Scanned) -> str:
    targets = ", ".join(map(str, result.verdict.flagged))
    return f"{result.verdict.name} (target {targets})" if targets else result.verdict.name
