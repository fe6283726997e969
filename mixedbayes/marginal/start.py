"""Where the search for the mode begins, and how far a step of one is in each coordinate.

Both come from the least-squares fit of the population columns alone, which a problem has at hand:
s is its residual standard deviation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mixedbayes.marginal.parameters import Layout
from mixedbayes.marginal.problem import Problem
from mixedbayes.theta.logpriors import IDENTITY, LOGIT

__all__ = ["coordinate_units", "default_start"]

Floats = NDArray[np.float64]


class ThetaDensity(Protocol):
    """A log density of few parameters, a dataclass with `units` and `tails`.

    Its layout has ndim, n_parameters, table, starts, coefficients and sampled; and units (d,),
    where there is no problem that they follow from.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def layout(self) -> Any: ...

    @property
    def problem(self) -> Problem | None: ...

    @property
    def ndim(self) -> int: ...

    def logp(self, theta: Floats) -> float: ...

    def logp_grad(self, z: Floats) -> tuple[float, Floats]: ...


def coordinate_units(layout: Any, problem: Problem | None) -> Floats:
    """(d,) 1, but for coefficients on their own scale the change that moves the fit by s, and log
    sigma by 1.
    """
    if problem is None:
        given: Floats = layout.units
        return given
    units = np.ones(layout.ndim)
    if layout.coefficients:
        at = layout.starts["coefficients"]
        columns = slice(at, at + len(layout.coefficients))
        change = _residual_sd(problem) / _lengths(problem.sections["TV"])
        units[columns] = np.where(layout.table.codes[columns, 1] == IDENTITY, change, 1.0)
    if layout.log_sigma:
        at, parts = layout.starts["sigma"], problem.sections
        square = parts["class_n"] @ parts["scale_X"] ** 2 / problem.n
        own = slice(at, at + len(square))
        alike = (square > 0) & (layout.table.codes[own, 1] == IDENTITY)
        units[own] = np.where(alike, square, 1.0) ** -0.5
    return units


def default_start(density: ThetaDensity) -> Floats:
    """theta (d,): sigma = 0.7 s, each group sd such that its effects have half the size of s.

    Correlations and spherical effects are 0, sampled coefficients at the fit; those of residuals at
    their priors' medians. A value outside its prior's interval is moved inside.
    """
    layout, problem = density.layout, density.problem
    theta = np.zeros(layout.ndim)
    if problem is None:
        return theta
    s, zero = _residual_sd(problem), layout.constrained(theta)
    sizes = [*_by_factor(_integrated_sizes(problem), layout), *_sampled_sizes(problem, layout)]
    factors = (*layout.integrated, *layout.sampled)
    sd = {f.name: 0.5 * s / size for f, size in zip(factors, sizes, strict=True)}
    parts = problem.sections
    fit = np.linalg.lstsq(parts["TV"], parts["v0"])[0] if layout.coefficients else np.zeros(0)
    at = replace(zero, sd=sd, sigma=np.array(0.7 * s), coefficients=fit)
    if layout.log_sigma:
        root = np.sqrt(parts["class_n"])
        wanted = root * (np.log(0.7 * s) - parts["scale_0"])
        gamma = np.linalg.lstsq(root[:, None] * parts["scale_X"], wanted)[0]
        at = replace(at, log_sigma=gamma)
    if layout.correlations is not None:
        at = replace(at, numbers=layout.correlations.start())
    theta = layout.unconstrained(at)
    bounded = layout.table.codes[:, 1] == LOGIT
    return np.where(bounded, np.clip(theta, -4, 4), np.clip(theta, -600, 600))


def _residual_sd(problem: Problem) -> float:
    """s; 1 where the population columns fit the response exactly."""
    square = problem.sections["XX"][-1, -1] / max(problem.n, 1)
    return float(np.sqrt(square)) if square > 0 else 1.0


def _by_factor(sizes: list[Floats], layout: Layout) -> Iterator[Floats]:
    """(q,) of each factor, from those that the kernel has: of a chain each block's."""
    left = iter(sizes)
    for f in layout.integrated:
        if f.distances is None:
            yield next(left)
            continue
        own = np.empty(f.q)
        for places, _ in f.sets:
            own[list(places)] = next(left)
        yield own


def _integrated_sizes(problem: Problem) -> list[Floats]:
    """Root mean square of each column of Z, per factor in the caller's order."""
    sizes = [np.ones(q) for q in problem.widths]
    parts = problem.sections
    for k, caller in enumerate(problem.plan.order):
        q, at = problem.widths[caller], parts["t0"][k]
        sizes[caller] = _lengths(parts["T"][at : at + q * q].reshape(q, q))
    if problem.sparse:
        sizes = [s * np.sqrt(c) for s, c in zip(sizes, parts["size"], strict=True)]
    return sizes


def _sampled_sizes(problem: Problem, layout: Layout) -> list[Floats]:
    """The same for the sampled factors, from the squares among the products of their columns."""
    if not layout.sampled:
        return []
    parts, h = problem.sections, problem.header
    products = sparse.csr_array((parts["v_val"], parts["v_idx"], parts["v_ptr"]))
    products.resize((len(parts["v_ptr"]) - 1, h.r))
    squares = products.diagonal(k=h.r - products.shape[0])[h.rx :] / max(problem.n, 1)
    sizes, at = [], 0
    for f in layout.sampled:
        mean = squares[at : at + f.n_levels * f.q].reshape(f.n_levels, f.q).sum(axis=0)
        sizes.append(np.sqrt(np.where(mean > 0, mean, 1.0)))
        at += f.n_levels * f.q
    return sizes


def _lengths(basis: Floats) -> Floats:
    """Root mean square of each original column, given its coefficients in the internal basis."""
    length = np.sqrt(np.sum(basis**2, axis=0))
    return np.where(length > 0, length, 1.0)
