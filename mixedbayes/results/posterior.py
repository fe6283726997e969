"""The posterior as arrays: what every table, picture and prediction reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Design, GroupDesign
from mixedbayes.families.base import Family

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of every parameter of one model, by name, stacked over chains and draws (S,).

    A model without a predictor's intercept or without population effects has zero or no columns
    there, never a missing method.
    """

    design: Design
    family: Family
    idata: xr.DataTree

    @property
    def draws(self) -> xr.Dataset:
        return self.idata["posterior"].to_dataset()

    def stacked(self, name: str) -> Floats:
        """One variable as (S, ...), chains one after the other."""
        values = self.draws[name].transpose(names.CHAIN, names.DRAW, ...).to_numpy()
        return values.reshape(-1, *values.shape[2:])

    @property
    def n_draws(self) -> int:
        return int(self.draws.sizes[names.CHAIN] * self.draws.sizes[names.DRAW])

    def intercept(self) -> Floats:
        """(S,) intercept at predictor value zero; zeros where the formula has none."""
        if not self.design.mu.intercept:
            return np.zeros(self.n_draws)
        return self.stacked(names.intercept())

    def fixef(self) -> Floats:
        """(S, p) population slopes, the intercept not among them."""
        if not self.design.mu.terms:
            return np.zeros((self.n_draws, 0))
        return self.stacked(names.fixef())

    def sd(self, group: str) -> Floats:
        """(S, q) standard deviations of a grouping factor's effects."""
        return self.stacked(names.sd(group))

    def cor(self, group: str) -> Floats:
        """(S, q, q) correlations of a grouping factor's effects; identity where uncorrelated."""
        g = self.group(group)
        if g.correlated:
            return self.stacked(names.cor(group))
        q = len(g.terms)
        return np.broadcast_to(np.eye(q), (self.n_draws, q, q))

    def cov(self, group: str) -> Floats:
        """(S, q, q) covariance of a grouping factor's effects."""
        sd = self.sd(group)
        return self.cor(group) * sd[:, :, None] * sd[:, None, :]

    def ranef(self, group: str) -> Floats:
        """(S, J, q) group effects, deviations from the population."""
        return self.stacked(names.ranef(group))

    def parameters(self) -> Mapping[str, Floats]:
        """(S,) draws of the family's own parameters, such as sigma."""
        return {name: self.stacked(name) for name in self.family.parameters}

    def group(self, name: str) -> GroupDesign:
        return self.design.mu.group(name)

    def sample_stats(self) -> Any:
        return self.idata["sample_stats"].to_dataset()
