"""Groups known by a few rows beyond the fit: their tables and predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, Ints
from mixedbayes.design.values import label
from mixedbayes.predict.few import Exact, Weighted
from mixedbayes.predict.importance import Importance, describe_mixture
from mixedbayes.predict.linear import Known
from mixedbayes.predict.predict import predict_given
from mixedbayes.predict.question import Groups, Kind, NewLevels, Scale
from mixedbayes.printable import printable
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import (
    COLUMNS,
    chosen,
    coef_kernel,
    constant_intercept,
    effect_rows,
    labelled_coef,
    only_intercept,
    population_of,
    with_constant,
)
from mixedbayes.results.tables import chained, stack
from mixedbayes.results.text import tabled


@dataclass(frozen=True, eq=False, repr=False)
class Conditioned:
    """New levels, known by a few rows: tables and predictions.

    Attributes
    ----------
    post
        The posterior before these rows.
    levels
        By grouping factor the new levels, as a design of the conditioning rows.
    n
        Number of conditioning rows.
    effects
        The new effects in each draw, factor by factor, level by level: normal where that is exact,
        else weighted proposals.
    seed
        Of the draws that predictions are made of.
    """

    post: Posterior
    levels: Mapping[str, GroupDesign]
    n: int
    effects: Exact | Weighted
    seed: int

    @property
    def importance(self) -> Importance:
        """Weights of the draws of `post`, with `pareto_k`, `ess` and `reliable`."""
        return self.effects.importance

    @tabled
    def ranef(self, prob: float = 0.95, *, group: str | None = None, draws: bool = False) -> Any:
        """Effects of the new levels: deviations from the population.

        The columns are those of the fit's `ranef`; `n` counts the conditioning rows. With
        ``draws=True`` a Dataset of `ranef_<group>` (chain, draw, level, term) of equal weights.
        """
        return self._effects(prob, group, draws, population=False)

    @tabled
    def coef(self, prob: float = 0.95, *, group: str | None = None, draws: bool = False) -> Any:
        """Coefficients of the new levels: population + deviation, as `ranef` gives them."""
        return self._effects(prob, group, draws, population=True)

    @tabled
    def predict(
        self,
        new: Any,
        *,
        groups: Groups = "auto",
        kind: Kind = "response",
        prob: float = 0.95,
        draws: bool = False,
        seed: int | None = None,
        progress: bool = True,
        new_levels: NewLevels = "draw",
        scale: Scale = "model",
    ) -> Any:
        """Predict new rows, of these levels and of any others, with the fit's `predict`.

        The conditioned levels have their own effects under ``groups="auto"`` and a list, and are
        not new.
        """
        return predict_given(
            self.posterior, new, self.known, groups=groups, kind=kind, prob=prob, draws=draws,
            seed=self.seed if seed is None else seed, progress=progress, new_levels=new_levels,
            scale=scale,
        )  # fmt: skip

    @cached_property
    def posterior(self) -> Posterior:
        """Draws of the fit's parameters given the rows too, of equal weights, by resampling."""
        draws, (index, _) = self.post.draws, self._drawn
        even = self.post.shape

        def taken(variable: xr.DataArray) -> xr.DataArray:
            ordered = variable.transpose(names.CHAIN, names.DRAW, ...)
            values = ordered.to_numpy().reshape(-1, *ordered.shape[2:])[index]
            return ordered.copy(data=values.reshape(*even, *ordered.shape[2:]))

        tree = xr.DataTree.from_dict({"posterior": draws.map(taken, keep_attrs=True)})
        return replace(self.post, idata=tree)

    @cached_property
    def known(self) -> dict[str, Known]:
        """Draws of the new effects that go with `posterior`, by grouping factor."""
        _, b = self._drawn
        out = {}
        for name, g in self.levels.items():
            effects = b[:, self._columns(name)].reshape(-1, g.n_levels, len(g.terms))
            texts = tuple(label(value) for value in g.levels)
            out[name] = Known(texts, np.ascontiguousarray(effects.transpose(1, 2, 0)))
        return out

    @cached_property
    def _drawn(self) -> tuple[Ints, Floats]:
        """Positions of draws of equal weight (S,), and their effects (S, D)."""
        return self.effects.drawn(self.seed)

    def _columns(self, name: str) -> slice:
        """Where the effects of one factor are among all D."""
        at = 0
        for other, g in self.levels.items():
            size = g.n_levels * len(g.terms)
            if other == name:
                return slice(at, at + size)
            at += size
        raise KeyError(name)

    def _effects(self, prob: float, group: str | None, draws: bool, *, population: bool) -> Any:
        wanted = [g.name for _, g in chosen(self.post, group) if g.name in self.levels]
        if draws:
            return xr.Dataset(dict(self._labelled(name, population) for name in wanted))
        tables = []
        for name in wanted:
            g, at = self.levels[name], self._columns(name)
            shift = np.tile(population_of(self.post, g), g.n_levels) if population else 0.0
            described = self.effects.describe(at, shift, prob)
            table = effect_rows(g).assign(**described)
            if population and constant_intercept(self.post, g):
                own = self.post.intercept()[:, None]
                weights = self.importance.weights
                whole = describe_mixture(own, np.zeros_like(own), weights, prob)
                table = with_constant(effect_rows(only_intercept(g)), whole, table)
            tables.append(table)
        return stack(tables, COLUMNS)

    def _labelled(self, name: str, population: bool) -> tuple[str, xr.DataArray]:
        g = self.levels[name]
        values = self.known[name].effects.transpose(2, 0, 1)
        if population:
            values = coef_kernel(values, population_of(self.posterior, g))
            return names.coef(name), labelled_coef(self.posterior, g, "mu", values)
        dims = names.group_dim(name), names.group_term_dim(name)
        coords = {dims[0]: g.levels.to_numpy(), dims[1]: list(g.terms)}
        array = xr.DataArray(
            chained(values, self.post.shape[0]), coords, (names.CHAIN, names.DRAW, *dims)
        )
        return names.ranef(name), array

    @property
    def warning(self) -> str:
        """Why the result is not reliable, and what to do; empty if it is."""
        if self.importance.reliable:
            return ""
        return (
            f"{self.importance.verdict}: the {self.n} row(s) say more about the parameters than "
            "these draws can show. Check the rows for mistakes, or fit again with them added to "
            "the data"
        )

    def __repr__(self) -> str:
        found = [
            f"{name} {', '.join(map(str, g.levels[:5]))}{', ...' if g.n_levels > 5 else ''}"
            for name, g in self.levels.items()
        ]
        said = f"Posterior given {self.n} row(s) of {'; '.join(found)}"
        return printable(f"{said}\n{self.importance.verdict}")
