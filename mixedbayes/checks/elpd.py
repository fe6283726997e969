"""Results of cross-validation: ArviZ's, with what was scored and who is influential, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from arviz_stats.utils import ELPDDataLOO, ELPDDataLOOKFold

from mixedbayes.checks.held_out import HeldOut
from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.results.text import plural

__all__ = ["Elpd", "KFold", "Loo"]


WEIGHTED = "weighted"
INTEGRATED = "integrated"
REFITTED = "refitted"


def standard_error(elpd: Floats, copies: Floats | None = None) -> float:
    """sqrt(n Var) of a sum of n scores; those of `copies` equal ones are given as their sum."""
    if copies is None:
        return float(np.sqrt(len(elpd) * np.var(elpd)))
    n, total = copies.sum(), elpd.sum()
    return float(np.sqrt(np.sum(copies * (elpd / copies - total / n) ** 2)))


def _above(k: Floats, limit: float) -> Ints:
    high = np.flatnonzero(k > limit)
    return high[np.argsort(-k[high], kind="stable")]


@dataclass(kw_only=True, repr=False)
class Loo(ELPDDataLOO):
    """Leave-one-out cross-validation; every ArviZ function that takes ELPDData takes it.

    Attributes
    ----------
    elpd, se, p
        Sum over the units left out of log p(y_unit | all others), its standard error, and the
        effective number of parameters.
    elpd_i, p_loo_i, pareto_k
        Per unit; `pareto_k` is what it was in the end, 0 where the model was fitted again without
        the unit and -1 where all draws weigh the same, and `influence_pareto_k` what it was at
        first. p is the log of the mean density given all effects, less elpd. Of a row that stands
        for several observations (whole weights) elpd and p are the sums of theirs, each with all
        others known.
    held_out
        Which response, which rows, and what a unit is.
    how
        (units,) how each was scored: "weighted", "integrated" or "refitted".
    unconverged
        Number of fits without a unit that did not converge.
    integral_k
        (units,) Pareto k of the integrals over a level's effects that are importance sampled; -inf
        where they are exact or by quadrature, empty for observations.
    """

    elpd_i: Any = None
    p_loo_i: Any = None
    pareto_k: Any = None
    held_out: HeldOut
    how: Any
    unconverged: int = 0
    integral_k: Any = ()

    @property
    def rough(self) -> Ints:
        """Units whose effects could not be integrated out reliably, the worst first."""
        return _above(np.asarray(self.integral_k, float), self.good_k)

    @property
    def refitted(self) -> int:
        """Number of units for which the model was fitted again."""
        return int(np.sum(self.how == REFITTED))

    @property
    def high(self) -> Ints:
        """Units whose Pareto k is above the limit, the highest first."""
        k = np.asarray(self.pareto_k)
        return _above(k, self.good_k)

    @property
    def influence(self) -> pd.DataFrame:
        """One row per unit, the most influential first.

        Its label, elpd, p (effective number of parameters), the first pareto_k, whether that is
        above the limit, and how it was scored.
        """
        k = np.asarray(self.influence_pareto_k)
        table = self.held_out.named().assign(
            elpd=np.asarray(self.elpd_i),
            p=np.asarray(self.p_loo_i),
            pareto_k=k,
            influential=k > self.good_k,
            how=self.how,
        )
        return table.sort_values("pareto_k", ascending=False, ignore_index=True)

    @property
    def verdict(self) -> str:
        """Who is influential, and what that means for the estimate."""
        k = np.asarray(self.influence_pareto_k)
        first, left = _above(k, self.good_k), self.high
        integrated = self.how == INTEGRATED
        again = self.held_out.count(first[integrated[first]])
        own = self.held_out.count(np.flatnonzero(integrated)) - again
        about = [self._roughly, self.held_out.note]
        if own:
            every = "all" if own == self.n_data_points else f"{own:,}"
            about.append(
                f"For {every} {self.held_out.whats} the effects of groups with few rows are "
                "integrated out."
            )
        if not len(first):
            none = (
                f"No {self.held_out.what} moves the posterior too far for importance weights: "
                f"Pareto k is at most {k.max():.2f}, its limit {self.good_k:.2f}."
            )
            return " ".join(filter(None, [none, *about]))
        said = [
            f"{self.held_out.count(first):,} of {self.n_data_points:,} {self.held_out.whats} move "
            f"the posterior far (Pareto k above {self.good_k:.2f}): {self.held_out.names(first)}."
        ]
        if again:
            which = "all" if again == self.held_out.count(first) else f"{again:,}"
            settled = "" if len(left) else ", which makes the estimate reliable"
            said.append(f"For {which} of them the group effects were integrated out{settled}.")
        if self.refitted:
            refitted = self.held_out.count(np.flatnonzero(self.how == REFITTED))
            said.append(f"For {refitted:,} the model was fitted again without them.")
        if self.unconverged:
            said.append(f"{plural(self.unconverged, 'fit')} did not converge.")
        if len(left):
            unreliable = self.held_out.count(left)
            said.append(f"The estimate is not reliable for {unreliable:,}; use refit=True.")
        return " ".join(filter(None, [*said, *about]))

    @property
    def _roughly(self) -> str:
        rough = self.rough
        if not len(rough):
            return ""
        worst = np.asarray(self.integral_k)[rough[0]]
        return (
            f"The effects of {self.held_out.names(rough)} integrate out only roughly (Pareto k of "
            f"the integral up to {worst:.2f}): take the estimate as rough there."
        )

    def copy(self) -> Loo:
        """The same scores, to be changed without changing these."""
        arrays = ("elpd_i", "p_loo_i", "pareto_k", "influence_pareto_k", "how")
        return replace(self, **{name: getattr(self, name).copy() for name in arrays})

    def replace(self, unit: int, elpd: float, pareto_k: float, how: str) -> None:
        """Put another score of one unit in the place of the first, and sum up again.

        Of a row that stands for several observations it is the score of each.
        """
        scores, k, p = (np.array(x) for x in (self.elpd_i, self.pareto_k, self.p_loo_i))
        elpd *= 1.0 if self.held_out.copies is None else self.held_out.copies[unit]
        p[unit] += scores[unit] - elpd
        scores[unit], k[unit], self.how[unit] = elpd, pareto_k, how
        self.elpd_i, self.pareto_k = self.elpd_i.copy(data=scores), self.pareto_k.copy(data=k)
        self.p_loo_i = self.p_loo_i.copy(data=p)
        self.elpd, self.p = float(scores.sum()), float(p.sum())
        self.se = standard_error(scores, self.held_out.copies)
        self.warning = bool(np.any(k > self.good_k)) or len(self.rough) > 0

    def _header(self) -> str:
        return (
            f"Leave one {self.held_out.what} out: {self.n_data_points:,} {self.held_out.whats}, "
            f"{self.n_samples:,} draws"
        )

    def _footer(self) -> str:
        return f"\n\n{self.verdict}"


@dataclass(kw_only=True, repr=False)
class KFold(ELPDDataLOOKFold):
    """K-fold cross-validation by fitting again; every ArviZ function that takes ELPDData takes it.

    Attributes
    ----------
    elpd, se, p
        Sum over units of log p(y_unit | the other folds), its standard error, and the effective
        number of parameters.
    elpd_i, p_kfold_i
        Per unit; of a row that stands for several observations (whole weights) the sum of theirs.
    fold
        (units,) the fold of each unit; where rows stand for several observations (units, folds),
        how many of them are in each.
    held_out
        Which response, which rows, and what a unit is.
    """

    held_out: HeldOut
    fold: Any
    unconverged: int = 0

    @property
    def verdict(self) -> str:
        """Whether all fits converged."""
        if self.unconverged:
            return (
                f"{self.unconverged} of {self.n_folds} fits did not converge; fit with more draws "
                "or tuning before relying on the estimate."
            )
        return " ".join(filter(None, [f"All {self.n_folds} fits converged.", self.held_out.note]))

    def _header(self) -> str:
        return f"{self.n_folds} folds of {self.n_data_points:,} {self.held_out.whats}, fitted again"

    def _footer(self) -> str:
        return f"\n\n{self.verdict}"


Elpd = Loo | KFold


# ---- models beside each other ------------------------------------------------------------------


Method = Literal["stacking", "BB-pseudo-BMA", "pseudo-BMA"]
MOST_OBSERVATIONS = 10**7  # that rows which count several times are written out to


def compare_elpd(scores: Mapping[str, Elpd], method: Method = "stacking") -> pd.DataFrame:
    """Rank models by elpd, with the standard errors of the differences and weights.

    Parameters
    ----------
    scores
        Results of `loo` or `kfold` by the models' names.
    method
        Of the weights: "stacking", "BB-pseudo-BMA" or "pseudo-BMA".

    Returns
    -------
    DataFrame of `arviz_stats.compare`, the best model first, not rounded.

    Raises
    ------
    ModelError
        Fewer than two models; scores of different responses, rows, targets or folds.

    References
    ----------
    Yao, Vehtari, Simpson & Gelman (2018), doi:10.1214/17-BA1091.
    """
    if len(scores) < 2:
        raise ModelError(f"a comparison needs at least two models, got {len(scores)}")
    for (a, first), (b, second) in pairwise(scores.items()):
        difference = first.held_out.difference(second.held_out) or _ways(first, second)
        if difference is not None:
            raise ModelError(f"{a!r} and {b!r} cannot be compared: {difference}")
    from arviz_stats import compare

    return compare({k: _written_out(v) for k, v in scores.items()}, method=method, round_to="none")


def _written_out(score: Elpd) -> Elpd:
    """The scores of single observations, where rows stand for several."""
    copies = score.held_out.copies
    if copies is None:
        return score
    if copies.sum() > MOST_OBSERVATIONS:
        raise ModelError(
            f"the rows count {copies.sum():,.0f} times, and scores of more than "
            f"{MOST_OBSERVATIONS:,} observations are not compared; each result of loo() and "
            "kfold() has its own elpd and se"
        )
    at = np.repeat(np.arange(len(copies)), copies.astype(int))
    out = replace(score, elpd_i=(score.elpd_i / copies)[at])
    if isinstance(out, Loo):
        out.pareto_k = out.pareto_k[at]
    return out


def _ways(a: Elpd, b: Elpd) -> str | None:
    """How the scores were made, where they were made in different ways."""
    if type(a) is not type(b):
        return "one was scored by leaving one out, the other by folds"
    if isinstance(a, KFold) and isinstance(b, KFold) and not np.array_equal(a.fold, b.fold):
        return "the folds differ; use the same k and seed"
    return None
