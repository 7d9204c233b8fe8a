"""The polling bench's picture: lateness against requests, per law, for fixed loops, the plan and the optimum."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from tests.bench.waits import Asked

mpl.use("Agg")
OURS, BEST, LOOPS = "#4056d6", "#9aa0a6", "#c9472b"


def draw_chart(path: Path, laws: Mapping[str, tuple[Mapping[str, Asked], Sequence[Asked], Sequence[Asked]]]) -> None:
    """Of each law: the fixed loops, the plan at several prices of a request, and the optimum at the same."""
    size = (5 * len(laws), 4.2)
    figure, panels = plt.subplots(1, len(laws), figsize=size, sharex=True, sharey=True, layout="constrained")
    for panel, (name, (fixed, ours, best)) in zip(panels, laws.items(), strict=True):
        panel.plot(*_points(best), "--", color=BEST, label="optimum, law known")
        panel.plot(*_points(ours), "o-", color=OURS, label="Dailies, law learned")
        panel.plot(*_points(list(fixed.values())), "x", color=LOOPS, label="fixed loops")
        _note(panel, fixed)
        panel.set(title=name, xlabel="requests of a task", xscale="log", yscale="log", xlim=(1.2, 150))
        panel.set_xticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
        panel.set_xticks([], minor=True)
    panels[0].set_ylabel("seconds from the end until it is noticed")
    panels[0].set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    panels[0].legend(frameon=False, loc="upper right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _points(asked: Sequence[Asked]) -> tuple[list[float], list[float]]:
    return [one.requests for one in asked], [one.late for one in asked]


def _note(panel: Axes, fixed: Mapping[str, Asked]) -> None:
    for name, one in fixed.items():
        panel.annotate(name.split(" to ")[0], (one.requests, one.late), (5, 4), textcoords="offset points", fontsize=8)
