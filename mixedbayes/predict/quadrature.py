"""Averages over group effects whose level is not known, by quadrature."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from scipy import special

from mixedbayes.design.limits import Limits
from mixedbayes.design.types import Floats, Ints
from mixedbayes.families.base import Family, Values
from mixedbayes.predict.at import At
from mixedbayes.predict.target import MU

_STEP: Final = 16  # nodes of a quadrature for each unit of sd, and at most
_MOST: Final = 208


@dataclass(frozen=True, eq=False)
class Spread:
    """Effects without a level on one predictor: they add sum_j L_j z_j + sd z, z ~ N(0, I).

    The z_j belong to predictors that are integrated over before this one.
    """

    name: str
    sd: Floats  # (S, r)
    L: Mapping[str, Floats]  # (S, r) by the name of such a predictor

    @property
    def alone(self) -> Spread:
        """The same effects, where no other predictor's are integrated over."""
        squares = [L**2 for L in self.L.values()]
        return Spread(self.name, np.sqrt(sum(squares, self.sd**2)), {})


def together(
    names: Sequence[str], linear: Mapping[str, Floats], spread: Sequence[Spread]
) -> tuple[Floats, Floats]:
    """Predictors (k, S, r) in this order, and the root (k, d, S, r) of the effects on them."""
    etas = np.stack([linear[name] for name in names])
    roots = np.zeros((len(names), len(spread), *etas.shape[1:]))
    column = {own.name: j for j, own in enumerate(spread)}
    for own in spread:
        place = names.index(own.name)
        roots[place, column[own.name]] = own.sd
        for name, L in own.L.items():
            roots[place, column[name]] = L
    return etas, roots


@dataclass(frozen=True, eq=False)
class Rowwise:
    """What a function of some rows' predictors reads, and the effects over which it is averaged.

    spread
        In the order in which they are integrated over, the first one outermost.
    mixing
        Parameters in which the functions are affine, last in this order: of them the mean alone
        counts, given what has been integrated over.
    """

    family: Family
    eta: Floats  # (S, r) predictor of the mean
    linear: Mapping[str, Floats]  # (S, r) of further parameters
    parameters: Values
    weights: Floats | None
    trials: Ints | None
    limits: Limits | None
    spread: Sequence[Spread]
    mixing: Collection[str] = ()

    def mean(
        self,
        function: Callable[[Floats, At], Floats],
        around: Floats | float | None = None,
        reads: Callable[[Family], tuple[str, ...]] | None = None,
    ) -> Floats:
        """Mean of a function of (eta, at) over the effects; see `target.Integrate`.

        `around` is the y of a function that falls as P(Y <= y) does, None for one that is smooth.
        """
        if reads is not None and reads(self.family) == (MU,):
            alone = [own.alone for own in self.spread if own.name == MU]
            return replace(self, spread=alone).mean(function, around)
        if not self.spread:
            at = At(self.family, self.parameters, self.weights, self.trials, self.limits)
            return function(self.eta, at)
        last = self.spread[-1]
        if last.name in self.mixing and not any(own.name in last.L for own in self.spread):
            return self._at_mean(last).mean(function, around)
        one = self.spread[0]
        name, variance = one.name, one.sd**2
        centre = self.eta if name == MU else self.linear[name]

        def inner(h: Floats) -> Floats:
            return self._given(one, centre, h).mean(function, around if name != MU else None)

        if name != MU:
            return population_mean(inner, centre, variance, smooth=True)
        if around is None:
            return population_mean(inner, centre, variance)
        y = np.broadcast_to(np.asarray(around, float), centre.shape)
        falls = self.family.transition(y, self.parameters, weights=self.weights, trials=self.trials)
        if falls is None or np.all(falls[1] >= one.sd):  # a fall so wide is smooth
            return population_mean(inner, centre, variance)
        return falling_mean(inner, centre, np.sqrt(variance), *falls)

    def _at_mean(self, last: Spread) -> Rowwise:
        """The same with the mean of a parameter over its effects, the last ones."""
        link = self.family.parameter_link(last.name)
        share = population_mean(lambda h: link.inverse(h, np), self.linear[last.name], last.sd**2)
        own = {**self.parameters, last.name: share}
        return replace(self, parameters=own, spread=self.spread[:-1])

    def _given(self, one: Spread, centre: Floats, h: Floats) -> Rowwise:
        """The same where a predictor is h, and what is left of the effects on later ones."""
        eta, linear, parameters = self.eta, dict(self.linear), self.parameters
        if one.name == MU:
            eta = h
        else:
            link = self.family.parameter_link(one.name)
            parameters = {**parameters, one.name: link.inverse(h, np)}
        rest = self.spread[1:]
        if any(one.name in later.L for later in rest):
            z = np.divide(h - centre, one.sd, out=np.zeros_like(h), where=one.sd > 0)
            for later in rest:
                if one.name not in later.L:
                    continue
                if later.name == MU:
                    eta = eta + later.L[one.name] * z
                else:
                    linear[later.name] = linear[later.name] + later.L[one.name] * z
        return replace(self, eta=eta, linear=linear, parameters=parameters, spread=rest)


