"""The posterior as arrays: what every table, picture and prediction reads."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Across, Design, GroupDesign, LinearPredictor
from mixedbayes.engines.run import Run
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.model.spec import Spec
from mixedbayes.printable import printable
from mixedbayes.priors.types import PredictorPriors, Priors
from mixedbayes.sample.convergence import ConvergenceReport
from mixedbayes.terms.law import Law
from mixedbayes.theta.simplex import divided

Floats = NDArray[np.float64]


MOST_CORRELATIONS = 2**29  # numbers, 4 GB


@dataclass(frozen=True, eq=False, repr=False)
class Posterior:
    """A model and draws of every parameter of it, by name, stacked over chains and draws (S,).

    `spec` is the model: `design`, `family` and `priors` are its parts; `idata` has the draws, and
    `run` says how they were made, where that is known.
    A model without a predictor's intercept or without population effects has zero or no columns
    there, never a missing method. `parameter` names the linear predictor: "mu", or a further
    parameter of the family that has a formula of its own. What took long to compute from the draws
    is kept beside them (`once`); files and pickles do not have it.
    """

    spec: Spec
    idata: xr.DataTree
    run: Run | None = None
    _kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def design(self) -> Design:
        return self.spec.design

    @property
    def family(self) -> Family:
        return self.spec.family

    @property
    def priors(self) -> Priors:
        return self.spec.priors

    @property
    def closed_form(self) -> bool:
        """Whether the response is normal given the effects and linear in them, they normal too, and
        its rows independent with one sigma.
        """
        alike = self.design.residual is None and not self.design.further
        return alike and self.spec.closed_form_obstacle is None

    @property
    def made(self) -> Run:
        """`run`; ModelError where it is not known."""
        if self.run is None:
            raise ModelError("this posterior does not say how it was made")
        return self.run

    def with_design(self, design: Design) -> Posterior:
        """The same draws for other rows: `design` stands for the model's own."""
        return replace(self, spec=replace(self.spec, design=design))

    @property
    def data_sets(self) -> tuple[Posterior, ...]:
        """The posterior of each data set that the draws are of: one, but for a `Pooled`."""
        return (self,)

    def by_set(self, compute: Callable[[Posterior], Floats]) -> Floats:
        """(..., S) what is computed of the rows of every data set and its draws, side by side."""
        found = [compute(one) for one in self.data_sets]
        return found[0] if len(found) == 1 else np.concatenate(found, axis=-1)

    def judged(self, judge: Callable[[Posterior], ConvergenceReport]) -> ConvergenceReport:
        """Whether the chains of every data set agree among themselves."""
        return judge(self)

    def need_one_data_set(self, what: str) -> None:
        """ModelError where the draws are of several data sets, whose responses differ."""

    def need_same_predictors(self, what: str) -> None:
        """ModelError where they are of several data sets, whose predictors differ."""

    def once[T](self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` computes from this posterior, computed when first asked for.

        The key names what is computed and everything that it depends on beside the posterior.
        """
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}

    def __repr__(self) -> str:
        chains, draws = self.shape
        names_ = ", ".join(str(name) for name in self.draws.data_vars)
        return printable(
            f"Posterior of {self.design.formula.text or self.design.response}, "
            f"{self.family.name} family: {chains} x {draws:,} draws (chains x draws) of {names_}"
        )

    @property
    def draws(self) -> xr.Dataset:
        """Draws of the named parameters; not the further variables that PyMC's models have."""
        posterior = self.idata["posterior"].to_dataset()
        own = [name for name, x in posterior.items() if names.DERIVED_FROM not in x.attrs]
        return posterior[own]

    def chains(self, name: str) -> Floats:
        """One variable as (C, D, ...): chains, draws, then the variable's own dimensions."""

        def make() -> Floats:
            values = self.idata["posterior"][name].transpose(names.CHAIN, names.DRAW, ...)
            return np.asarray(values.to_numpy(), float)

        return self.once(("chains", name), make)

    def stacked(self, name: str) -> Floats:
        """One variable as (S, ...), chains one after the other."""
        values = self.chains(name)
        return values.reshape(-1, *values.shape[2:])

    @property
    def residual_scale(self) -> Floats:
        """(S,) sigma of a normal model, that of a row of weight 1; 1 where errors are known."""
        return np.ones(self.n_draws) if self.known_variances else self.stacked(names.SIGMA)

    @property
    def known_variances(self) -> bool:
        """Whether the response is normal with known variances, the inverse of the weights."""
        return self.family.normal and names.SIGMA not in self.family.parameters

    @property
    def shape(self) -> tuple[int, int]:
        """Number of chains and of draws in each.

        Of several data sets the chains are `Chains`, which know in how many they are.
        """
        sizes = self.idata["posterior"].sizes
        return int(sizes[names.CHAIN]), int(sizes[names.DRAW])

    @property
    def n_draws(self) -> int:
        chains, draws = self.shape
        return chains * draws

    @property
    def predictors(self) -> tuple[LinearPredictor, ...]:
        """The predictor of the mean, then those of further parameters."""
        return self.design.predictors

    def predictor(self, parameter: str = "mu") -> LinearPredictor:
        """The predictor of one parameter; "mu" is the first, whatever its name."""
        return self.design.predictor(parameter)

    def _own(self, parameter: str) -> str:
        """What a parameter's variables are named by: of "mu" the first predictor's own name."""
        return self.predictor(parameter).parameter

    def intercept(self, parameter: str = "mu") -> Floats:
        """(S,) intercept at predictor value zero; zeros where the formula has none."""
        if not self.predictor(parameter).intercept:
            return np.zeros(self.n_draws)
        return self.stacked(names.intercept(self._own(parameter)))

    def fixef(self, parameter: str = "mu") -> Floats:
        """(S, p) population slopes, the intercept not among them."""
        if not self.predictor(parameter).terms:
            return np.zeros((self.n_draws, 0))
        return self.stacked(names.fixef(self._own(parameter)))

    def population_effects(self, parameter: str = "mu") -> Floats:
        """(S, K) of `LinearPredictor.effects`: of a monotonic effect the average step."""
        return self.predictor(parameter).average_steps(self.fixef(parameter))

    def shares(self, parameter: str = "mu") -> dict[str, Floats]:
        """(S, D) shares of the steps of each monotonic effect, by the name of their variable."""
        predictor = self.predictor(parameter)
        if not predictor.monotonic:
            return {}
        slopes = self.fixef(parameter)
        return {
            names.simplex(m.name, predictor.parameter): divided(slopes[:, list(m.columns)])[1]
            for m in predictor.monotonic
        }

    def moving_fixef(self) -> Floats:
        """(S, p) population slopes of all predictors that move thresholds; `Design.moving`."""
        return np.concatenate([self.fixef(p.parameter) for p in self.design.moving], axis=1)

    def population(self, term: str, parameter: str = "mu") -> Floats:
        """(S,) population effect of one term, "Intercept" among them; zeros where it has none."""
        predictor = self.predictor(parameter)
        if term == names.INTERCEPT:
            return self.intercept(parameter)
        if term not in predictor.terms:
            return np.zeros(self.n_draws)
        return self.fixef(parameter)[:, predictor.terms.index(term)]

    def sd(self, group: str, parameter: str = "mu") -> Floats:
        """(S, q) standard deviations of a grouping factor's effects."""
        told = self.stacked(names.sd(group, self._own(parameter)))
        return np.asarray(self.group(group, parameter).every_sd(told))

    def cor(self, group: str, parameter: str = "mu") -> Floats:
        """(S, q, q) correlations of a grouping factor's effects; identity where uncorrelated.

        Of those on one parameter, where they are correlated with those on others by an id.
        """
        g = self.group(group, parameter)
        if (a := self.design.joined(group)) is not None:
            own = a.places[self._own(parameter)]
            return self.stacked(names.cor(group))[:, own, own]
        if g.correlated:
            numbers = self.n_draws * len(g.terms) ** 2
            if numbers > MOST_CORRELATIONS:
                raise ModelError(
                    f"{g.name} has {len(g.terms):,} effects in each level, whose correlations in "
                    f"{self.n_draws:,} draws are {numbers:,} numbers, more than "
                    f"{MOST_CORRELATIONS:,}, which this needs; varcorr(), ranef(), icc(), r2() and "
                    "predict() do without them"
                )
            return g.every_cor(self.stacked(names.cor(group, self._own(parameter))))
        q = len(g.terms)
        return np.broadcast_to(np.eye(q), (self.n_draws, q, q))

    def cor_numbers(self, group: str, parameter: str = "mu") -> Floats:
        """(S, m) the numbers `cor_terms` of a factor's correlations, of which they follow."""
        return self.stacked(names.cor(group, self._own(parameter)))

    def law(self, group: str, parameter: str = "mu") -> Law:
        """The law of a factor's standardised effects; numbers that are estimated are (S,)."""
        law, p = self.group(group, parameter).law, self._own(parameter)
        numbers = {n: self.stacked(names.law(n, group, p)) for n in law.estimated}
        return law.at(numbers) if numbers else law

    def cov(self, group: str, parameter: str = "mu") -> Floats:
        """(S, q, q) covariance of a grouping factor's effects."""
        sd = self.sd(group, parameter)
        return self.cor(group, parameter) * sd[:, :, None] * sd[:, None, :]

    def placed(self, group: str, priors: PredictorPriors) -> tuple[Floats, Floats]:
        """sds (S, q) and correlations (S, q, q) of the effects that a factor's priors are about."""
        p = priors.parameter
        if group not in priors.placed:
            return self.sd(group, p), self.cor(group, p)
        if (a := self.design.joined(group)) is not None:
            (sds, cors), own = self.placed_across(a), a.places[p]
            return sds[:, own], cors[:, own, own]
        sd, cor = (priors.name(f(group, p), group) for f in (names.sd, names.cor))
        if sd in self.draws and cor in self.draws:
            return self.stacked(sd), self.stacked(cor)
        return priors.placed[group].at_means(self.sd(group, p), self.cor(group, p))

    def sd_across(self, a: Across) -> Floats:
        """(S, q) standard deviations of all effects over a factor, on every parameter."""
        return np.concatenate([self.sd(a.name, p) for p, _ in a.members], axis=1)

    def placed_across(self, a: Across) -> tuple[Floats, Floats]:
        """sds (S, q) and correlations (S, q, q) of all that the priors over a factor are about."""
        sd, cor = self.sd_across(a), self.stacked(names.cor(a.name))
        placement = self.priors.placement(a)
        return (sd, cor) if placement is None else placement.at_means(sd, cor)

    def has_ranef(self, group: str, parameter: str = "mu") -> bool:
        """Whether draws of the group's effects were kept, not only their summaries."""
        return names.ranef(group, self._own(parameter)) in self.draws

    def ranef(self, group: str, parameter: str = "mu") -> Floats:
        """(S, J, q) group effects, deviations from the population."""
        self.need_ranef(group, parameter)
        return self.stacked(names.ranef(group, self._own(parameter)))

    def need_ranef(self, group: str, parameter: str = "mu") -> None:
        """Raise ModelError if only summaries of the group's effects were kept."""
        if self.has_ranef(group, parameter):
            return
        g = self.group(group, parameter)
        effects = g.n_levels * len(g.terms)
        why, remedy = ', as effects="summary" asks', 'effects="draws"'
        if self.run is None or self.run.settings.effects != "summary":
            size = f"{8e-9 * effects * self.n_draws:.1f} GB"
            why = f": {effects:,} effects x {self.n_draws:,} draws would take {size}"
            remedy = f"fewer draws or with {remedy}"
        raise ModelError(
            f"this needs draws of the effects of {group}, and only their summaries were kept{why}. "
            f"Fit again with {remedy}; ranef() works from the summaries"
        )

    def parameters(self) -> Mapping[str, Floats]:
        """(S,) draws of the family's own parameters, such as sigma; (S, k) of a vector.

        A parameter that has a formula of its own is not among them.
        """
        return {name: self.stacked(name) for name in self.family.estimated(self.design)}

    def correlations(self) -> Mapping[str, Floats]:
        """(S, ...) draws of the parameters of correlated residuals, by name; none without."""
        own = self.design.residual
        return {} if own is None else {symbol: self.stacked(symbol) for symbol in own.symbols}

    def group(self, name: str, parameter: str = "mu") -> GroupDesign:
        return self.predictor(parameter).group(name)

    def sample_stats(self) -> Any:
        return self.idata["sample_stats"].to_dataset()
