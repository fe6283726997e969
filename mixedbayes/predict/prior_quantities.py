"""The prior of a fit's named numbers: in closed form where there is one, and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Across, Floats, GroupDesign
from mixedbayes.distributions import Normal
from mixedbayes.numerics import correlation, univariate
from mixedbayes.predict.forward import effects
from mixedbayes.predict.prior import correlation_draws, correlation_roots
from mixedbayes.predict.streams import named_stream, seed_of
from mixedbayes.priors.types import Assigned
from mixedbayes.results.named import Named, OfLevel
from mixedbayes.results.own_priors import AVERAGE, SHARE, Quantity
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.statements import NoPrior
from mixedbayes.theta.simplex import divided

DRAWS = 100_000  # from the prior, where memory allows
_FEWEST = 4_000
_NUMBERS = 2**25  # held for one predictor or factor
_NOTHING = 1e-12  # share of a weight that is rounding
_CLOSE = 1e-16


@dataclass(frozen=True)
class _Times:
    """A number times what has a distribution."""

    of: Any
    weight: float

    def cdf(self, x: float) -> Any:
        below = self.of.cdf(x / self.weight)
        return below if self.weight > 0 else 1 - below

    def logpdf(self, x: float) -> Any:
        return self.of.logpdf(x / self.weight) - np.log(abs(self.weight))


class NamedPrior:
    """The prior of what `Named` finds, as the model has it.

    A sum of population effects whose priors are normal has a normal prior, and a number with a
    prior of its own has that; of everything else there are draws: of population effects, sds,
    correlations and the family's parameters from their priors, placed where these are, and of a
    level's effects from N(0, Sigma) given them. The second half of the draws has population and
    group effects mirrored at the medians of their priors, so that what is symmetric has probability
    one half.
    """

    def __init__(self, post: Posterior, named: Named) -> None:
        self.post, self.named = post, named
        self.seed = seed_of(post, None)
        self.used: dict[str, Quantity] = {}
        self._kept: dict[tuple[str, ...], Any] = {}

    # ---- in closed form ------------------------------------------------------------------------

    def distribution(self, weights: Mapping[str, float]) -> Any:
        found: dict[str, tuple[Quantity, float]] = {}
        for name, weight in weights.items():
            q = self._quantity(name)
            if not isinstance(q, Quantity):
                return None
            bases = self._bases(q)
            if bases is None:
                return None
            for base, part in bases:
                before = found.get(base.label, (base, 0.0))[1]
                found[base.label] = base, before + weight * part
        largest = max(abs(w) for _, w in found.values())
        parts = [(q, w) for q, w in found.values() if abs(w) > _NOTHING * largest]
        for q, _ in parts:
            _need_proper(q.name, q.assigned)
        if any(not self._itself(q) for q, _ in parts):
            return None
        if len(parts) == 1:
            ((q, weight),) = parts
            return _Times(q.prior, weight)
        normals = [(q.assigned.prior, w) for q, w in parts]
        if any(not isinstance(prior, Normal) for prior, _ in normals):
            return None
        mean = sum(w * prior.mu for prior, w in normals)  # type: ignore[attr-defined]
        variance = sum((w * prior.sigma) ** 2 for prior, w in normals)  # type: ignore[attr-defined]
        return univariate.Normal(float(mean), float(np.sqrt(variance)))

    def _itself(self, q: Quantity) -> bool:
        """Whether a number's prior is of it, or of what population effects are sums of."""
        # The prior of ordered thresholds is that of unordered numbers.
        vector = q.kind == "family" and bool(q.index)
        ordered = vector and self.post.family.parameter(q.parameter).ordered
        return q.kind in ("intercept", "fixef") or not (q.moved or ordered)

    def _bases(self, q: Quantity) -> list[tuple[Quantity, float]] | None:
        """The numbers with independent priors that a quantity is a sum of, with their weights.

        None where steps of monotonic effects are among what it is a sum of.
        """
        if q.kind not in ("intercept", "fixef"):
            return [(q, 1.0)]
        intercept, slopes = self._population_quantities[q.predictor]
        E, shift = self._placement(q.predictor)
        weights = E[:, q.index[0]] if q.kind == "fixef" else shift
        used = [(slopes.get(k), float(w)) for k, w in enumerate(weights) if w]
        parts = [(base, w) for base, w in used if base is not None]
        if len(parts) < len(used):
            return None
        if q.kind == "fixef":
            return parts
        assert intercept is not None
        return [(intercept, 1.0), *parts]

    @cached_property
    def _population_quantities(self) -> dict[str, tuple[Quantity | None, dict[int, Quantity]]]:
        found: dict[str, tuple[Quantity | None, dict[int, Quantity]]] = {}
        for p in self.post.predictors:
            own = [q for q in self.named.own.values() if q.predictor == p.parameter]
            intercept = next((q for q in own if q.kind == "intercept"), None)
            found[p.parameter] = intercept, {q.index[0]: q for q in own if q.kind == "fixef"}
        return found

    def _placement(self, parameter: str) -> tuple[Floats, Floats]:
        """What each placed effect (row) adds to the effects at zero (p, p), and intercept (p,)."""
        priors, predictor = self.post.priors.predictor(parameter), self.post.predictor(parameter)
        E = priors.linear
        return E, np.asarray(priors.centre(predictor).intercept_at_zero(0.0, E))

    def bounds(self, name: str) -> tuple[float, float]:
        q = self._quantity(name)
        if not isinstance(q, Quantity) or q.kind in ("intercept", "fixef"):
            return -np.inf, np.inf
        if q.kind == SHARE:
            return 0.0, 1.0
        if q.kind in ("sd", "cor"):
            matrix = q.kind == "cor" and len(q.index) > 1
            return (0.0, np.inf) if q.kind == "sd" else (-1.0, 1.0) if matrix else _ends(q.prior)
        if q.moved or q.prior is None:
            return -np.inf, np.inf
        return _ends(q.prior)

    # ---- draws ---------------------------------------------------------------------------------

    def draws(self, name: str) -> Floats:
        q = self._quantity(name)
        if isinstance(q, OfLevel):
            found = self._of_level(q)
        elif q.kind in ("intercept", "fixef"):
            intercept, beta = self._population(q.predictor)
            found = intercept if q.kind == "intercept" else beta[:, q.index[0]]
        elif q.kind in (AVERAGE, SHARE):
            found = self._of_steps(q)
        elif q.kind in ("sd", "cor"):
            found = self._of_factor(q)
        elif q.kind == "residual":
            found = self._once(("residual",), self._correlations)[:, q.index[0]]
        else:
            found = self._family(q)
        if np.isnan(found).any():
            if isinstance(q, Quantity):
                _need_proper(q.name, q.assigned)
            raise NoPrior(f"{name} depends on an improper prior")
        return found

    @cached_property
    def size(self) -> int:
        """How many draws: an even number."""
        q = [len(g.terms) for p in self.post.predictors for g in p.groups]
        p = [len(p.terms) for p in self.post.predictors]
        return int(np.clip(_NUMBERS // max(1, *p, *(k**2 for k in q)), _FEWEST, DRAWS)) // 2 * 2

    def _quantity(self, name: str) -> Quantity | OfLevel:
        q = self.named.quantity(name)
        if q is None:
            raise NoPrior(f"{name} depends on the rows of the data, and has no prior of its own")
        if isinstance(q, Quantity):
            self.used[q.name] = q
        else:
            term = names.label(q.parameter, q.term)
            for own in self.named.own.values():
                if own.predictor == q.parameter and own.group == q.group.name and own.kind == "sd":
                    self.used[own.name] = own
                if q.kind == "coef" and own.name == term:
                    self.used[own.name] = own
        return q

    def _once(self, key: tuple[str, ...], make: Any) -> Any:
        if key not in self._kept:
            self._kept[key] = make(named_stream(self.seed, "prior: " + "\0".join(key)))
        return self._kept[key]

    def _population(self, parameter: str) -> tuple[Floats, Floats]:
        """Intercept (P,) and slopes (P, p) at zero; NaN where they depend on improper priors."""
        return self._once(("population", parameter), lambda rng: self._drawn(parameter, rng))

    def _drawn(self, parameter: str, rng: np.random.Generator) -> tuple[Floats, Floats]:
        post = self.post
        priors, predictor = post.priors.predictor(parameter), post.predictor(parameter)
        beta, improper = _scalars(priors.fixef, self.size, rng, mirrored=True)
        E, shift = self._placement(parameter)
        slopes = priors.fixef_at_zero(beta)
        known = slopes.copy()
        for m in priors.monotonic:
            own = list(m.effect.columns)
            improper[own] = improper[own].any()
        known[:, (E[improper] != 0).any(axis=0)] = np.nan
        if priors.intercept is None:
            return np.zeros(self.size), known
        here, unknown = _scalars([priors.intercept], self.size, rng, mirrored=True)
        if unknown.any() or (shift[improper] != 0).any():
            return np.full(self.size, np.nan), known
        return priors.centre(predictor).intercept_at_zero(here[:, 0], slopes), known

    def _of_steps(self, q: Quantity) -> Floats:
        """(P,) the average step of a monotonic effect, or one of its shares."""
        own = self.post.priors.predictor(q.predictor).monotonic
        columns = next(m.effect.columns for m in own if m.effect.columns[0] == q.index[0])
        slopes = self._population(q.predictor)[1][:, list(columns)]
        average, shares = divided(slopes)
        return average if q.kind == AVERAGE else shares[:, q.index[1]]

    def _factor(
        self, parameter: str, g: GroupDesign
    ) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
        """sds (P, q) and correlations (P, q, q) at zero; placed sds, and roots of correlations."""

        def make(rng: np.random.Generator) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
            priors, half = self.post.priors.predictor(parameter), self.size // 2
            told, absent = _scalars(priors.sd[g.name], half, rng, mirrored=False)
            sd, improper = g.every_sd(np.concatenate([told, told])), g.every_sd(absent)
            C = correlation_roots(g, priors, half, rng)
            C = np.concatenate([C, C])
            placed, cor = priors.placed.get(g.name), correlation.matrix(C)
            at_zero = (sd, cor) if placed is None else placed.at_zero(sd, cor)
            if improper.any() and placed is not None:
                return np.full_like(sd, np.nan), np.full_like(cor, np.nan), (sd * np.nan, C)
            sd[:, improper] = np.nan
            return *at_zero, (sd, C)

        return self._once(("factor", parameter, g.name), make)

    def _of_factor(self, q: Quantity) -> Floats:
        """(P,) a factor's sd or correlation."""
        a = self.post.design.joined(q.group)
        if a is None:
            sd, cor, _ = self._factor(q.predictor, self.post.group(q.group, q.predictor))
        else:
            sd, cor, _ = self._across(a)
            sd = sd[:, a.places[q.predictor]] if q.kind == "sd" else sd
        if q.kind == "sd":
            return sd[:, q.index[0]]
        if len(q.index) == 1:  # one of the numbers of a structure
            g = self.post.group(q.group, q.predictor)
            return self._once(("numbers", q.predictor, q.group), lambda _: g.told_cor(cor))[
                :, q.index[0]
            ]
        return cor[:, q.index[0], q.index[1]]

    def _correlations(self, rng: np.random.Generator) -> Floats:
        """(P, K) those of residuals."""
        own = self.post.design.residual
        assert own is not None
        return own.values(correlation_draws(own, self.post.priors, self.size, rng))

    def _across(self, a: Across) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
        """What `_factor` has, of all effects over a factor."""

        def make(rng: np.random.Generator) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
            priors, half = self.post.priors, self.size // 2
            joined = priors.joined(a)
            sd, improper = _scalars(joined.sd[a.name], half, rng, mirrored=False)
            C = correlation_roots(a.effects, joined, half, rng)
            sd, C = np.concatenate([sd, sd]), np.concatenate([C, C])
            placement, cor = priors.placement(a), correlation.matrix(C)
            if improper.any() and placement is not None:
                return np.full_like(sd, np.nan), np.full_like(cor, np.nan), (sd * np.nan, C)
            at_zero = (sd, cor) if placement is None else placement.at_zero(sd, cor)
            sd[:, improper] = np.nan
            return *at_zero, (sd, C)

        return self._once(("across", a.name), make)

    def _effects_across(self, a: Across, level: int) -> Floats:
        """(P, q) what `_effects` has, of all effects of one level."""

        def make(rng: np.random.Generator) -> Floats:
            u = rng.standard_normal((self.size // 2, 1, len(a.terms)))
            b = effects(np.concatenate([u, -u]), *self._across(a)[2])[:, 0]
            placement = self.post.priors.placement(a)
            return b if placement is None else placement.effects(b)

        return self._once(("level", a.name, str(level)), make)

    def _of_level(self, of: OfLevel) -> Floats:
        """(P,) of one level: its deviation, and of a coefficient the population's effect too."""
        p, g = of.parameter, of.group
        population = np.zeros(self.size)
        if of.kind == "coef":
            terms = self.post.predictor(p).terms
            intercept, beta = self._population(p)
            if of.term == names.INTERCEPT:
                population = intercept
            elif of.term in terms:
                population = beta[:, terms.index(of.term)]
        if of.term not in g.terms:
            return population
        if g.joins:
            raise NoPrior(f"the levels of {g.name} are related")
        b = self._effects(p, g, of.level)
        return population + b[:, g.terms.index(of.term)]

    def _effects(self, parameter: str, g: GroupDesign, level: int) -> Floats:
        """(P, q) effects of one level at zero, given the factor's sds and correlations."""
        across = self.post.design.joined(g.name)
        if across is not None:
            return self._effects_across(across, level)[:, across.places[parameter]]

        def make(rng: np.random.Generator) -> Floats:
            _, _, (sd, C) = self._factor(parameter, g)
            shape = self.size // 2, 1, len(g.terms)
            if g.law.normal:
                u = g.law.draw(shape, rng)
                u = np.concatenate([u, -u])
            else:
                own = self.post.priors.predictor(parameter).laws.get(g.name, {})
                drawn = {
                    n: a.prior.frozen().rvs(self.size, random_state=rng) for n, a in own.items()
                }
                law = g.law.at({n: x[:, None, None] for n, x in drawn.items()}) if drawn else g.law
                u = law.draw((self.size, *shape[1:]), rng)
            b = effects(u, sd, C)[:, 0]
            placed = self.post.priors.predictor(parameter).placed.get(g.name)
            return b if placed is None else placed.effects(b)

        return self._once(("level", parameter, g.name, str(level)), make)

    def _family(self, q: Quantity) -> Floats:
        labels = self.post.family.labels(q.parameter, self.post.design)
        k = 1 if labels is None else len(labels)

        def make(rng: np.random.Generator) -> Floats:
            values, improper = _scalars([q.assigned] * k, self.size, rng, mirrored=False)
            if improper.any():
                return np.full_like(values, np.nan)
            if labels is None:
                return values
            if self.post.family.parameter(q.parameter).ordered:
                values = np.sort(values, axis=1)
            cuts = self.post.priors.cuts(q.parameter, self.post.design)
            if not np.any(cuts.means):
                return values
            slopes = [self._population(p.parameter)[1] for p in self.post.design.moving]
            return np.asarray(cuts.thresholds_at_zero(values, np.concatenate(slopes, axis=1)))

        return self._once(("family", q.parameter), make)[:, q.index[0] if q.index else 0]


def _scalars(
    priors: Sequence[Assigned], size: int, rng: np.random.Generator, *, mirrored: bool
) -> tuple[Floats, np.ndarray[Any, np.dtype[np.bool_]]]:
    """(S, k) independent draws, 0 where a prior is improper, and (k,) whether it is.

    Mirrored: the second half are the quantiles opposite to those of the first.
    """
    out = np.zeros((size, len(priors)))
    improper = np.array([not a.prior.proper for a in priors], bool)
    for k, a in enumerate(priors):
        if improper[k]:
            continue
        if not mirrored:
            out[:, k] = a.prior.frozen().rvs(size=size, random_state=rng)
            continue
        u = np.clip(rng.random(size // 2), _CLOSE, 1 - _CLOSE)
        out[:, k] = a.prior.frozen().ppf(np.concatenate([u, 1 - u]))
    return out, improper


def _ends(prior: Any) -> tuple[float, float]:
    low, high = (float(end) for end in prior.ppf([0.0, 1.0]))
    return low, high


def _need_proper(name: str, assigned: Assigned) -> None:
    if not assigned.prior.proper:
        raise NoPrior(f"{name} has the improper prior {assigned.prior}")
