"""Log likelihood of each observation or of each group, per posterior draw, for cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.group_density import group_obstacle, of_levels
from mixedbayes.checks.rows_of_several import ROW, by_row
from mixedbayes.design.limits import limits_of
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.limited import log_density
from mixedbayes.model.coords import dims_of, model_coords, response_name
from mixedbayes.model.spec import Spec
from mixedbayes.results import correlated
from mixedbayes.results.fitted import linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.labels import group_of
from mixedbayes.sample.tree import computed

INTEGRAL_K = "integral_pareto_k"
TOTAL = "total log likelihood"  # (S,) kept with the posterior
MAX_BYTES = 4e9  # largest array that is made
MOST_READ = 1e9  # bytes of what a fit's tree has without being asked for


def log_likelihood(post: Posterior, target: str = "observation") -> xr.Dataset:
    """Log likelihood per draw of every observation, or of every level of a grouping factor.

    That of the observations is kept in ``idata["log_likelihood"]``, where ArviZ's `loo` looks for
    it, and where it is otherwise computed whenever it is read.

    Parameters
    ----------
    post
        The posterior.
    target
        "observation": log p(y_i | beta, b, sigma), given the group effects; with correlated
        residuals given the other rows of the group as well, as in Buerkner, Gabry & Vehtari (2021),
        doi:10.1007/s00180-020-01045-4.
        A grouping factor's name: log p(y_g | beta, sigma, Sigma), with the effects of level g
        and of factors nested in it integrated out; effects of crossed factors are given. For
        gaussian models with identity link in closed form; for others by adaptive quadrature of up
        to three effects of a level, else by importance sampling about their mode. This is what
        leave-one-group-out cross-validation weighs.

    Returns
    -------
    Dataset
        One variable, named by the response: (chain, draw, obs) or (chain, draw, group). Its
        attribute `integral_pareto_k` has, by level, how far an integral by importance sampling can
        be trusted: up to 0.7.

    Raises
    ------
    ModelError
        Unknown target; effects that cannot be integrated out; an array that would be larger than
        4 GB.

    See Also
    --------
    loo : What it is for.
    log_evidence : Of all rows, over the prior.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> dict(fit.log_likelihood().sizes)
    {'chain': 4, 'draw': 1000, 'obs': 180}
    >>> fit.log_likelihood("Subject")["Reaction"].dims
    ('chain', 'draw', 'Subject')
    """
    found = by_target(post, target)
    if target == "observation":
        post.idata[names.LOG_LIKELIHOOD] = xr.DataTree(found)
    return found


def by_target(post: Posterior, target: str) -> xr.Dataset:
    """`log_likelihood`, of which nothing is kept."""
    design, spec = post.design, post.spec
    groups = {g.name: g.levels for g in design.factors}
    if design.residual is not None:
        groups.setdefault(design.residual.name, design.residual.levels)
    attrs: dict[str, object] = {"target": target}
    if target == "observation":
        _check_size(post, design.n, "observations")
        values, (dim, labels) = _by_unit(post), _units(spec)
    elif target in groups:
        obstacle = group_obstacle(post, target)
        if obstacle is not None:
            raise ModelError(f"target={target!r}: {obstacle}")
        _check_size(post, len(groups[target]), f"levels of {target}")
        found = of_levels(post, target)
        values, attrs[INTEGRAL_K] = found.log_density, found.pareto_k.tolist()
        dim, labels = names.group_dim(target), groups[target].to_numpy()
    else:
        valid = ", ".join(map(repr, ["observation", *groups]))
        raise ModelError(f"target={target!r} is not known: use one of {valid}")
    chains, draws = post.shape
    data = values.reshape(chains, draws, -1)
    coords = {names.CHAIN: np.arange(chains), names.DRAW: np.arange(draws), dim: labels}
    return xr.Dataset({response_name(spec): ((names.CHAIN, names.DRAW, dim), data)}, coords, attrs)


def with_log_likelihood(spec: Spec, tree: xr.DataTree) -> xr.DataTree:
    """A copy of the tree with a group `log_likelihood` of all rows, computed when it is read.

    The tree itself where it has one, where draws of the group effects were not kept, and where
    reading it would take more than 1 GB.
    """
    posterior = tree["posterior"].to_dataset()
    dims = dims_of(spec)
    n_draws = posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW]
    kept = all(name in posterior for name in dims)
    large = size(n_draws, spec.design.n) > MOST_READ
    dim, own = _units(spec)
    if names.LOG_LIKELIHOOD in tree.children or not kept or large or spec.design.without_rows:
        return tree
    labels = {dim: own}
    function = partial(_of_draws, spec=spec, dims=dims)
    inputs = [posterior[name] for name in dims]
    found = computed((dim,), function, inputs, {dim: len(own)})
    group = group_of({response_name(spec): found}, {**posterior.coords, **labels})
    tree = tree.copy()
    tree[names.LOG_LIKELIHOOD] = xr.DataTree(group.assign_attrs(target="observation"))
    return tree


def _of_draws(*draws: Floats, spec: Spec, dims: Mapping[str, tuple[str, ...]]) -> Floats:
    """(c, d, n) from draws (c, d, ...) of the named parameters."""
    variables = {
        name: ((names.CHAIN, names.DRAW, *own), x)
        for (name, own), x in zip(dims.items(), draws, strict=True)
    }
    post = Posterior(spec, xr.DataTree.from_dict({"posterior": xr.Dataset(variables)}))
    return _by_unit(post).reshape(*draws[0].shape[:2], -1)


def _units(spec: Spec) -> tuple[str, Any]:
    """Dimension and labels of what counts as one observation: of several responses a row."""
    if spec.design.several is not None:
        return ROW, spec.design.several.frame_labels
    return names.OBS, model_coords(spec)[names.OBS]


def _by_unit(post: Posterior) -> Floats:
    """(S, m) log densities of these."""
    return by_observation(post) if post.design.several is None else by_row(post)


def by_observation(post: Posterior, rows: Ints | slice = slice(None)) -> Floats:
    """(S, m) log p(y_i | eta_i, parameters) of some rows, all by default.

    Where residuals are correlated, given all other rows of the group as well.
    """
    post.need_one_data_set("the log likelihood of rows")
    post.design.need_rows("the log likelihood of rows")
    design, family = post.design, post.family
    if design.residual is not None:
        some = np.arange(design.n)[rows]
        return correlated.log_density(design.y[some], *correlated.given_others(post, some))
    mu = family.inverse(linear_predictor(post, rows).T, np)
    weights = None if design.weights is None else design.weights[rows]
    trials = None if design.trials is None else design.trials[rows]
    return log_density(
        family, design.y[rows], mu, row_parameters(post, rows),
        weights=weights, trials=trials, limits=limits_of(design, rows),
    )  # fmt: skip


def copies(design: Design, family: Family) -> Floats | None:
    """(n,) how many observations each row stands for, where whole weights say so; None for one."""
    weights = design.weights if family.repeats_rows else None
    return weights if weights is not None and np.all(weights == np.round(weights)) else None


def of_one(post: Posterior, rows: Ints | slice = slice(None)) -> Floats:
    """(S, m) log density of one of the observations that each row stands for; see `copies`."""
    count, density = copies(post.design, post.family), by_observation(post, rows)
    return density if count is None else density / count[rows]


def size(n_draws: int, n: int) -> float:
    """Bytes of the densities of n units."""
    return 8.0 * n * n_draws


def _check_size(post: Posterior, n: int, what: str) -> None:
    needed = size(post.n_draws, n)
    if needed > MAX_BYTES:
        raise ModelError(
            f"{n:,} {what} x {post.n_draws:,} draws take {needed / 1e9:.1f} GB, more than "
            f"{MAX_BYTES / 1e9:.0f} GB; use fewer draws, or a coarser target"
        )
