"""Log likelihood of each observation or of each group, per posterior draw, for cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, Ints
from mixedbayes.errors import ModelError
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.model.coords import model_coords, response_name
from mixedbayes.model.spec import Spec
from mixedbayes.results.fitted import linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior

MAX_BYTES = 4e9  # largest array that is made


def log_likelihood(post: Posterior, spec: Spec, target: str = "observation") -> xr.Dataset:
    """Log likelihood of every observation, or of every level of a grouping factor.

    Parameters
    ----------
    post, spec
        The posterior and its model.
    target
        "observation": log p(y_i | beta, b, sigma), given the group effects.
        A grouping factor's name: log p(y_g | beta, sigma, Sigma), with the effects of level g, and
        those of factors nested in it, integrated out in closed form; effects of crossed factors
        are given. This is what leave-one-group-out cross-validation weighs.

    Returns
    -------
    Dataset
        One variable, named by the response: (chain, draw, obs) or (chain, draw, group).

    Raises
    ------
    ModelError
        Unknown target; group target for a family without a closed form; an array that would be
        larger than 4 GB.
    """
    groups = {g.name: g for g in spec.design.mu.groups}
    if target == "observation":
        _check_size(post, spec.design.n, "observations")
        values, dim, labels = by_observation(post), names.OBS, model_coords(spec)[names.OBS]
    elif target in groups:
        if type(spec.family) is not Gaussian:
            raise ModelError(
                f"target={target!r}: the effects of a group integrate out in closed form only for "
                f"the gaussian family, not for {spec.family.name}; use target='observation'"
            )
        _check_size(post, groups[target].n_levels, f"levels of {target}")
        values = by_group(post, groups[target])
        dim, labels = names.group_dim(target), groups[target].levels.to_numpy()
    else:
        valid = ", ".join(map(repr, ["observation", *groups]))
        raise ModelError(f"target={target!r} is not known: use one of {valid}")
    chains, draws = post.shape
    data = values.reshape(chains, draws, -1)
    coords = {names.CHAIN: np.arange(chains), names.DRAW: np.arange(draws), dim: labels}
    return xr.Dataset(
        {response_name(spec): ((names.CHAIN, names.DRAW, dim), data)}, coords, {"target": target}
    )


def by_observation(post: Posterior, rows: Ints | slice = slice(None)) -> Floats:
    """(S, m) log p(y_i | eta_i, parameters) of some rows, all by default."""
    design, family = post.design, post.family
    mu = family.inverse(linear_predictor(post, rows).T, np)
    weights = None if design.weights is None else design.weights[rows]
    trials = None if design.trials is None else design.trials[rows]
    return family.log_density(
        design.y[rows], mu, row_parameters(post, rows), weights=weights, trials=trials
    )


def by_group(post: Posterior, target: GroupDesign, levels: Ints | None = None) -> Floats:
    """(S, J) log density of each level's rows, its own effects and nested ones integrated.

    `levels` are the positions of some levels, all by default.

    With A the columns of those effects in the level's rows, Psi = L L' their covariance and r the
    residual given everything else, r ~ N(0, A Psi A' + sigma^2 W^-1); by Woodbury only matrices of
    the size of the effects are factored.
    """
    design = post.design
    inner = [g for g in design.mu.groups if g is target or nested(g, target)]
    L = {g.name: _cholesky(post.cov(g.name)) for g in inner}
    sigma2 = post.family.residual_variance(post.parameters())  # (S,)
    weights = np.ones(design.n) if design.weights is None else design.weights
    levels = np.arange(target.n_levels) if levels is None else levels
    out = np.empty((post.n_draws, len(levels)))
    order = np.argsort(target.refs, kind="stable")
    ends = np.cumsum(np.bincount(target.refs, minlength=target.n_levels))
    rows_of = np.split(order, ends[:-1])
    for j, rows in enumerate(rows_of[level] for level in levels):
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


def nested(fine: GroupDesign, coarse: GroupDesign) -> bool:
    """Whether each level of `fine` occurs within one level of `coarse`."""
    pairs = np.unique(np.column_stack([fine.refs, coarse.refs]), axis=0)
    return len(pairs) == fine.n_levels


def _check_size(post: Posterior, n: int, what: str) -> None:
    size = 8.0 * n * post.n_draws
    if size > MAX_BYTES:
        raise ModelError(
            f"{n:,} {what} x {post.n_draws:,} draws take {size / 1e9:.1f} GB, more than "
            f"{MAX_BYTES / 1e9:.0f} GB; use fewer draws, or a coarser target"
        )
