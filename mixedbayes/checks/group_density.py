"""Log density of the rows of each level of a grouping factor, its effects integrated out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixedbayes.checks.integrate import NODES, Density, Level, log_integral
from mixedbayes.design.types import Floats, GroupDesign, Ints
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.families.links import Identity
from mixedbayes.results.fitted import linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior


def group_obstacle(post: Posterior, target: GroupDesign) -> str | None:
    """Why the effects of one factor cannot be integrated out, and what to do; None if they can."""
    if closed_form(post):
        return None
    inner = [g.name for g in post.design.mu.groups if g is not target and nested(g, target)]
    if inner:
        return (
            f"{', '.join(inner)} is nested in {target.name}, and the effects of both together "
            "integrate out only for gaussian models with identity link; use "
            f"target={inner[-1]!r}, or target='observation'"
        )
    if len(target.terms) > max(NODES):
        return (
            f"{len(target.terms)} effects per level are too many for quadrature, which goes up to "
            f"{max(NODES)}; use target='observation'"
        )
    for name, predictor in post.design.others.items():
        if any(g.name == target.name for g in predictor.groups):
            return f"{target.name} has effects on {name} too; use target='observation'"
    return None


def closed_form(post: Posterior) -> bool:
    """Whether the response is normal given the effects, and linear in them."""
    family = post.family
    linear = type(family) is Gaussian and isinstance(family.link, Identity)
    return linear and not post.design.others


def nested(fine: GroupDesign, coarse: GroupDesign) -> bool:
    """Whether each level of `fine` occurs within one level of `coarse`."""
    pairs = np.unique(np.column_stack([fine.refs, coarse.refs]), axis=0)
    return len(pairs) == fine.n_levels


def by_group(post: Posterior, target: GroupDesign, levels: Ints | None = None) -> Floats:
    """(S, J) log density of each level's rows, its effects integrated out.

    In closed form where there is one, with the effects of nested factors; else by quadrature.
    Effects of crossed factors are given. `levels` are the positions of some levels, all by default.
    """
    levels = np.arange(target.n_levels) if levels is None else levels
    order = np.argsort(target.refs, kind="stable")
    ends = np.cumsum(np.bincount(target.refs, minlength=target.n_levels))
    every = np.split(order, ends[:-1])
    return _by_rows(post, target, [every[level] for level in levels])


def by_observation_in_group(post: Posterior, target: GroupDesign, row: int) -> Floats:
    """(S,) log p(y_i | the other rows of its level, theta), the level's effects integrated out."""
    rows = np.flatnonzero(target.refs == target.refs[row])
    others = rows[rows != row]
    whole = _by_rows(post, target, [rows])[:, 0]
    return whole - _by_rows(post, target, [others])[:, 0] if len(others) else whole


def _by_rows(post: Posterior, target: GroupDesign, levels: Sequence[Ints]) -> Floats:
    """(S, J) for the rows of each level, or some of them."""
    return (_exact if closed_form(post) else _quadrature)(post, target, levels)


def _quadrature(post: Posterior, target: GroupDesign, levels: Sequence[Ints]) -> Floats:
    """(S, J) by adaptive quadrature over the effects of each level."""
    L = _cholesky(post.cov(target.name))
    out = np.empty((post.n_draws, len(levels)))
    for j, rows in enumerate(levels):
        eta = linear_predictor(post, rows, without=[target.name]).T
        out[:, j] = log_integral(Level(_density(post, rows), eta, target.Z[rows] @ L))
    return out


def _density(post: Posterior, rows: Ints) -> Density:
    """log p(y_i | eta_i) of some rows, as a function of eta (S, m)."""
    design, family, parameters = post.design, post.family, row_parameters(post, rows)
    weights = None if design.weights is None else design.weights[rows]
    trials = None if design.trials is None else design.trials[rows]

    def density(eta: Floats) -> Floats:
        mu = family.inverse(eta, np)
        return family.log_density(design.y[rows], mu, parameters, weights=weights, trials=trials)

    return density


def _exact(post: Posterior, target: GroupDesign, levels: Sequence[Ints]) -> Floats:
    """(S, J) in closed form, the effects of nested factors integrated out too.

    With A the columns of those effects in the level's rows, Psi = L L' their covariance and r the
    residual given everything else, r ~ N(0, A Psi A' + sigma^2 W^-1); by Woodbury only matrices of
    the size of the effects are factored.
    """
    design = post.design
    inner = [g for g in design.mu.groups if g is target or nested(g, target)]
    L = {g.name: _cholesky(post.cov(g.name)) for g in inner}
    sigma2 = post.family.residual_variance(post.parameters())  # (S,)
    weights = np.ones(design.n) if design.weights is None else design.weights
    out = np.empty((post.n_draws, len(levels)))
    for j, rows in enumerate(levels):
        given = linear_predictor(post, rows, without=L)  # (m, S)
        r = design.y[rows] - given.T
        A, factor = _columns(inner, L, rows)
        out[:, j] = _log_normal(r, A, factor, sigma2, weights[rows])
    return out


def _columns(
    groups: Sequence[GroupDesign], L: dict[str, Floats], rows: Ints
) -> tuple[Floats, Floats]:
    """Columns (m, k) of the effects met in these rows and their Cholesky factor (S, k, k)."""
    blocks, factors = [], []
    for g in groups:
        for level in np.unique(g.refs[rows]):
            blocks.append(np.where(g.refs[rows, None] == level, g.Z[rows], 0.0))
            factors.append(L[g.name])
    k = sum(b.shape[1] for b in blocks)
    joint, at = np.zeros((len(factors[0]), k, k)), 0
    for f in factors:
        q = f.shape[-1]
        joint[:, at : at + q, at : at + q] = f
        at += q
    return np.concatenate(blocks, axis=1), joint


def _log_normal(r: Floats, A: Floats, L: Floats, sigma2: Floats, w: Floats) -> Floats:
    """(S,) log N(r; 0, A L L' A' + sigma^2 W^-1) for residuals r (S, m)."""
    AL = A @ L  # (S, m, k)
    scaled = AL * (w[:, None] / sigma2[:, None, None])
    H = np.eye(AL.shape[-1]) + np.swapaxes(AL, 1, 2) @ scaled
    h = np.einsum("smk,sm->sk", scaled, r)
    quadratic = np.einsum("sm,m,sm->s", r, w, r) / sigma2
    quadratic -= np.einsum("sk,sk->s", h, np.linalg.solve(H, h[..., None])[..., 0])
    log_det = np.linalg.slogdet(H)[1]
    constant = len(w) * np.log(2 * np.pi * sigma2) - np.sum(np.log(w))
    return -0.5 * (constant + log_det + quadratic)


def _cholesky(cov: Floats) -> Floats:
    """(S, q, q) L with L L' = cov, also where a standard deviation is 0."""
    values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
