"""Expected responses along a covariate: of everybody typical, and of one level."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design.build import smooths_of
from mixedbayes.design.types import Design, Floats, GroupDesign
from mixedbayes.design.used import names_in
from mixedbayes.errors import ModelError
from mixedbayes.estimands.grid import Columns, shown
from mixedbayes.families.links import Inverse
from mixedbayes.plots import style
from mixedbayes.plots.multiples import Covariate, mean_columns, straight
from mixedbayes.predict.predict import predict
from mixedbayes.results.fitted import linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import tails

_WHOLE = "\u00a0"  # a blank at which no line ends


_LINE, _CURVE = 40, 120  # places along an axis


def n_places(design: Design, name: str) -> int:
    """How many places along a column show what depends on it: more where it is in a smooth."""
    smooths = (s for p in design.predictors for s in smooths_of(design, p.parameter))
    bent = any(name in names_in(v) for s in smooths for v in s.said.variables)
    return _CURVE if bent else _LINE


def places(axis: Covariate, frame: pd.DataFrame, points: int) -> tuple[Floats, pd.Series | None]:
    """Places along an axis, and the values there of the column it shows, if it shows one."""
    shown = axis.name in frame.columns
    if axis.categories is None:
        at = np.linspace(axis.x.min(), axis.x.max(), points)
        return at, pd.Series(at) if shown else None
    at = np.arange(len(axis.categories), dtype=float)
    first = [int(np.flatnonzero(axis.x == k)[0]) for k in at]
    return at, frame[axis.name].iloc[first].reset_index(drop=True) if shown else None


@dataclass(frozen=True, eq=False)
class Standing:
    """Where the columns stand that do not run along an axis: as given, else at typical values.

    Numbers are typically at their mean, categories at their commonest level.
    """

    columns: Columns
    axis: Covariate
    given: Mapping[str, Any] = field(default_factory=dict)

    def at(self, more: Mapping[str, Any]) -> Standing:
        """The same with more columns given."""
        return replace(self, given={**self.given, **more})

    def rows(
        self,
        values: pd.Series | None,
        labels: Mapping[str, Any],
        n: int,
        own: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """n rows with given values of the axis.

        Parameters
        ----------
        values
            Of the column along the axis; None where it shows none.
        labels
            Of the grouping columns.
        own
            Values of columns that are a level's own, where they are not given.
        """
        typical = {name: self.columns.typical(name) for name in self.columns.names}
        new = pd.DataFrame(index=range(n))
        for name, value in {**typical, **(own or {}), **self.given}.items():
            new[name] = self.columns.column(name, [value] * n)
        for name, value in labels.items():
            new[name] = pd.Series([value] * n)
        if values is not None:
            new[self.axis.name] = values.array
        return new

    def words(self, post: Posterior, width: float, but: Collection[str] = ()) -> str:
        """At which values columns stand that the expected response depends on.

        "at arm = b, dose = 2.5", in lines for a panel so many inches wide; those in `but` are left
        out, and it is empty where there are none.
        """
        others = [
            c
            for c in mean_columns(post)
            if c not in (self.axis.name, *but)
            and c in self.columns.names
            and c not in self.columns.grouping
        ]
        each = (f"{c} = {shown(self.given.get(c, self.columns.typical(c)))}" for c in others)
        said = ", ".join(text.replace(" ", _WHOLE) for text in each)
        return style.in_lines(f"at {said}", width).replace(_WHOLE, " ") if said else ""

    def own(self, g: GroupDesign) -> dict[str, pd.Series]:
        """Columns that do not vary within any level of a factor: (J,) values of its levels."""
        frame, found = self.columns.frame, {}
        for name in self.columns.names:
            if name in (self.axis.name, *self.given, *self.columns.factors):
                continue
            codes = pd.factorize(frame[name], use_na_sentinel=False)[0]
            if len(np.unique(np.column_stack([g.refs, codes]), axis=0)) == g.n_levels:
                first = np.unique(g.refs, return_index=True)[1]
                found[name] = frame[name].iloc[first].reset_index(drop=True)
        return found


def curve_parts(post: Posterior, g: GroupDesign) -> list[str]:
    """The factor by name, with all parts of the curves of its levels, s(x, g, bs="fs")."""
    parts = [f.name for f in post.design.mu.factors if g.within and f.within == g.within]
    return parts or [g.name]


def labels_of(g: GroupDesign, j: int) -> dict[str, Any]:
    """The grouping columns of one level of the fit."""
    return {factor: g.parts[factor].iloc[j] for factor in g.factors}


def arm_of(g: GroupDesign, j: int) -> dict[str, Any]:
    """The arm of one level, where the covariance of the effects differs by it."""
    return {} if g.arms is None else {g.arms.by: g.arms.levels[g.arms.of_level[j]]}


def unseen(g: GroupDesign | None) -> dict[str, Any]:
    """Values of the grouping columns that the fit has not seen; none without a factor."""
    found: dict[str, Any] = {}
    if g is None:
        return found
    for factor in g.factors:
        known = g.parts[factor]
        if pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known):
            found[factor] = known.max() + 1
            continue
        label = "new"
        while label in set(map(str, known)):
            label += "_"
        found[factor] = label
    return found


Who = Literal["own", "typical", "average"]


def expected(
    post: Posterior, g: GroupDesign | None, new: pd.DataFrame, who: Who, prob: float
) -> pd.DataFrame:
    """Mean, lower and upper of the expected response at new rows, response scale.

    "own": with the effects of the factor's levels that the rows name, of their whole curves where
    these are parts of one, new ones drawn from the population, those of other factors 0;
    "typical": all effects 0; "average": over the population.
    """
    groups: Any = curve_parts(post, g) if who == "own" and g is not None else who
    return predict(post, new, groups=groups, kind="mean", prob=prob, progress=False)


def has_average(post: Posterior) -> bool:
    """Whether the mean over groups differs from that of a typical group, and exists."""
    return (
        bool(post.design.mu.factors)
        and not straight(post.family)
        and not isinstance(post.family.link, Inverse)
        and not post.family.no_average
    )


def numeric(axis: Covariate, picture: str) -> None:
    """Raise ModelError unless the axis has numbers."""
    if axis.categories is not None:
        raise ModelError(
            f"{picture} needs a numeric covariate along its axis, and {axis.name} has categories: "
            "name another with x="
        )


# ---- the fit of one level ----------------------------------------------------------------------


Rows = NDArray[np.intp]

_GRID = 25  # points of a line under a link that bends it


@dataclass(frozen=True, eq=False)
class Curve:
    """The fit of one level along x, on the response scale."""

    x: Floats  # (m,)
    mean: Floats  # (m,)
    band: Floats  # (2, m)
    population: Floats  # (m,) with every group effect 0
    line: bool  # whether the points lie on one curve, or stand alone


@dataclass(frozen=True, eq=False)
class _Places:
    """Draws of what the fit depends on, at places along the axis."""

    x: Floats  # (m,)
    eta: Floats  # (S, m)
    population: Floats  # (S, m) with every group effect 0
    own: Mapping[str, Floats]  # the family's parameters, (S, ...) or (S, m)
    line: bool


def curve(
    post: Posterior, rows: Rows, axis: Covariate, prob: float, *, alone: bool = True
) -> Curve:
    """The expected response at one level's rows, along the axis.

    Rows at the same x with the same prediction count once. Where x stands `alone`, nothing else
    that the prediction depends on varying over the rows, they form one line, straight on the link
    scale between neighbours; else they are single points.
    """
    at, family = _places(post, rows, axis, alone), post.family
    mean, typical = (
        family.expectation(family.inverse(eta, np), at.own) for eta in (at.eta, at.population)
    )
    band = np.quantile(mean, tails(prob), axis=0)
    return Curve(at.x, mean.mean(axis=0), band, typical.mean(axis=0), at.line)


def category_curves(
    post: Posterior, rows: Rows, axis: Covariate, prob: float, *, alone: bool = True
) -> list[Curve]:
    """As `curve`, the probability of each ordered category."""
    at, family = _places(post, rows, axis, alone), post.family
    p, typical = (
        family.probabilities(family.inverse(eta, np), at.own) for eta in (at.eta, at.population)
    )
    band = np.quantile(p, tails(prob), axis=0)  # (2, m, K)
    mean, typical = p.mean(axis=0), typical.mean(axis=0)
    return [
        Curve(at.x, mean[:, k], band[:, :, k], typical[:, k], at.line) for k in range(p.shape[-1])
    ]


def probabilities(post: Posterior, rows: Rows) -> Floats:
    """(m, K) posterior mean probability of each ordered category at some rows."""
    mu = post.family.inverse(linear_predictor(post, rows).T, np)
    return post.family.probabilities(mu, row_parameters(post, rows)).mean(axis=0)


def _places(post: Posterior, rows: Rows, axis: Covariate, alone: bool) -> _Places:
    eta = linear_predictor(post, rows).T
    population = linear_predictor(post, rows, without=[g.name for g in post.design.mu.factors]).T
    x = axis.x[rows]
    places, first = np.unique(
        np.column_stack([x, _rounded(eta.mean(axis=0))]), axis=0, return_index=True
    )
    x, eta, population = places[:, 0], eta[:, first], population[:, first]
    by_row = post.design.further
    own = {k: v[:, first] if k in by_row else v for k, v in row_parameters(post, rows).items()}
    line = alone and axis.categories is None and len(x) > 1 and bool(np.all(np.diff(x) > 0))
    if line and not straight(post.family):
        grid = np.linspace(x[0], x[-1], _GRID)
        eta, population = _between(grid, x, eta), _between(grid, x, population)
        own = {k: _between(grid, x, v) if k in by_row else v for k, v in own.items()}
        x = grid
    return _Places(x, eta, population, own, line)


def _between(grid: Floats, x: Floats, draws: Floats) -> Floats:
    return np.array([np.interp(grid, x, row) for row in draws])


def _rounded(a: Floats) -> Floats:
    scale = np.ptp(a) or np.abs(a).max() or 1.0
    return np.round(a / scale, 9)
