"""Log posterior density of the variance parameters, with its gradient, over unconstrained theta.

log p(theta | y) + log p(y) = log p(y | L, sigma, v) + sum of log priors + log Jacobians, where
theta -> (L, sigma, v) is given by `Layout`; with sigma here and elsewhere are all numbers of the
residual, see `Problem.n_residual`. Nothing is left out: its exponential integrates to the
evidence p(y).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from mixedbayes import jit
from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.marginal import evaluate
from mixedbayes.marginal.kernel import kernel_for
from mixedbayes.marginal.parameters import Constrained, Layout
from mixedbayes.marginal.problem import Problem
from mixedbayes.theta.record import Recorded, pack
from mixedbayes.theta.shares import ShareTransform
from mixedbayes.theta.tails import TailTransform
from mixedbayes.theta.whitening import CholeskyFactor, Whitening

__all__ = ["Affine", "Likelihood", "MarginalDensity", "Surrogate"]


@dataclass(frozen=True, eq=False)
class Likelihood:
    """log p(y | L, sigma, v): a compiled function and the two arrays that hold its data.

    numba has compiled `function(x, gradient, ints, floats)` with
    `evaluate.LIKELIHOOD_SIGNATURE`; x = (L_1 row by row, ..., L_K, sigma, v). An empty gradient
    asks for the value alone.
    """

    function: Any
    ints: Ints
    floats: Floats

    @classmethod
    def of(cls, problem: Problem) -> Likelihood:
        return cls(kernel_for(problem), problem.ints, problem.floats)


@dataclass(frozen=True, eq=False)
class Affine:
    """t = mode + C eta: C is lower triangular for m coordinates, diagonal for the others."""

    mode: Floats  # (d,)
    factor: Floats  # (m, m) lower triangular
    scales: Floats  # (d - m,) positive

    @cached_property
    def whitening(self) -> Whitening:
        """The same map: the others are effects in levels of one, which nothing couples."""
        n = len(self.scales)
        alone = CholeskyFactor(
            self.scales[:, None, None], sparse.csr_array((n, 0)), np.zeros((0, 0))
        )
        return Whitening(self.mode, self.factor, np.zeros((0, 0)), alone)

    @property
    def log_det(self) -> float:
        """log |C|."""
        return self.whitening.log_det

    def to_t(self, eta: Floats) -> Floats:
        """mode + C eta, for eta (..., d)."""
        return self.whitening.to_theta(eta)

    def to_eta(self, t: Floats) -> Floats:
        """C^-1 (t - mode), for t (..., d)."""
        m, moved = len(self.factor), np.asarray(t, float) - self.mode
        first = np.linalg.solve(self.factor, moved[..., :m, None])[..., 0]
        return np.concatenate([first, moved[..., m:] / self.scales], axis=-1)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A polynomial of degree 4 whose gradient stands in for that of a log density near its mode.

    sum_t c_t e_i e_j e_k e_l with (i, j, k, l) = terms[t] and e = (eta, 1), for |eta| <= radius.
    """

    terms: Ints  # (n_terms, 4) from 0 to d, which stands for the constant 1
    coefficients: Floats  # (n_terms,)
    radius: float
    non_normality: float  # of the density; see whitening.non_normality
    error: float = 0.0  # root mean square error of a derivative

    @classmethod
    def none(cls) -> Surrogate:
        return cls(np.zeros((0, 4), np.int64), np.zeros(0), 0.0, np.inf)