_REACH, _WIDTHS, _PIECE = 8.5, 8.0, 20


@lru_cache(maxsize=1)
def _legendre() -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(_PIECE)


def falling_mean(
    mean: Callable[[Floats], Floats], eta: Floats, sd: Floats, place: Floats, width: Floats
) -> Floats:
    """E[mean(h)] for h ~ N(eta, sd^2) of a function that falls at `place` over some `width`.

    By Gauss-Legendre's rule on four pieces: some widths on either side of the place, and what is
    beyond them within 8.5 sds. Where the place is far away, or the fall is wide beside sd, they
    divide the normal law itself.
    """
    with np.errstate(all="ignore"):
        z = np.clip(np.nan_to_num((place - eta) / sd), -_REACH, _REACH)
        reach = np.clip(np.nan_to_num(_WIDTHS * width / sd, nan=_REACH), 1e-9, _REACH)
    ends = [
        np.full_like(z, -_REACH), np.maximum(z - reach, -_REACH), z,
        np.minimum(z + reach, _REACH), np.full_like(z, _REACH),
    ]  # fmt: skip
    nodes, weights = _legendre()
    total: Floats | float = 0.0
    for low, high in pairwise(ends):
        half = (high - low) / 2
        for node, weight in zip(nodes, weights, strict=True):
            at = low + (node + 1) * half
            density = np.exp(-0.5 * at**2) / np.sqrt(2 * np.pi)
            total = total + weight * half * density * mean(eta + at * sd)
    return np.asarray(total)


def population_mean(
    mean: Callable[[Floats], Floats], eta: Floats, variance: Floats, *, smooth: bool = False
) -> Floats:
    """E[mean(h)] for h ~ N(eta, variance), elementwise, by Gauss-Hermite quadrature.

    `mean` may add dimensions, such as the probabilities of several categories.

    The number of nodes grows with the largest sd: 32 up to sd 1, 112 up to sd 6, at most 208. Up to
    sd 3 the error is below 1e-5 for means through the logit, probit and log (relative) links and
    below 1e-4 for the complementary log-log; up to sd 10, below 2e-4 for the logit.

    A `smooth` function needs fewer, 8 + 18 sd: a probability or mean as a function of the log of a
    further parameter, or its log odds, changes by less than 1e-6 with more of them up to sd 2.
    """
    most = np.sqrt(variance.max(initial=0.0))
    count = 8 + np.ceil(18 * most) if smooth else _STEP * (1 + np.ceil(most))
    sd = np.sqrt(variance)
    nodes, weights = _nodes(int(min(count, _MOST)))
    total = weights[0] * mean(eta + nodes[0] * sd)
    for node, weight in zip(nodes[1:], weights[1:], strict=True):
        total += weight * mean(eta + node * sd)
    return total


@lru_cache
def _nodes(count: int) -> tuple[Floats, Floats]:
    nodes, weights = special.roots_hermitenorm(count)
    kept = weights > 0  # the outermost underflow
    return nodes[kept], weights[kept] / weights.sum()
