"""What `compare` measured: every value, a summary, a picture."""

import itertools
import json
import os
from pathlib import Path

import numpy as np

_PREFERRED = ("val_accuracy", "val_loss", "accuracy", "loss")
_LARGER_IS_BETTER = ("acc", "auc", "precision", "recall", "f1", "iou", "r2")


class Comparison:
    """The runs of a sweep.

    Args:
        runs: A dictionary for each run: `contender`, `rate`, `seed`, `seconds`, `diverged`, `steps` at the end of each
            epoch, `history` (lists by metric), and `failure` where a worker was lost.
        metric: Name in the logs by which rates are picked and contenders ranked, or None for the first of
            `val_accuracy`, `val_loss`, `accuracy`, `loss` that was logged.

    Raises:
        ValueError: If `metric` was not logged.
    """

    def __init__(self, runs, metric=None):
        self.runs = list(runs)
        logged = {name for run in self.runs for name in run["history"]}
        if metric is None:
            metric = next((name for name in _PREFERRED if name in logged), None)
        elif logged and metric not in logged:
            raise ValueError(f"Argument `metric` must be one of {sorted(logged)}. Received: metric={metric}")
        self.metric = metric

    @property
    def failures(self):
        """The runs that were lost, each with its `failure`."""
        return [run for run in self.runs if "failure" in run]

    @property
    def frame(self):
        """A pandas frame with a row a contender, rate, seed, epoch and metric: `value`, `step`, `diverged`."""
        import pandas

        rows = [
            (run["contender"], run["rate"], run["seed"], epoch + 1, run["steps"][epoch], name, value, run["diverged"])
            for run in self.runs
            for name, values in run["history"].items()
            for epoch, value in enumerate(values)
        ]
        columns = ["contender", "rate", "seed", "epoch", "step", "metric", "value", "diverged"]
        return pandas.DataFrame(rows, columns=columns)

    def best(self):
        """Return, for each contender, the runs at the rate whose final metric is best in the mean over the seeds."""
        groups = {}
        for run in self.runs:
            if "failure" not in run:
                groups.setdefault(run["contender"], {}).setdefault(run["rate"], []).append(run)
        return {name: max(by_rate.values(), key=self._score) for name, by_rate in groups.items()}

    def _score(self, runs):
        """A number that is larger for better runs, and least when one of them diverged."""
        mean = np.mean([run["history"][self.metric][-1] for run in runs])
        sign = 1 if any(part in self.metric.lower() for part in _LARGER_IS_BETTER) else -1
        return sign * mean if np.isfinite(mean) else -np.inf

    def table(self):
        """Return a pandas frame with a row a contender, best first: final mean and spread over seeds at its best rate.

        `spread` is the standard deviation over the seeds (NaN for one), `seconds` the median of a run with its
        compilation, `diverged` and `failed` count runs of the whole grid.
        """
        import pandas

        rows = []
        best = self.best()
        for name in sorted(best, key=lambda name: -self._score(best[name])):
            final = [run["history"][self.metric][-1] for run in best[name]]
            all_ = [run for run in self.runs if run["contender"] == name]
            rows.append(
                {
                    "contender": name,
                    "rate": best[name][0]["rate"],
                    self.metric: np.mean(final),
                    "spread": np.std(final, ddof=1) if len(final) > 1 else np.nan,
                    "seconds": np.median([run["seconds"] for run in all_ if "failure" not in run]),
                    "runs": len(all_),
                    "diverged": sum(run["diverged"] for run in all_),
                    "failed": sum("failure" in run for run in all_),
                }
            )
        return pandas.DataFrame(rows).set_index("contender") if rows else pandas.DataFrame()

    def plot(self, metric=None, ax=None):
        """Draw the curves of every contender at its best rate, with a band over the seeds; return the Axes.

        Args:
            metric: Name in the logs; by default the one that ranks.
            ax: Axes to draw into; a new figure by default.
        """
        from kerasopt import plotting

        metric = metric or self.metric
        best = {name: [run["history"][metric] for run in runs] for name, runs in self.best().items()}
        length = max(len(values) for runs in best.values() for values in runs)  # A callback may have ended some early.
        curves = {n: [values + [np.nan] * (length - len(values)) for values in runs] for n, runs in best.items()}
        return plotting.plot_curves(curves, ax=ax, ylabel=metric.replace("_", " "))

    def plot_rates(self, metric=None, ax=None):
        """Draw the final value against the rate for every contender, with a band over the seeds; return the Axes.

        A rate at which a run diverged has no point, so a line that ends early shows where training broke down.

        Args:
            metric: Name in the logs; by default the one that ranks.
            ax: Axes to draw into; a new figure by default.
        """
        from kerasopt import plotting

        metric = metric or self.metric
        ax = ax if ax is not None else plotting.subplots()[1]
        groups = {}
        for run in self.runs:
            if "failure" not in run:
                value = np.nan if run["diverged"] else run["history"][metric][-1]
                groups.setdefault(run["contender"], {}).setdefault(run["rate"], []).append(value)
        for (name, by_rate), marker in zip(groups.items(), itertools.cycle(plotting.MARKERS), strict=False):
            rates = sorted(by_rate)
            values = np.array([[np.mean(by_rate[r]), np.min(by_rate[r]), np.max(by_rate[r])] for r in rates])
            (line,) = ax.plot(rates, values[:, 0], marker=marker, ms=3.5, label=name)
            ax.fill_between(rates, values[:, 1], values[:, 2], color=line.get_color(), alpha=0.2, linewidth=0)
        ax.set(xlabel="learning rate", ylabel=metric.replace("_", " "), xscale="log")
        ax.legend(frameon=False)
        return ax

    def save(self, path):
        """Write everything to a JSON file at `path`, whole or not at all."""
        part = Path(f"{path}.part")
        part.write_text(json.dumps({"metric": self.metric, "runs": self.runs}))
        os.replace(part, path)

    @classmethod
    def load(cls, path):
        """Return what `save` wrote at `path`."""
        content = json.loads(Path(path).read_text())
        return cls(content["runs"], content["metric"])

    def __repr__(self):
        return f"Comparison by {self.metric}, {len(self.runs)} runs\n{self.table().to_string()}"

    def _repr_html_(self):
        """Return the table, as notebooks show it."""
        return self.table().to_html(float_format="{:.4g}".format)
