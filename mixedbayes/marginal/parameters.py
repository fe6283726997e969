"""The variance parameters as one unconstrained vector theta, and back.

theta holds, in this order: for each grouping factor the coordinates of its standard deviations and
of its correlations, see `priors.factor`; those of the correlations of residuals, see
`priors.residual`; sigma, unless the residual variances are known, or the coefficients of its log;
the population coefficients that are sampled; the spherical effects of the grouping factors that are
sampled. A factor's covariance is L L'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.distributions import Normal, Prior
from mixedbayes.numerics import correlation
from mixedbayes.priors.factor import FactorParameters
from mixedbayes.priors.residual import ResidualParameters
from mixedbayes.theta import logpriors, simplex
from mixedbayes.theta.logpriors import Coordinate, Table

__all__ = ["Constrained", "Layout"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Constrained:
    """Parameters on their own scales; `...` are the leading dimensions of theta, such as draws."""

    sd: Mapping[str, Floats]  # by grouping factor (..., q)
    cor: Mapping[str, Floats]  # (..., q, q); of a chain its numbers z (..., m)
    L: Mapping[str, Floats]  # (..., q, q) lower triangular, covariance L L'; none of a chain
    sigma: Floats  # (...), 1 where it is known or has a formula
    coefficients: Floats  # (..., r) sampled population coefficients
    spherical: Mapping[str, Floats]  # by sampled factor (..., J, q)
    log_sigma: Floats | None = None  # (..., s) coefficients of log sigma, where it has a formula
    numbers: Floats | None = None  # (..., A, m) of the residual's correlations, where there are any
    roots: Floats | None = None  # (..., k) those of these
    links: Floats | None = None  # (..., k) those of all chains' neighbours, where there are any

    @property
    def residual(self) -> Floats:
        """(..., k) `links`, and all numbers of the residual, as the kernels take them."""
        scale = self.sigma[..., None] if self.log_sigma is None else self.log_sigma
        before = [part for part in (self.links, self.roots) if part is not None]
        return np.concatenate([*before, scale], axis=-1) if before else scale

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
    sigma: Prior | None  # None: it is 1, and the weights are the inverse of known variances
    coefficients: tuple[tuple[str, Prior], ...] = ()  # sampled population coefficients by name
    # Places among them of the columns of each monotonic effect, whose coordinates are those of a
    # point, see `theta.simplex`, and whose coefficients are its steps.
    steps: tuple[tuple[int, ...], ...] = ()
    log_sigma: tuple[tuple[str, Prior], ...] = ()  # coefficients of log sigma, in sigma's place
    correlations: ResidualParameters | None = None  # of residuals

    @property
    def integrated(self) -> tuple[FactorParameters, ...]:
        return tuple(f for f in self.factors if not f.n_levels)

    def factor(self, name: str) -> FactorParameters:
        """Those of one factor."""
        return next(f for f in self.factors if f.name == name)

    @property
    def sampled(self) -> tuple[FactorParameters, ...]:
        return tuple(f for f in self.factors if f.n_levels)

    @cached_property
    def _named(self) -> tuple[tuple[str, Coordinate], ...]:
        named = [c for f in self.factors for c in f.coordinates()]
        if self.correlations is not None:
            named += self.correlations.coordinates()
        if self.sigma is not None:
            sigma = logpriors.coordinate(self.sigma, positive=True, where=names.SIGMA)
            named.append((names.SIGMA, sigma))
        for name, prior in (*self.log_sigma, *self.coefficients):
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
        """First coordinate of each factor, of correlations, sigma, the coefficients and spherical
        effects.
        """
        starts, at = {}, 0
        for f in self.factors:
            starts[f"factor {f.name}"] = at
            at += f.size
        starts["correlations"] = at  # where the factors' coordinates end
        at += 0 if self.correlations is None else self.correlations.size
        starts["sigma"] = at
        starts["coefficients"] = at = at + (self.sigma is not None) + len(self.log_sigma)
        at += len(self.coefficients)
        for f in self.sampled:
            starts[f"spherical {f.name}"] = at
            at += f.n_levels * f.q
        return starts

    def constrained(self, theta: Floats) -> Constrained:
        """The parameters at theta (..., ndim)."""
        theta = np.asarray(theta, float)
        x, left = logpriors.apply_links(self.table, theta)
        sd, cor, L, spherical, links = {}, {}, {}, {}, []
        for f in self.factors:
            at = self.starts[f"factor {f.name}"]
            own = slice(at, at + f.size)
            if f.distances is not None:
                sd[f.name] = x[..., [at + k for k in f.sd_places]]
                cor[f.name] = x[..., at + len(f.sd) : at + f.size]
                links.append(f.links(cor[f.name]))
                continue
            sd[f.name], W = f.roots(x[..., own], left[..., own])
            cor[f.name] = correlation.matrix(W)
            L[f.name] = sd[f.name][..., :, None] * W
        for f in self.sampled:
            at = self.starts[f"spherical {f.name}"]
            u = x[..., at : at + f.n_levels * f.q]
            spherical[f.name] = u.reshape(*u.shape[:-1], f.n_levels, f.q)
        scale = self.starts["sigma"]
        sigma = np.ones(x.shape[:-1]) if self.sigma is None else x[..., scale]
        log_sigma = x[..., scale : scale + len(self.log_sigma)] if self.log_sigma else None
        at = self.starts["coefficients"]
        coefficients = self._stepped(x[..., at : at + len(self.coefficients)], simplex.steps)
        numbers = roots = None
        if self.correlations is not None:
            here = slice(self.starts["correlations"], scale)
            shape = (*x.shape[:-1], *self.correlations.shape)
            numbers = x[..., here].reshape(shape)
            roots = self.correlations.roots(numbers, left[..., here].reshape(shape))
        every = np.concatenate(links, axis=-1) if links else None
        return Constrained(
            sd, cor, L, sigma, coefficients, spherical, log_sigma, numbers, roots, every
        )  # fmt: skip

    def unconstrained(self, parameters: Constrained) -> Floats:
        """theta (..., ndim) at these parameters; reads neither L, roots nor links."""
        sigma = np.asarray(parameters.sigma, float)
        x = np.empty((*sigma.shape, self.ndim))
        for f in self.factors:
            at = self.starts[f"factor {f.name}"]
            x[..., at : at + f.size] = f.values(parameters.sd[f.name], parameters.cor[f.name])
        for f in self.sampled:
            at = self.starts[f"spherical {f.name}"]
            x[..., at : at + f.n_levels * f.q] = parameters.spherical[f.name].reshape(
                *sigma.shape, -1
            )
        own = self.starts["sigma"]
        if self.sigma is not None:
            x[..., own] = sigma
        if self.log_sigma:
            x[..., own : own + len(self.log_sigma)] = parameters.log_sigma
        if self.correlations is not None:
            assert parameters.numbers is not None
            here = slice(self.starts["correlations"], own)
            x[..., here] = parameters.numbers.reshape(*sigma.shape, -1)
        at = self.starts["coefficients"]
        x[..., at : at + len(self.coefficients)] = self._stepped(
            parameters.coefficients, simplex.point
        )
        return logpriors.apply_inverse_links(self.table, x)

    def _stepped(self, values: Floats, change: Callable[[Floats], Floats]) -> Floats:
        """Sampled coefficients with those of monotonic effects changed."""
        if not self.steps:
            return values
        out = np.array(values)
        for own in self.steps:
            out[..., list(own)] = change(out[..., list(own)])
        return out
