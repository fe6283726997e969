"""The variance parameters as one unconstrained vector theta, and back.

theta holds, in this order: for each grouping factor the coordinates of its standard deviations and
then of its partial correlations; sigma; the population coefficients that are sampled; the spherical
effects of the grouping factors that are sampled. A factor's covariance is L L' with
L = diag(sd) W, W from the partial correlations as `numerics.correlation` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.distributions import Normal, Prior
from mixedbayes.numerics import correlation
from mixedbayes.numerics.correlation import CLOSEST
from mixedbayes.priors.types import PredictorPriors
from mixedbayes.theta import logpriors
from mixedbayes.theta.logpriors import LOG, LOGIT, TANH, Coordinate, Table

__all__ = ["Constrained", "FactorParameters", "Layout"]

Floats = NDArray[np.float64]
# Parameters at the edge of their range are pulled in this far, to have finite coordinates.
_SMALLEST = 1e-300  # standard deviations


@dataclass(frozen=True, eq=False)
class FactorParameters:
    """The parameters of one grouping factor's covariance, and their priors."""

    name: str  # "Subject"
    terms: tuple[str, ...]  # (q,)
    blocks: tuple[tuple[int, ...], ...]  # partition of range(q): correlated within a block
    sd: tuple[Prior, ...]  # (q,)
    eta: float = 1.0  # of the LKJ prior on each block's correlations
    n_levels: int = 0  # of a sampled factor, whose effects are coordinates too

    @classmethod
    def of(
        cls, group: GroupDesign, priors: PredictorPriors, *, sampled: bool = False
    ) -> FactorParameters:
        """The parameters of one grouping factor of a design under its priors."""
        return cls(
            group.name,
            group.terms,
            group.blocks,
            tuple(a.prior for a in priors.sd[group.name]),
            priors.lkj(group.name).eta if group.correlated else 1.0,
            group.n_levels if sampled else 0,
        )

    @property
    def q(self) -> int:
        return len(self.terms)

    @property
    def rows(self) -> correlation.Rows:
        """Per term: the correlated terms before it."""
        return correlation.rows_of(self.blocks, self.q)

    def coordinates(self) -> Iterator[tuple[str, Coordinate]]:
        sd, cor = names.sd(self.name), names.cor(self.name)
        for term, prior in zip(self.terms, self.sd, strict=True):
            where = f"{sd}[{term}]"
            yield where, logpriors.coordinate(prior, positive=True, where=where)
        size = {i: len(block) for block in self.blocks for i in block}
        for i, before in enumerate(self.rows):
            for given, j in enumerate(before):
                shape = correlation.lkj_shape(self.eta, size[i], given)
                where = f"{cor}[{self.terms[i]}, {self.terms[j]}]"
                yield where, logpriors.partial_correlation(shape)


@dataclass(frozen=True, eq=False)
class Constrained:
    """Parameters on their own scales; `...` are the leading dimensions of theta, such as draws."""

    sd: Mapping[str, Floats]  # by grouping factor (..., q)
    cor: Mapping[str, Floats]  # (..., q, q)
    L: Mapping[str, Floats]  # (..., q, q) lower triangular, covariance L L'
    sigma: Floats  # (...)
    coefficients: Floats  # (..., r) sampled population coefficients
    spherical: Mapping[str, Floats]  # by sampled factor (..., J, q)

    @property
    def v(self) -> Floats:
        """(..., r + sum J q) sampled coefficients, then the effects L u of the sampled factors."""
        lead = self.sigma.shape
        effects = [
            np.einsum("...ij,...gj->...gi", self.L[name], u).reshape(*lead, -1)
            for name, u in self.spherical.items()
        ]
        return np.concatenate([self.coefficients, *effects], axis=-1)


