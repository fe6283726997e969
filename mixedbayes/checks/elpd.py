"""Results of cross-validation: ArviZ's, with what was scored and who is influential, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from arviz_stats.utils import ELPDDataLOO, ELPDDataLOOKFold

from mixedbayes.checks.scored import Scored
from mixedbayes.results.text import plural

__all__ = ["Elpd", "KFold", "Loo"]


@dataclass(kw_only=True, repr=False)
class Loo(ELPDDataLOO):
    """Leave-one-out cross-validation; every ArviZ function that takes ELPDData takes it.

    Attributes
    ----------
    elpd, se, p
        Sum over the units left out of log p(y_unit | all others), its standard error, and the
        effective number of parameters.
    elpd_i, pareto_k
        Per unit; `pareto_k` is 0 where the model was fitted again without the unit, and
        `influence_pareto_k` is what it was before.
    scored
        Which response, which rows, and what a unit is.
    refitted
        Number of units for which the model was fitted again.
    """

    scored: Scored
    refitted: int = 0
    unconverged: int = 0

    @property
    def influence(self) -> pd.DataFrame:
        """One row per unit, the most influential first.

        Its label, elpd, p (effective number of parameters), pareto_k before any refit, whether it
        is above the limit, and whether the model was fitted again without it.
        """
        k = np.asarray(self.influence_pareto_k)
        table = self.scored.named().assign(
            elpd=np.asarray(self.elpd_i),
            p=np.asarray(self.p_loo_i),
            pareto_k=k,
            influential=k > self.good_k,
            refitted=np.asarray(self.pareto_k) != k,
        )
        return table.sort_values("pareto_k", ascending=False, ignore_index=True)

    @property
    def verdict(self) -> str:
        """Who is influential, and what that means for the estimate."""
        k = np.asarray(self.influence_pareto_k)
        high = np.flatnonzero(k > self.good_k)
        high = high[np.argsort(-k[high], kind="stable")]
        whats, what = self.scored.whats, self.scored.what
        if not len(high):
            return (
                f"No {what} moves the posterior too far for importance weights: Pareto k is at "
                f"most {k.max():.2f}, its limit {self.good_k:.2f}."
            )
        said = (
            f"{len(high):,} of {self.n_data_points:,} {whats} move the posterior far (Pareto k "
            f"above {self.good_k:.2f}): {self.scored.names(high)}."
        )
        left = int(np.sum(np.asarray(self.pareto_k) > self.good_k))
        if left:
            return f"{said} The estimate is not reliable for {left:,} of them; use refit=True."
        said += " For these the model was fitted again without them."
        if self.unconverged:
            said += f" {plural(self.unconverged, 'of these fits')} did not converge."
        return said

    def _header(self) -> str:
        return (
            f"Leave one {self.scored.what} out: {self.n_data_points:,} {self.scored.whats}, "
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
        Per unit.
    fold
        (units,) the fold of each unit.
    scored
        Which response, which rows, and what a unit is.
    """

    scored: Scored
    fold: Any
    unconverged: int = 0

    @property
    def verdict(self) -> str:
        if self.unconverged:
            return (
                f"{self.unconverged} of {self.n_folds} fits did not converge; fit with more draws "
                "or tuning before relying on the estimate."
            )
        return f"All {self.n_folds} fits converged."

    def _header(self) -> str:
        return f"{self.n_folds} folds of {self.n_data_points:,} {self.scored.whats}, fitted again"

    def _footer(self) -> str:
        return f"\n\n{self.verdict}"


Elpd = Loo | KFold
