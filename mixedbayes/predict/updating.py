"""What a few rows beyond the fit say about their new levels and about the parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mixedbayes import names
from mixedbayes.design.limits import Limits
from mixedbayes.design.types import Floats, Ints, Residual
from mixedbayes.families.base import Family
from mixedbayes.families.limited import log_density
from mixedbayes.names import MU as MU
from mixedbayes.numerics import woodbury
from mixedbayes.predict.importance import Importance, describe_mixture, resample, smooth
from mixedbayes.predict.newton import Given, LogDensity, directions, propose
from mixedbayes.predict.streams import EFFECTS, RESAMPLING, stream
from mixedbayes.results.correlated import whitened_columns
from mixedbayes.results.tables import Description, tails

_BLOCK = 2**22  # numbers handled at a time, to bound memory


@dataclass(frozen=True, eq=False)
class Unseen:
    """Levels of one grouping factor that the rows bring along, and their effects on a parameter."""

    Z: Floats  # (m, q)
    codes: Ints  # (m, w) 0..k-1, or -1 for a level of the fit, of the w levels of each row
    count: int  # k
    root: Floats  # (q, d, S), R R' = Sigma, b = R u
    parameter: str = MU
    name: str | None = None  # effects of one name, on several parameters, have the same u
    weights: Floats | None = None  # (m, w) of a row's levels; None: 1
    # Of levels that are related to those of the fit: b_k = mean_k + sum_j mixing_kj R u_j. The mean
    # is in the linear predictors `NewData.eta` already.
    mean: Floats | None = None  # (k, q, S)
    mixing: Floats | None = None  # (k, k)

    @property
    def q(self) -> int:
        return self.Z.shape[1]

    def share(self, k: int) -> Floats:
        """(m,) weight of level k in each row."""
        there = self.codes == k
        return (there if self.weights is None else there * self.weights).sum(axis=1, dtype=float)

    @property
    def mixed(self) -> Floats:
        """(k, k)"""
        return np.eye(self.count) if self.mixing is None else self.mixing

    @property
    def size(self) -> int:
        """Number of effects, level by level."""
        return self.count * self.q


@dataclass(frozen=True, eq=False)
class NewData:
    """The rows: y, and in every draw what is known of their linear predictors."""

    family: Family
    y: Floats  # (m,)
    eta: Floats  # (m, S) of the mean, without the effects of new levels
    parameters: Mapping[str, Floats]  # (S, ...) the family's own; (S, m) where it has a formula
    weights: Floats | None  # (m,)
    trials: Ints | None  # (m,)
    levels: tuple[Unseen, ...]
    limits: Limits | None = None  # of responses that are censored or truncated
    # (m, S) the same of parameters, not among `parameters`, on which new levels have effects too
    further: Mapping[str, Floats] = field(default_factory=dict)
    # How residuals of the rows are correlated, and draws (S, ...) of the parameters of that.
    residual: Residual | None = None
    correlations: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def n_draws(self) -> int:
        return self.eta.shape[1]

    @property
    def size(self) -> int:
        """D, the number of effects of all new levels, as of their u."""
        return sum(level.size for level in self.levels)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where the u of each of `levels` are among all; those of one name have the same."""
        found: dict[str, int] = {}
        out, end = [], 0
        for level in self.levels:
            start = end if level.name is None else found.setdefault(level.name, end)
            end += level.count * level.root.shape[1] if start == end else 0
            out.append(start)
        return tuple(out)

    def etas(self, draws: Ints) -> list[Floats]:
        """(s, m) of the mean and of every parameter on which new levels have effects."""
        return [eta[:, draws].T for eta in (self.eta, *self.further.values())]

    def density(self, draws: Ints) -> LogDensity:
        """log p(y_i | eta_i, ...) as a function of `etas` (s, m) in some draws."""
        known = {name: values[draws] for name, values in self.parameters.items()}

        def density(eta: Floats, *others: Floats) -> Floats:
            own = {
                name: self.family.parameter_link(name).inverse(values, np)
                for name, values in zip(self.further, others, strict=True)
            }
            return log_density(
                self.family, self.y, self.family.inverse(eta, np), {**known, **own},
                weights=self.weights, trials=self.trials, limits=self.limits,
            )  # fmt: skip

        return density

    def root(self, draws: Ints) -> Floats:
        """(s, D, D) R of all effects, b = means + R u."""
        out = np.zeros((len(draws), self.size, self.size))
        at = 0
        for level, start in zip(self.levels, self.starts, strict=True):
            root, d = level.root[:, :, draws].transpose(2, 0, 1), level.root.shape[1]
            for k, j in zip(*np.nonzero(level.mixed), strict=True):
                rows = slice(at + k * level.q, at + (k + 1) * level.q)
                out[:, rows, start + j * d : start + (j + 1) * d] = level.mixed[k, j] * root
            at += level.size
        return out

    def means(self, draws: Ints) -> Floats:
        """(s, D) of the effects before these rows: of related levels given those of the fit."""
        parts = [
            np.zeros((len(draws), level.size))
            if level.mean is None
            else level.mean[:, :, draws].reshape(level.size, len(draws)).T
            for level in self.levels
        ]
        return np.concatenate([np.zeros((len(draws), 0)), *parts], axis=1)

    def design(self, draws: Ints) -> list[Floats]:
        """(s, m, D) B of each of `etas`, what a unit of each u adds to it."""
        predictors = (MU, *self.further)
        out = [np.zeros((len(draws), self.n, self.size)) for _ in predictors]
        for level, start in zip(self.levels, self.starts, strict=True):
            ZR = level.Z @ level.root[:, :, draws].transpose(2, 0, 1)  # (s, m, d)
            own, d = out[predictors.index(level.parameter)], level.root.shape[1]
            for k, j in zip(*np.nonzero(level.mixed), strict=True):
                share = level.share(k) * level.mixed[k, j]
                rows = np.flatnonzero(share)
                own[:, rows, start + j * d : start + (j + 1) * d] += share[rows, None] * ZR[:, rows]
        return out

    def residuals(self, draws: Ints, b: Floats) -> Floats:
        """(s, m) in units of the rows' sds, of a gaussian mean, with effects b (s, D)."""
        A, at = np.zeros((self.n, self.size)), 0
        for level in self.levels:
            for k in range(level.count):
                A[:, at : at + level.q] = level.share(k)[:, None] * level.Z
                at += level.q
        moved = (b - self.means(draws)) @ A.T
        return (self.y - self.eta[:, draws].T - moved) / self.sds(draws)

    def sds(self, draws: Ints) -> Floats:
        """(s, m) of gaussian residuals."""
        w = np.ones(self.n) if self.weights is None else self.weights
        unit = np.ones(self.n_draws)  # of known errors
        sigma = self.parameters.get(names.SIGMA, unit)[draws].reshape(len(draws), -1)
        return np.broadcast_to(sigma, (len(draws), self.n)) / np.sqrt(w)

    def blocks(self, count: int) -> Iterator[Ints]:
        """Positions of `count` things, some at a time, such that memory is bounded."""
        step = max(1, _BLOCK // max(1, self.size * max(self.size, self.n)))
        for start in range(0, count, step):
            yield np.arange(start, min(start + step, count))


# ---- exact for a Gaussian model ----------------------------------------------------------------
# Given one posterior draw of everything else, the rows are
#
#     y = e + A b + noise,   b = R u,   u ~ N(0, I),   noise ~ N(0, sigma^2 W^-1)
#
# with e what is known of their means: u | y is normal, see `numerics.woodbury` with B = A R.


@dataclass(frozen=True, eq=False)
class Exact:
    """The new effects: normal in each draw, draws having weights."""

    data: NewData
    importance: Importance
    mean: Floats  # (S, D)
    sd: Floats  # (S, D)

    def describe(self, at: slice, shift: Floats | float, how: Description) -> dict[str, Floats]:
        """Columns IN_CLOSED_FORM of some effects, shifted by (S, k); without random numbers."""
        mean, sd = self.mean[:, at] + shift, self.sd[:, at]
        return describe_mixture(mean, sd, self.importance.weights, how)

    def drawn(self, seed: int) -> tuple[Ints, Floats]:
        """(S,) draws of equal weight, by resampling, and their effects (S, D)."""
        index = self.importance.resample(stream(seed, RESAMPLING))
        z = stream(seed, EFFECTS).standard_normal(self.mean.shape)
        parts = []
        for at in self.data.blocks(len(index)):
            u = update(self.data, index[at])
            parts.append(u.mean + np.einsum("sij,si->sj", u.root, z[at]))
        return index, np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Update:
    """Distribution of the D effects b given the rows and the draw, and the rows' density."""

    mean: Floats  # (S, D)
    root: Floats  # (S, D, D), covariance root' root
    log_density: Floats  # (S,) log p(y | draw), b integrated

    @property
    def sd(self) -> Floats:
        """(S, D)"""
        return np.sqrt((self.root**2).sum(axis=1))


def exact(data: NewData) -> Exact:
    """Every draw's update, and the draws' weights: the rows' density, effects integrated out."""
    updates = [update(data, at) for at in data.blocks(data.n_draws)]
    mean, sd, log_density = (
        np.concatenate([getattr(u, name) for u in updates])
        for name in ("mean", "sd", "log_density")
    )
    return Exact(data, smooth(log_density), mean, sd)


def update(data: NewData, draws: Ints) -> Update:
    """The update at some of the posterior draws."""
    w = np.ones(data.n) if data.weights is None else data.weights
    r = data.y - data.eta[:, draws].T  # (S, m)
    B, log_root = data.design(draws)[0], np.zeros(len(draws))
    known = names.SIGMA not in data.parameters
    sigma = np.ones(len(draws)) if known else data.parameters[names.SIGMA][draws]
    if data.residual is not None or sigma.ndim > 1:
        sd = data.sds(draws)
        own = {name: x[draws] for name, x in data.correlations.items()}
        r, B, log_root = whitened_columns(data.residual, own, sd, r, B)
        w, sigma = np.ones(data.n), np.ones(len(draws))
    u = woodbury.given(r, B, w, sigma**2)
    R = data.root(draws)
    return Update(
        data.means(draws) + (R @ u.mean[:, :, None])[:, :, 0],
        np.linalg.solve(u.root, R.transpose(0, 2, 1)),
        u.log_density - log_root,
    )


# ---- by importance sampling --------------------------------------------------------------------
# In every posterior draw K effects u are proposed near their mode given the rows. Draw and
# effects together have the weight p(y | draw, u) p(u) / q(u): weighted, they are draws of the
# posterior with the rows added. Pareto smoothing of all weights tells how far they can be
# trusted.


COUNT = 8  # proposals in each draw


@dataclass(frozen=True, eq=False)
class Weighted:
    """The new effects: K in each draw, each with its weight."""

    importance: Importance  # of the draws
    weights: Floats  # (S, K), their sum is 1
    effects: Floats  # (S, K, D) b

    def describe(self, at: slice, shift: Floats | float, how: Description) -> dict[str, Floats]:
        """Columns IN_CLOSED_FORM of some effects, shifted by (S, k)."""
        values = self.effects[:, :, at]
        if np.ndim(shift):
            values = values + np.asarray(shift)[:, None, :]
        values, weights = values.reshape(-1, values.shape[2]), self.weights.ravel()
        mean, (low, high) = weights @ values, tails(how.prob)
        known: dict[str, Callable[[], Floats]] = {
            "mean": lambda: mean,
            "sd": lambda: np.sqrt(weights @ (values - mean) ** 2),
            "median": lambda: weighted_quantile(values, weights, 0.5),
            "lower": lambda: weighted_quantile(values, weights, low),
            "upper": lambda: weighted_quantile(values, weights, high),
            "prob_positive": lambda: weights @ (values > 0),
        }
        return {name: known[name]() for name in how.columns}

    def drawn(self, seed: int) -> tuple[Ints, Floats]:
        """(S,) draws of equal weight, by resampling, and their effects (S, D)."""
        s, k, d = self.effects.shape
        at = resample(self.weights.ravel(), stream(seed, RESAMPLING), s)
        return at // k, self.effects.reshape(-1, d)[at]


def weighted(data: NewData, seed: int) -> Weighted:
    """Proposals in every draw, and their weights."""
    s, d = data.n_draws, data.size
    z = directions(stream(seed, EFFECTS), s, COUNT, d)
    effects, log_ratio = np.empty((s, COUNT, d)), np.empty((s, COUNT))
    for at in data.blocks(s):
        given = Given(data.density(at), data.etas(at), data.design(at))
        found = propose(given, z[at])
        effects[at] = data.means(at)[:, None] + found.u @ data.root(at).transpose(0, 2, 1)
        log_ratio[at] = found.log_ratio
    every = smooth(log_ratio.ravel())
    weights = every.weights.reshape(s, COUNT)
    return Weighted(Importance(weights.sum(axis=1), every.pareto_k), weights, effects)


def weighted_quantile(values: Floats, weights: Floats, p: float) -> Floats:
    """(K,) quantile p of weighted values (N, K), between the middles of the steps."""
    order = np.argsort(values, axis=0)
    w = weights[order]
    middle = np.cumsum(w, axis=0) - w / 2
    ordered = np.take_along_axis(values, order, axis=0)
    columns = range(values.shape[1])
    return np.array([np.interp(p, middle[:, k], ordered[:, k]) for k in columns])
