"""Draw how far the models' own estimates can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_COLOURS = ("#1b6ca8", "#b0b0b0", "#d08c3c")


def draw(models: dict[str, Any], path: Path) -> None:
    """Write the reliability diagram (Niculescu-Mizil and Caruana 2005): the closer to the diagonal, the better."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4, 3.6), dpi=110)
    judged = {model: one["reliability"] for model, one in models.items() if "reliability" in one}
    least = min((min(row["believed"], row["reached"]) for one in judged.values() for row in one["bins"]), default=0.0)
    axes.plot([0, 1], [0, 1], color="#404040", linewidth=0.8, linestyle="--")
    # The first model is drawn last, over the others.
    for (model, one), colour in reversed(list(zip(judged.items(), _COLOURS, strict=False))):
        believed, reached = ([row[key] for row in one["bins"]] for key in ("believed", "reached"))
        axes.plot(believed, reached, "o-", color=colour, markersize=4.5, label=f"{model}, error {one['error']:.3f}")
    low = max(0.0, least - 0.05)
    axes.set(xlim=(low, 1.01), ylim=(low, 1.01), xlabel="predicted_iou", ylabel="IoU reached", aspect="equal")
    axes.legend(frameon=False, loc="upper left", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)
