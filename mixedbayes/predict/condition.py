"""The posterior of new groups from their few rows, without fitting again."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design import replay
from mixedbayes.design.table import eager
from mixedbayes.design.types import Design, Floats, GroupDesign, Ints, NewGroup, NewRows
from mixedbayes.design.values import label, row_name
from mixedbayes.errors import DataError, ModelError
from mixedbayes.predict.importance import IN_CLOSED_FORM, Importance, describe_mixture
from mixedbayes.predict.linear import Known, covariance_roots, predictor
from mixedbayes.predict.predict import predict_given
from mixedbayes.predict.question import Groups, Kind, NewLevels, Scale
from mixedbayes.predict.rows import FactorRows, PredictionRows
from mixedbayes.predict.streams import seed_of
from mixedbayes.predict.updating import Exact, NewData, Unseen, Weighted, exact, weighted
from mixedbayes.printable import printable
from mixedbayes.results.library import answer
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
from mixedbayes.results.tables import (
    EFFECT,
    OF_CHAINS,
    Description,
    Interval,
    Statistics,
    chained,
    stack,
)
from mixedbayes.results.text import tabled
from mixedbayes.terms.base import need_plain

MOST_EFFECTS = 500


def condition_on(post: Posterior, rows: Any, *, seed: int | None = None) -> Conditioned:
    """The posterior of groups that the fit has not seen, given a few of their rows.

    The result is the posterior with these rows added to the data. What the rows say about the
    parameters enters by weighting the draws with the rows' likelihood, the new effects integrated
    out. Of a gaussian model with identity link the new effects have, in every draw, their exact
    normal distribution given the rows. Of other models they are proposed near their mode in every
    draw, and weighted together with the draw by importance sampling.

    Parameters
    ----------
    post
        The posterior.
    rows
        Data frame with the response and all columns of the formula. Every row belongs to a level
        that the fit has not seen, of at least one grouping factor; several new levels may be given.
    seed
        Of the draws that predictions are made of; by default the fit's own.

    Returns
    -------
    Conditioned
        With `ranef`, `coef` and `predict` for the new levels.

    Warns
    -----
    UserWarning
        If the rows say so much beyond the fit that few of its draws carry the weight: Pareto k
        above its limit, or draws worth fewer than 100.

    Raises
    ------
    DataError
        Rows belong to levels of the fit alone, lack columns, or have responses that the family
        cannot have.
    ModelError
        There are no group effects; the new levels have effects on a further parameter too; only
        summaries of effects that the rows need were kept.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling,
    arXiv:1507.02646.
    """
    _check_model(post)
    rows = eager(rows)
    new = replay(post.design, rows, response=True)
    _check_rows(post.design, new)
    levels = {
        g.name: _new_design(g, new.groups[g.name])
        for g in post.design.mu.groups
        if (new.groups[g.name].refs < 0).any()
    }
    others = {name: _parameter(post, rows, name) for name in post.design.further}
    data, number = _new_data(post, new, levels, others), seed_of(post, seed)
    _check_support(data, new)
    effects = exact(data) if post.closed_form else weighted(data, number)
    result = Conditioned(post, levels, data.n, effects, number)
    if result.warning:
        warnings.warn(result.warning, UserWarning, stacklevel=3)
    return result


def _check_model(post: Posterior) -> None:
    if not post.design.mu.groups:
        raise ModelError(
            "the model has no group effects, so there is no new group to condition on; "
            "fit again with these rows added"
        )
    need_plain((g for p in post.predictors for g in p.groups), "condition_on()")


def _check_rows(design: Design, new: NewRows) -> None:
    """Every row brings a new level; there are not too many of them."""
    if not len(new.X):
        raise DataError("there are no rows to condition on")
    response = design.formula.response
    trials = response.trials and f"trials({response.trials})"
    for said, values in ((response.weighing, new.weights), (trials, new.trials)):
        if said and values is None:
            raise DataError(f"the rows lack the column(s) of {said}; add them")
    known = np.all([new.groups[g.name].refs >= 0 for g in design.mu.groups], axis=0)
    if known.any():
        finest = design.mu.groups[-1].name
        found = new.groups[finest].labels[known].unique()
        shown = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        raise DataError(
            f"{int(known.sum())} of {len(known)} rows belong to levels that are in the fit "
            f"({finest}: {shown}); condition_on() is for new levels. Leave these rows out, or fit "
            "again with them added to the data"
        )
    effects = 0
    for g in design.mu.groups:
        there = new.groups[g.name]
        effects += there.labels[there.refs < 0].nunique() * len(g.terms)
    if effects > MOST_EFFECTS:
        raise DataError(
            f"the rows bring {effects:,} new effects, more than {MOST_EFFECTS:,}; condition on "
            "fewer levels at a time, or fit again with the rows added to the data"
        )


def responses(design: Design, new: NewRows) -> Floats:
    """(m,) the responses, coded as those of the fit."""
    y, levels, labels = np.asarray(new.y), design.response_levels, new.response_levels
    if levels is None or levels == labels:
        return y
    values = [float(v) if labels is None else labels[int(v)] for v in y]
    unknown = [v for v in values if v not in levels]
    if unknown:
        raise DataError(
            f"{len(unknown)} of {len(values)} responses are categories that the fit has not seen, "
            f"such as {_shown(unknown[0])}; it has {', '.join(map(repr, levels))}"
        )
    return np.array([float(levels.index(v)) for v in values])


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _check_support(data: NewData, new: NewRows) -> None:
    """Every response is one that the family can have, and that some draw can expect."""
    family, some = data.family, np.arange(min(data.n_draws, 20))
    possible = family.supports(data.y, data.trials)
    said = f"impossible in a {family.name} model, which takes {family.takes}"
    if possible.all():
        with np.errstate(all="ignore"):
            possible = np.isfinite(data.density(some)(data.eta[:, some].T)).any(axis=0)
        said = "further from what the fit expects than numbers can tell"
    if not possible.all():
        first = int(np.argmin(possible))
        where = row_name(new.index, first)
        raise DataError(
            f"{int((~possible).sum())} of {data.n} responses are {said} (first in row "
            f"{where}: {data.y[first]:g}); correct these rows or leave them out"
        )


def _new_design(g: GroupDesign, new: NewGroup) -> GroupDesign:
    """The new levels, in order of appearance, with the conditioning rows that belong to them."""
    drawn = np.flatnonzero(new.refs < 0)
    refs, levels = pd.factorize(new.labels[drawn])
    first = drawn[np.unique(refs, return_index=True)[1]]
    parts = new.parts.iloc[first].reset_index(drop=True)
    return GroupDesign(
        g.name, g.factors, pd.Index(levels), parts, refs, g.terms, new.Z[drawn], g.blocks
    )


def _parameter(post: Posterior, rows: Any, name: str) -> Floats:
    """(S, m) a further parameter that has a formula of its own."""
    new = replay(post.design, rows, parameter=name)
    unseen = [g.name for g in new.groups.values() if (g.refs < 0).any()]
    if unseen:
        raise ModelError(
            f"{name} has effects of {', '.join(unseen)} too, and condition_on() finds those of the "
            "mean alone; fit again with these rows added"
        )
    known = tuple(FactorRows(key, g.Z, g.refs) for key, g in new.groups.items())
    read = PredictionRows(new.X, known, new.offset, None, None, new.index)
    eta = predictor(post, read, 0, {}, name).eta(slice(None))
    return post.family.parameter_link(name).inverse(eta, np).T


def _new_data(
    post: Posterior,
    new: NewRows,
    levels: Mapping[str, GroupDesign],
    others: Mapping[str, Floats],
) -> NewData:
    """The rows beyond what the draws know: population part and effects of levels of the fit."""
    known, unknown = [], []
    for name, group in new.groups.items():
        seen = group.refs >= 0
        if seen.any():
            codes = np.where(seen, group.refs, 0)
            known.append(FactorRows(name, group.Z * seen[:, None], codes))
        if name in levels:
            codes = np.full(len(seen), -1)
            codes[~seen] = levels[name].refs
            unknown.append(
                Unseen(group.Z, codes, levels[name].n_levels, covariance_roots(post, name))
            )
    rows = PredictionRows(new.X, tuple(known), new.offset, None, new.weights, new.index)
    eta = predictor(post, rows, 0, {}).eta(slice(None))
    return NewData(
        post.family,
        responses(post.design, new),
        eta,
        {**post.parameters(), **others},
        new.weights,
        new.trials,
        tuple(unknown),
        new.limits,
    )


# ---- their tables and predictions --------------------------------------------------------------


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

    def ranef(
        self,
        prob: float = 0.95,
        *,
        group: str | None = None,
        draws: bool = False,
        statistics: Statistics = None,
        interval: Interval = "eti",
    ) -> Any:
        """Effects of the new levels: deviations from the population.

        The columns are those of the fit's `ranef`; `n` counts the conditioning rows. With
        ``draws=True`` a Dataset of `ranef_<group>` (chain, draw, level, term) of equal weights.
        These are no chains, so that mcse, ess_bulk, ess_tail and rhat are refused.
        """
        how = Description.asked(prob, statistics, interval, default=EFFECT)
        found = self._effects(how, group, draws, population=False)
        return answer(found, self.post.design.library)

    def coef(
        self,
        prob: float = 0.95,
        *,
        group: str | None = None,
        draws: bool = False,
        statistics: Statistics = None,
        interval: Interval = "eti",
    ) -> Any:
        """Coefficients of the new levels: population + deviation, as `ranef` gives them."""
        how = Description.asked(prob, statistics, interval, default=EFFECT)
        found = self._effects(how, group, draws, population=True)
        return answer(found, self.post.design.library)

    @tabled
    def predict(
        self,
        new: Any,
        *,
        groups: Groups = "auto",
        kind: Kind = "response",
        target: str | None = None,
        prob: float = 0.95,
        draws: bool = False,
        seed: int | None = None,
        progress: bool = True,
        new_levels: NewLevels = "draw",
        scale: Scale = "model",
        statistics: Statistics = None,
        interval: Interval = "eti",
    ) -> Any:
        """Predict new rows, of these levels and of any others, with the fit's `predict`.

        The conditioned levels have their own effects under ``groups="auto"`` and a list, and are
        not new.
        """
        return predict_given(
            self.posterior, new, self.known, groups=groups, kind=kind, target=target,
            prob=prob, draws=draws, seed=self.seed if seed is None else seed, progress=progress,
            new_levels=new_levels, scale=scale, statistics=statistics, interval=interval,
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

    def _effects(
        self, how: Description, group: str | None, draws: bool, *, population: bool
    ) -> Any:
        wanted = [g.name for _, g in chosen(self.post, group) if g.name in self.levels]
        if draws:
            return xr.Dataset(dict(self._labelled(name, population) for name in wanted))
        if how.needs(*OF_CHAINS):
            lost = ", ".join(name for name in how.columns if name in OF_CHAINS)
            raise ModelError(
                f"{lost}: effects of new levels are weighted draws, not chains, and have none; "
                "`importance.ess` says how many draws these are worth"
            )
        closed = how.interval == "eti" and IN_CLOSED_FORM.issuperset(how.columns)
        tables = []
        for name in wanted:
            g = self.levels[name]
            described = (self._closed if closed else self._sampled)(g, how, population)
            table = effect_rows(g).assign(**described)
            if population and constant_intercept(self.post, g):
                whole = self._intercept(how, closed=closed)
                table = with_constant(effect_rows(only_intercept(g)), whole, table)
            tables.append(table)
        return stack(tables, COLUMNS)

    def _closed(self, g: GroupDesign, how: Description, population: bool) -> dict[str, Floats]:
        shift = np.tile(population_of(self.post, g), g.n_levels) if population else 0.0
        return self.effects.describe(self._columns(g.name), shift, how)

    def _sampled(self, g: GroupDesign, how: Description, population: bool) -> dict[str, Floats]:
        values = self.known[g.name].effects.transpose(2, 0, 1)
        if population:
            values = coef_kernel(values, population_of(self.posterior, g))
        return how.plain(values.reshape(len(values), -1).T)

    def _intercept(self, how: Description, *, closed: bool) -> dict[str, Floats]:
        if not closed:
            return how.plain(self.posterior.intercept()[None])
        own = self.post.intercept()[:, None]
        return describe_mixture(own, np.zeros_like(own), self.importance.weights, how)

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