@dataclass(frozen=True, eq=False)
class MarginalDensity(Recorded):
    """Log posterior of theta, up to log p(y), for one problem and its priors.

    With `tails` it is the density of t instead, theta = tails.phi(t), with a `share` of theta =
    share.theta(tails.phi(t)), and with `units` that of eta, t = mode + C eta; their Jacobians are
    part of it. With a `surrogate` the gradient near the mode
    is the surrogate's; the value is always exact. Another `likelihood` than the problem's own may
    be given.
    """

    compiled: ClassVar[Any] = evaluate.density
    as_c: ClassVar[Any] = evaluate.c_density

    layout: Layout
    problem: Problem | None
    units: Affine | None = None
    tails: TailTransform | None = None
    likelihood: Likelihood | None = None
    surrogate: Surrogate | None = None
    share: ShareTransform | None = None

    @cached_property
    def ndim(self) -> int:
        return self.layout.ndim

    @cached_property
    def whitening(self) -> Whitening:
        return self.units.whitening if self.units else Whitening.identity(0, self.ndim)

    def logp(self, theta: Floats) -> float:
        """Log density at theta (ndim,), in about a third of the time."""
        return self._evaluate(theta, np.empty(0))

    def constrained(self, theta: Floats) -> Constrained:
        """The parameters at points (..., ndim) of this density's own coordinates."""
        t = self.whitening.to_theta(theta)
        t = self.tails.phi(t) if self.tails else t
        return self.layout.constrained(self.share.theta(t) if self.share else t)

    @cached_property
    def _likelihood(self) -> Likelihood:
        if self.likelihood is not None:
            return self.likelihood
        if self.problem is None:
            raise ModelError("a marginal density needs a problem, or a likelihood of its own")
        return Likelihood.of(self.problem)

    @cached_property
    def record(self) -> Ints:
        """What the compiled function reads; it points to the arrays of the likelihood."""
        maps, table, lik = _Maps.of(self.layout), self.layout.table, self._likelihood
        near, tails = (
            self.surrogate or Surrogate.none(),
            self.tails or TailTransform.identity(),
        )
        likelihood = (
            jit.address(lik.function, evaluate.LIKELIHOOD_SIGNATURE),
            lik.ints.ctypes.data, lik.ints.size, lik.floats.ctypes.data, lik.floats.size,
        )  # fmt: skip
        starts = self.layout.starts
        sizes = (
            maps.n_x, maps.n_v, maps.n_L, starts["sigma"], maps.n_W, starts["coefficients"],
        )  # fmt: skip
        sections = {
            "likelihood": np.array(likelihood, np.int64),
            "sizes": np.array(sizes, np.int64),
            "codes": table.codes, "numbers": table.numbers,
            "blocks": maps.blocks, "sampled": maps.sampled, "steps": maps.steps,
            "tails": tails.table,
            "share": np.zeros(0) if self.share is None else self.share.table,
            "terms": near.terms, "coefficients": near.coefficients,
            "square": np.array([near.radius**2]),
        }  # fmt: skip
        return pack(evaluate.SECTIONS, sections | self.whitening.sections())


@dataclass(frozen=True, eq=False)
class _Maps:
    """The layout as integers.

    x holds what the likelihood takes, (L_1, ..., L_K, roots of chains' neighbours and of the
    residual's correlations, sigma or the coefficients of its log, v), and after that the L of
    sampled factors; `blocks` are as `terms.roots` reads them.
    """

    blocks: Ints
    n_W: int
    sampled: Ints  # (factors, 4): first spherical coordinate, levels, q, start of L
    n_x: int
    n_v: int
    n_L: int
    steps: Ints  # of each monotonic effect its number of steps, and their places among v

    @classmethod
    def of(cls, layout: Layout) -> _Maps:
        n_v = layout.ndim - layout.n_parameters + len(layout.coefficients)
        residual = layout.correlations
        links = sum(f.n_entries for f in layout.integrated)
        roots = links + sum(f.n_links for f in layout.integrated)
        n_x = roots + (residual.n_roots if residual else 0) + max(len(layout.log_sigma), 1) + n_v
        n_L = sum(f.q**2 for f in layout.sampled)
        at = {False: 0, True: n_x}  # next free place for the L of integrated and sampled factors
        blocks: list[int] = []
        sampled: list[tuple[int, ...]] = []
        for f in layout.factors:
            start = layout.starts[f"factor {f.name}"]
            L = at[bool(f.n_levels)]
            blocks += f.record(start, L, links)
            if f.n_levels:
                sampled.append((layout.starts[f"spherical {f.name}"], f.n_levels, f.q, L))
            at[bool(f.n_levels)] += f.n_entries
            links += f.n_links
        if residual:
            blocks += residual.record(layout.starts["correlations"], roots)
        return cls(
            np.array(blocks, np.int64),
            sum(f.root_size for f in layout.factors) + (residual.n_roots if residual else 0),
            np.array(sampled, np.int64).reshape(-1, 4),
            n_x, n_v, n_L,
            np.array([k for own in layout.steps for k in (len(own), *own)], np.int64),
        )  # fmt: skip
