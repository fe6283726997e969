"""Tables and predictions of new groups that are known by a few rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, Ints, Residual
from mixedbayes.design.values import label
from mixedbayes.errors import ModelError
from mixedbayes.predict.carried import Seen, of_fit
from mixedbayes.predict.importance import IN_CLOSED_FORM, Importance, describe_mixture
from mixedbayes.predict.linear import Known, Moving
from mixedbayes.predict.predict import predict_given
from mixedbayes.predict.question import Groups, Kind, NewLevels, Scale
from mixedbayes.predict.updating import Exact, Weighted
from mixedbayes.printable import printable
from mixedbayes.results.library import answer
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import (
    COLUMNS,
    chosen,
    coef_kernel,
    constant_intercept,
    labelled_coef,
    only_intercept,
    population_of,
    present,
    rows_of,
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
from mixedbayes.terms.given_rows import joined


@dataclass(frozen=True, eq=False, repr=False)
class Conditioned:
    """New levels, known by a few rows: tables and predictions.

    Attributes
    ----------
    post
        The posterior before these rows.
    unseen
        The new levels of each grouping factor, as a design of the conditioning rows, with the
        parameter that they have effects on: "mu", or a further one.
    n
        Number of conditioning rows.
    effects
        The new effects in each draw, in the order of `unseen`, level by level: normal where that is
        exact, else weighted proposals.
    seed
        Of the draws that predictions are made of.
    """

    post: Posterior
    unseen: tuple[Moving, ...]
    n: int
    effects: Exact | Weighted
    seed: int

    @property
    def levels(self) -> dict[str, GroupDesign]:
        """By grouping factor the new levels, as a design of the conditioning rows."""
        return {g.name: g for _, g in reversed(self.unseen)}

    @property
    def importance(self) -> Importance:
        """Weights of the draws of `post`, with `pareto_k`, `ess` and `reliable`."""
        return self.effects.importance

    @overload
    def ranef(
        self, prob: float = 0.95, *, group: str | None = None, draws: Literal[False] = False,
        statistics: Statistics = None, interval: Interval = "eti",
    ) -> pd.DataFrame: ...  # fmt: skip

    @overload
    def ranef(
        self, prob: float = 0.95, *, group: str | None = None, draws: Literal[True],
        statistics: Statistics = None, interval: Interval = "eti",
    ) -> xr.Dataset: ...  # fmt: skip

    @overload
    def ranef(
        self, prob: float = 0.95, *, group: str | None = None, draws: bool,
        statistics: Statistics = None, interval: Interval = "eti",
    ) -> pd.DataFrame | xr.Dataset: ...  # fmt: skip

    def ranef(
        self,
        prob: float = 0.95,
        *,
        group: str | None = None,
        draws: bool = False,
        statistics: Statistics = None,
        interval: Interval = "eti",
    ) -> pd.DataFrame | xr.Dataset:
        """Effects of the new levels: deviations from the population.

        The columns are those of the fit's `ranef`, `parameter` among them where further parameters
        have formulas; `n` counts the conditioning rows. With ``draws=True`` a Dataset of
        `ranef_<group>` (chain, draw, level, term) of equal weights. These are no chains, so that
        mcse, ess_bulk, ess_tail and rhat are refused.

        Parameters
        ----------
        prob
            Probability of the interval.
        group
            One grouping factor; all by default.
        draws
            Return the draws instead: a Dataset of `ranef_<group>` (chain, draw, level, term) of
            equal weights.
        statistics
            Columns in the place of those below, by name: "mean", "sd", "median", "mad",
            "prob_positive", "mcse", "ess_tail".
        interval
            "eti": equal tails; "hdi": highest density, the shortest.

        Returns
        -------
        DataFrame
            The columns of `Fit.ranef`; `n` counts the conditioning rows. These are no chains, so
            that mcse, ess_bulk, ess_tail and rhat are refused.

        Raises
        ------
        ModelError
            There is no such grouping factor, or a statistic or the interval is not known.

        See Also
        --------
        coef : With the population.
        condition_on : Of `Fit`: makes these.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> rows = sleep.head(3).assign(Subject="Ann")
        >>> fit.condition_on(rows).ranef()[["level", "term", "n", "mean", "sd"]]
          level       term  n   mean    sd
        0   Ann  Intercept  3 -5.591 15.32
        1   Ann       Days  3 -1.062 5.693
        """
        how = Description.asked(prob, statistics, interval, default=EFFECT)
        found = self._effects(how, group, draws, population=False)
        return answer(found, self.post.design.library)

    @overload
    def coef(
        self, prob: float = 0.95, *, group: str | None = None, draws: Literal[False] = False,
        statistics: Statistics = None, interval: Interval = "eti",
    ) -> pd.DataFrame: ...  # fmt: skip

    @overload
    def coef(
        self, prob: float = 0.95, *, group: str | None = None, draws: Literal[True],
        statistics: Statistics = None, interval: Interval = "eti",
    ) -> xr.Dataset: ...  # fmt: skip

    @overload
    def coef(
        self, prob: float = 0.95, *, group: str | None = None, draws: bool,
        statistics: Statistics = None, interval: Interval = "eti",
    ) -> pd.DataFrame | xr.Dataset: ...  # fmt: skip

    def coef(
        self,
        prob: float = 0.95,
        *,
        group: str | None = None,
        draws: bool = False,
        statistics: Statistics = None,
        interval: Interval = "eti",
    ) -> pd.DataFrame | xr.Dataset:
        """Coefficients of the new levels: population + deviation, as `ranef` gives them.

        Parameters
        ----------
        prob, group, draws, statistics, interval
            As in `ranef`.

        Returns
        -------
        DataFrame
            The columns of `ranef`.

        Raises
        ------
        ModelError
            As `ranef` does.

        See Also
        --------
        ranef : The deviations alone.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> rows = sleep.head(3).assign(Subject="Ann")
        >>> fit.condition_on(rows).coef()[["level", "term", "n", "mean", "sd"]]
          level       term  n  mean    sd
        0   Ann  Intercept  3 245.5 14.27
        1   Ann       Days  3 9.307 5.856
        """
        how = Description.asked(prob, statistics, interval, default=EFFECT)
        found = self._effects(how, group, draws, population=True)
        return answer(found, self.post.design.library)

    @overload
    def predict(
        self, new: Any, *, groups: Groups = "auto", kind: Kind = "response",
        target: str | None = None, prob: float = 0.95, draws: Literal[False] = False,
        seed: int | None = None, progress: bool = True, new_levels: NewLevels = "draw",
        scale: Scale = "model", statistics: Statistics = None, interval: Interval = "eti",
    ) -> pd.DataFrame: ...  # fmt: skip

    @overload
    def predict(
        self, new: Any, *, groups: Groups = "auto", kind: Kind = "response",
        target: str | None = None, prob: float = 0.95, draws: Literal[True],
        seed: int | None = None, progress: bool = True, new_levels: NewLevels = "draw",
        scale: Scale = "model", statistics: Statistics = None, interval: Interval = "eti",
    ) -> xr.DataArray: ...  # fmt: skip

    @overload
    def predict(
        self, new: Any, *, groups: Groups = "auto", kind: Kind = "response",
        target: str | None = None, prob: float = 0.95, draws: bool, seed: int | None = None,
        progress: bool = True, new_levels: NewLevels = "draw", scale: Scale = "model",
        statistics: Statistics = None, interval: Interval = "eti",
    ) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip

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
    ) -> pd.DataFrame | xr.DataArray:
        """Predict new rows, of these levels and of any others, with the fit's `predict`.

        The conditioned levels have their own effects under ``groups="auto"`` and a list, and are
        not new. Where residuals are correlated new observations of theirs are given those of the
        conditioning rows.

        Parameters
        ----------
        new
            Rows of these levels and of any others.
        groups, kind, target, prob, draws, seed, progress, new_levels, scale, statistics, interval
            As in `Fit.predict`.

        Returns
        -------
        DataFrame
            The columns of `Fit.predict`; the conditioned levels are not `new`.

        Raises
        ------
        DataError, ModelError
            As `Fit.predict` does.

        See Also
        --------
        condition_on : Of `Fit`: makes these.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> ann = fit.condition_on(sleep.head(3).assign(Subject="Ann"))
        >>> ann.predict(sleep.iloc[[9]].assign(Subject="Ann")).drop(columns="Reaction")
           Days Subject  mean    sd lower upper new
        9     9     Ann 329.1 55.08 218.0 433.6
        """
        return predict_given(
            self.posterior, new, self.known, groups=groups, kind=kind, target=target,
            prob=prob, draws=draws, seed=self.seed if seed is None else seed, progress=progress,
            new_levels=new_levels, scale=scale, statistics=statistics, interval=interval,
            seen=self._seen,
        )  # fmt: skip

    @property
    def _correlated(self) -> Residual | None:
        """The conditioning rows in the structure of residuals of groups, if there is one."""
        if self.post.design.several is not None or not isinstance(self.effects, Exact):
            return None
        return self.effects.data.residual

    @cached_property
    def _seen(self) -> Seen | None:
        """The rows of the fit and the conditioning ones, where residuals are correlated."""
        own = self._correlated
        if own is None or not isinstance(self.effects, Exact):
            return None
        fit, rows = of_fit(self.posterior), self.effects.data.residuals(*self._drawn)
        n = len(fit.own.refs)

        def standardised(at: Ints) -> Floats:
            out = np.empty((len(rows), len(at)))
            out[:, at < n] = fit.standardised(at[at < n])
            out[:, at >= n] = rows[:, at[at >= n] - n]
            return out

        return Seen(joined(fit.own, own), standardised)

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
    def known(self) -> dict[str, dict[str, Known]]:
        """Draws of the new effects that go with `posterior`, by parameter and grouping factor."""
        _, b = self._drawn
        out: dict[str, dict[str, Known]] = {}
        for p, g in self.unseen:
            effects = b[:, self._columns(p, g)].reshape(-1, g.n_levels, len(g.terms))
            texts = tuple(label(value) for value in g.levels)
            beyond = g.covariance.at[len(self.post.group(g.name, p).covariance.at) :]
            known = Known(texts, np.ascontiguousarray(effects.transpose(1, 2, 0)), beyond)
            out.setdefault(p, {})[g.name] = known
        return out

    @cached_property
    def _drawn(self) -> tuple[Ints, Floats]:
        """Positions of draws of equal weight (S,), and their effects (S, D)."""
        return self.effects.drawn(self.seed)

    def _columns(self, parameter: str, factor: GroupDesign) -> slice:
        """Where the effects of one factor on one parameter are among all D."""
        at = 0
        for p, g in self.unseen:
            size = g.n_levels * len(g.terms)
            if (p, g.name) == (parameter, factor.name):
                return slice(at, at + size)
            at += size
        raise KeyError(factor.name)

    def _effects(
        self, how: Description, group: str | None, draws: bool, *, population: bool
    ) -> Any:
        asked = {(p, g.name) for p, g in chosen(self.post, group)}
        wanted = [(p, g) for p, g in self.unseen if (p, g.name) in asked]
        if draws:
            return xr.Dataset(dict(self._labelled(p, g, population) for p, g in wanted))
        if how.needs(*OF_CHAINS):
            lost = ", ".join(name for name in how.columns if name in OF_CHAINS)
            raise ModelError(
                f"{lost}: effects of new levels are weighted draws, not chains, and have none; "
                "`importance.ess` says how many draws these are worth"
            )
        closed = how.interval == "eti" and IN_CLOSED_FORM.issuperset(how.columns)
        tables = []
        for p, g in wanted:
            described = (self._closed if closed else self._sampled)(p, g, how, population)
            table = rows_of(self.post, g, p).assign(**described)
            if population and constant_intercept(self.post, g, p):
                whole = self._intercept(p, how, closed=closed)
                table = with_constant(rows_of(self.post, only_intercept(g), p), whole, table)
            tables.append(present(g, table))
        return stack(tables, COLUMNS)

    def _closed(
        self, p: str, g: GroupDesign, how: Description, population: bool
    ) -> dict[str, Floats]:
        shift = np.tile(population_of(self.post, g, p), g.n_levels) if population else 0.0
        return self.effects.describe(self._columns(p, g), shift, how)

    def _sampled(
        self, p: str, g: GroupDesign, how: Description, population: bool
    ) -> dict[str, Floats]:
        values = self._values(p, g, population)
        return how.plain(values.reshape(len(values), -1).T)

    def _values(self, p: str, g: GroupDesign, population: bool) -> Floats:
        """(S, J, q) draws of a factor's effects or coefficients that go with `posterior`."""
        values = self.known[p][g.name].effects.transpose(2, 0, 1)
        return coef_kernel(values, population_of(self.posterior, g, p)) if population else values

    def _intercept(self, p: str, how: Description, *, closed: bool) -> dict[str, Floats]:
        if not closed:
            return how.plain(self.posterior.intercept(p)[None])
        own = self.post.intercept(p)[:, None]
        return describe_mixture(own, np.zeros_like(own), self.importance.weights, how)

    def _labelled(self, p: str, g: GroupDesign, population: bool) -> tuple[str, xr.DataArray]:
        values = self._values(p, g, population)
        if population:
            return names.coef(g.name, p), labelled_coef(self.posterior, g, p, values)
        dims = names.group_dim(g.name), names.group_term_dim(g.name, p)
        coords = {dims[0]: g.levels.to_numpy(), dims[1]: list(g.terms)}
        array = xr.DataArray(
            chained(values, self.post.shape[0]), coords, (names.CHAIN, names.DRAW, *dims)
        )
        return names.ranef(g.name, p), array

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
        labels = {name: g.levels for name, g in self.levels.items()}
        if (own := self._correlated) is not None:
            labels |= {own.name: own.levels}
        found = [
            f"{name} {', '.join(map(str, every[:5]))}{', ...' if len(every) > 5 else ''}"
            for name, every in labels.items()
        ]
        said = f"Posterior given {self.n} row(s) of {'; '.join(found)}"
        return printable(f"{said}\n{self.importance.verdict}")