@dataclass(frozen=True, eq=False)
class Layout:
    """What each coordinate of theta means, and its prior."""

    factors: tuple[FactorParameters, ...]  # integrated ones first, then the sampled ones
    sigma: Prior
    coefficients: tuple[tuple[str, Prior], ...] = ()  # sampled population coefficients by name

    @property
    def integrated(self) -> tuple[FactorParameters, ...]:
        return tuple(f for f in self.factors if not f.n_levels)

    @property
    def sampled(self) -> tuple[FactorParameters, ...]:
        return tuple(f for f in self.factors if f.n_levels)

    @cached_property
    def _named(self) -> tuple[tuple[str, Coordinate], ...]:
        named = [c for f in self.factors for c in f.coordinates()]
        sigma = logpriors.coordinate(self.sigma, positive=True, where=names.SIGMA)
        named.append((names.SIGMA, sigma))
        for name, prior in self.coefficients:
            named.append((name, logpriors.coordinate(prior, positive=False, where=name)))
        normal = logpriors.coordinate(Normal(0, 1), positive=False)
        for f in self.sampled:
            u = f"spherical_{names.identifier(f.name)}"
            named += [(f"{u}[{j}, {t}]", normal) for j in range(f.n_levels) for t in f.terms]
        return tuple(named)

    @property
    def names(self) -> tuple[str, ...]:
        """(ndim,) the parameter behind each coordinate."""
        return tuple(name for name, _ in self._named)

    @cached_property
    def table(self) -> Table:
        return logpriors.tabulate([c for _, c in self._named])

    @property
    def ndim(self) -> int:
        return len(self.table.codes)

    @cached_property
    def n_parameters(self) -> int:
        """Number of leading coordinates that are not spherical effects."""
        return self.ndim - sum(f.n_levels * f.q for f in self.sampled)

    @cached_property
    def starts(self) -> dict[str, int]:
        """First coordinate of each factor, of sigma, the coefficients and spherical effects."""
        starts, at = {}, 0
        for f in self.factors:
            starts[f"factor {f.name}"] = at
            at += f.q + correlation.n_partial(f.rows)
        starts["sigma"], starts["coefficients"] = at, at + 1
        at += 1 + len(self.coefficients)
        for f in self.sampled:
            starts[f"spherical {f.name}"] = at
            at += f.n_levels * f.q
        return starts

    def constrained(self, theta: Floats) -> Constrained:
        """The parameters at theta (..., ndim)."""
        theta = np.asarray(theta, float)
        x, root = apply_links(self.table, theta)
        sd, cor, L, spherical = {}, {}, {}, {}
        for f in self.factors:
            at = self.starts[f"factor {f.name}"]
            sd[f.name] = x[..., at : at + f.q]
            w = correlation.factor(f.rows, x[..., at + f.q :], root[..., at + f.q :])
            cor[f.name] = correlation.matrix(w)
            L[f.name] = sd[f.name][..., :, None] * w
        for f in self.sampled:
            at = self.starts[f"spherical {f.name}"]
            u = x[..., at : at + f.n_levels * f.q]
            spherical[f.name] = u.reshape(*u.shape[:-1], f.n_levels, f.q)
        at = self.starts["sigma"]
        coefficients = x[..., at + 1 : at + 1 + len(self.coefficients)]
        return Constrained(sd, cor, L, x[..., at], coefficients, spherical)

    def unconstrained(self, parameters: Constrained) -> Floats:
        """theta (..., ndim) at these parameters; reads sd, cor, sigma, coefficients, spherical."""
        sigma = np.asarray(parameters.sigma, float)
        x = np.empty((*sigma.shape, self.ndim))
        for f in self.factors:
            at = self.starts[f"factor {f.name}"]
            x[..., at : at + f.q] = parameters.sd[f.name]
            z = correlation.partial(f.rows, parameters.cor[f.name])
            x[..., at + f.q : at + f.q + z.shape[-1]] = z
        for f in self.sampled:
            at = self.starts[f"spherical {f.name}"]
            x[..., at : at + f.n_levels * f.q] = parameters.spherical[f.name].reshape(
                *sigma.shape, -1
            )
        at = self.starts["sigma"]
        x[..., at] = sigma
        x[..., at + 1 : at + 1 + len(self.coefficients)] = parameters.coefficients
        return _apply_inverse_links(self.table, x)


def apply_links(table: Table, theta: Floats) -> tuple[Floats, Floats]:
    """x (..., d), and sqrt(1 - x^2) where x is a partial correlation."""
    x, root = theta.copy(), np.ones_like(theta)
    log, logit, tanh = (table.codes[:, 1] == link for link in (LOG, LOGIT, TANH))
    with np.errstate(over="ignore"):
        x[..., log] = np.exp(theta[..., log])
        lower, upper = table.numbers[logit, 4], table.numbers[logit, 5]
        x[..., logit] = lower + (upper - lower) / (1 + np.exp(-theta[..., logit]))
        root[..., tanh] = 1 / np.cosh(theta[..., tanh])
    x[..., tanh] = np.tanh(theta[..., tanh])
    return x, root


def _apply_inverse_links(table: Table, x: Floats) -> Floats:
    theta = x.copy()
    log, logit, tanh = (table.codes[:, 1] == link for link in (LOG, LOGIT, TANH))
    theta[..., log] = np.log(np.maximum(x[..., log], _SMALLEST))
    lower, upper = table.numbers[logit, 4], table.numbers[logit, 5]
    share = np.clip((x[..., logit] - lower) / (upper - lower), 1 - CLOSEST, CLOSEST)
    theta[..., logit] = np.log(share) - np.log1p(-share)
    theta[..., tanh] = np.arctanh(np.clip(x[..., tanh], -CLOSEST, CLOSEST))
    return theta
