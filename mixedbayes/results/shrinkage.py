"""Shrinkage: each level with no, partial and complete pooling, and how much it is pooled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.families.links import Identity
from mixedbayes.numerics import markov
from mixedbayes.results import effect_summaries
from mixedbayes.results.chains import Chain
from mixedbayes.results.level_fits import LevelFits, complete_pooling, level_fits, level_grams
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import coef_kernel, effect_rows, population_of
from mixedbayes.results.tables import (
    ENDS,
    Description,
    Interval,
    Statistics,
    chained,
    stack,
)

# ---- how much a level is pooled ----------------------------------------------------------------


_BLOCK = 2**20  # matrices solved at a time
MOST_WEIGHTS = 2**28  # numbers, 2 GB


def pooling_kernel(cor: Floats, sd: Floats, gram: Floats, sigma2: Floats) -> Floats:
    """Pooling factors: the part of an effect's variance that the level's own rows leave unknown.

    With Psi = D R D (D the sds, R the correlations), G = Z'WZ of the level and
    V = (Psi^-1 + G / sigma^2)^-1, the conditional variance of the effects given the level's rows,
    the factor of term t is V_tt / Psi_tt.

    Parameters
    ----------
    cor, sd, sigma2
        Draws (S, q, q), (S, q) and (S,).
    gram
        (J, q, q) per level.

    Returns
    -------
    (S, J, q) in [0, 1]: 0 no pooling, 1 complete pooling. One intercept per level:
    sigma^2 / (sigma^2 + n tau^2).
    """
    scaled = sd / np.sqrt(sigma2)[:, None]
    if sd.shape[1] == 1:
        return 1 / (1 + scaled[:, None, :] ** 2 * gram[None, :, :, 0])
    out = np.empty((len(sd), len(gram), sd.shape[1]))
    step = max(1, _BLOCK // len(gram))
    for start in range(0, len(sd), step):
        part = slice(start, start + step)
        values, spherical, _ = information(cor[part], scaled[part], gram)
        out[part] = (spherical**2 / (1 + values[..., None, :])).sum(axis=-1)
    return np.minimum(out, 1.0)


def weight_kernel(cor: Floats, sd: Floats, gram: Floats, sigma2: Floats) -> Floats:
    """(S, J, q, q) weights of the levels' own least-squares estimates.

    Psi (Psi + sigma^2 G^-1)^-1 = Psi G (Psi G + sigma^2 I)^-1, the second form finite for any G:
    population + weights (own estimate - population) is the partially pooled estimate, given the
    variances. Arguments are those of `pooling_kernel`.
    """
    values, _, effects = information(cor, sd / np.sqrt(sigma2)[:, None], gram)
    return (effects / (1 + values[..., None, :])) @ np.swapaxes(effects, -1, -2) @ gram


def information(cor: Floats, scaled: Floats, gram: Floats) -> tuple[Floats, Floats, Floats]:
    """What a level's rows say about its effects, in directions where they are independent.

    With R = C C' and T = D C / sigma, T' G T = V diag(values) V' is the information on spherical
    effects. Returns values (S, J, q) >= 0, C V and T V (S, J, q, q): in these directions the
    conditional variance is 1 / (1 + values), finite where an sd is zero, R or G singular.
    """
    eigen, vectors = np.linalg.eigh(cor)
    root = vectors * np.sqrt(np.maximum(eigen, 0.0))[:, None, :]
    effects = (scaled[:, :, None] * root)[:, None]
    values, V = np.linalg.eigh(np.swapaxes(effects, -1, -2) @ gram @ effects)
    return np.maximum(values, 0.0), root[:, None] @ V, effects @ V


@overload
def shrinkage(
    post: Any, prob: float = 0.95, *, draws: Literal[False] = False, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def shrinkage(
    post: Any, prob: float = 0.95, *, draws: Literal[True, "pooling"],
    statistics: Statistics = None, interval: Interval = "eti",
) -> xr.Dataset: ...  # fmt: skip


@overload
def shrinkage(
    post: Any, prob: float = 0.95, *, draws: bool | Literal["pooling"],
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset: ...  # fmt: skip


def shrinkage(
    post: Posterior,
    prob: float = 0.95,
    *,
    draws: bool | Literal["pooling"] = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset:
    r"""How far each level's own estimate is pulled toward the population, and why.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval of the pooling factor.
    draws
        Return draws instead: a Dataset with, per factor, `pooling_<group>` (chain, draw, level,
        term) and `weight_<group>` (chain, draw, level, term, term), the matrix
        Psi (Psi + sigma^2 (Z'Z)^-1)^-1 that multiplies the level's own deviation. "pooling": a
        Dataset without these matrices.
    statistics
        What is said of the pooling factor in the place of its mean and interval, by name, as in
        `ranef`: ["median", "mad"] has the columns pooling_median, pooling_mad, pooling_lower and
        pooling_upper. The other columns stay.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per level and term:

        - group, level, term: which coefficient; parts of a combined level are columns, too;
        - n: rows of that level;
        - no_pooling: least squares within the level, as if the factor's effects were not related at
          all. What the factor does not vary (other columns, other factors' effects, the offset) is
          taken at its posterior mean. NaN where the level's rows do not identify it;
        - partial_pooling: posterior mean of population + deviation;
        - complete_pooling: least squares over all rows without any group effects; 0 for a term that
          has no population effect;
        - pooling, pooling_lower, pooling_upper: pooling factor, 0 for no pooling to 1 for complete,
          see `pooling_kernel`; other factors' effects taken as known;
        - borrowed: n pooling / (1 - pooling): how many rows of the level's own the population is
          worth, sigma^2 / tau^2 for one intercept per level. Infinite where the rows say nothing of
          the term;
        - note: why no_pooling is NaN, else empty.

    Raises
    ------
    ModelError
        If the model has no group effects, or its link is not the identity; or `prob`, a
        statistic or the interval is not known; or the draws of weights would be more than
        MOST_WEIGHTS numbers.

    See Also
    --------
    pooling : The three estimates with their uncertainty.
    plot_shrinkage : Arrows from one to the other.
    plot_pooling_factor : The factor against the number of rows.
    explore : A page on which variances are moved.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.shrinkage().head(2)
         group level       term   n no_pooling partial_pooling complete_pooling pooling  \
    0  Subject   308  Intercept  10      244.2           253.2            251.4  0.1892
    1  Subject   308       Days  10      21.76           19.64            10.47  0.1670
    <BLANKLINE>
      pooling_lower pooling_upper borrowed note
    0       0.08016        0.3474    2.333
    1       0.07500        0.2988    2.005

    Each subject's intercept is as if the population were 2.3 rows of its own. By median:

    >>> fit.shrinkage(statistics="median")[["level", "term", "pooling_median"]].head(2)
      level       term pooling_median
    0   308  Intercept         0.1791
    1   308       Days         0.1594

    References
    ----------
    Gelman & Pardoe (2006), doi:10.1198/004017005000000517.
    """
    how = Description.asked(prob, statistics, interval, default=("mean", *ENDS))
    check_least_squares(post, "shrinkage()")
    if draws not in (True, False, "pooling"):
        raise ModelError(f'draws={draws!r} is not known: use True, False or "pooling"')
    if draws:
        return _draws(post, weights=draws is True)
    complete = complete_pooling(post.design)
    return stack([_table(post, g, complete, how) for g in post.design.mu.factors], [])


def check_least_squares(post: Posterior, what: str) -> None:
    """Raise ModelError where group effects have no least squares to be compared with."""
    if not post.design.mu.factors:
        raise ModelError("the model has no group effects, so nothing is pooled")
    for g in post.design.mu.groups:
        odd = g.peculiarity
        if odd or g.arms is not None:
            odd = odd or f"the effects over {g.name} differ by {g.arms.by}"  # type: ignore[union-attr]
            raise ModelError(
                f"{what} is not offered here: it compares with least squares within each level and "
                f"over all rows, and {odd}; see ranef() and coef()"
            )
    if post.design.limits is not None:
        raise ModelError(
            f"{what} compares with least squares, which know nothing of "
            f"{' and '.join(post.design.formula.response.limits)}; see ranef() and coef()"
        )
    if not isinstance(post.family.link, Identity):
        raise ModelError(
            f"{what} compares with least squares, which the {post.family.name} family with "
            f"{post.family.link.name} link does not have; see ranef() and coef()"
        )
    if post.family.mean_link != post.family.link.name:
        y, beyond = post.design.response, post.family.beyond
        remedy = "see ranef() and coef()" if beyond else f"fit log({y}) with the gaussian family"
        raise ModelError(
            f"{what} compares with least squares of {y}, and the {post.family.name} family models "
            f"its logarithm{beyond}: {remedy}"
        )
    if post.design.residual is not None:
        raise ModelError(
            f"{what} compares with least squares of independent rows, and residuals are "
            f"{post.design.residual.text}; see ranef() and coef()"
        )
    if post.design.further:
        raise ModelError(
            f"{what} needs one residual variance, and {', '.join(post.design.further)} has a "
            "formula of its own; see ranef() and coef()"
        )
    if not post.family.divided:
        raise ModelError(
            f"{what} needs rows whose variances are in known proportions, and {names.SIGMA}^2 adds "
            f"to those of {post.design.formula.response.weighing}; see ranef() and coef()"
        )


def _table(
    post: Posterior, g: GroupDesign, complete: dict[str, float], how: Description
) -> pd.DataFrame:
    fits = level_fits(g, own_response(post, g), g.weighing(post.design.weights))
    also = how if how.needs("mean") else replace(how, columns=(*how.columns, "mean"))
    factor = pooling_summary(post, g, also)
    table = effect_rows(g)
    n = table["n"].to_numpy().reshape(-1, len(g.terms))[:, 0]
    rest = 1 - factor["mean"]
    worth = np.divide(factor["mean"], rest, out=np.full(len(rest), np.inf), where=rest > 0)
    return table.assign(
        no_pooling=fits.estimate.ravel(),
        partial_pooling=mean_coef(post, g).ravel(),
        complete_pooling=np.tile([complete.get(t, 0.0) for t in g.terms], g.n_levels),
        **{"pooling" if n == "mean" else f"pooling_{n}": factor[n] for n in how.columns},
        borrowed=table["n"].to_numpy() * worth,
        note=pd.Series(notes(g, fits, n), dtype="str"),
    )


def own_response(post: Posterior, g: GroupDesign) -> Floats:
    """(n,) y less what the factor does not vary, at posterior means."""
    mu = post.design.mu
    y = post.design.y.copy()
    if names.INTERCEPT not in g.terms:
        y -= post.intercept().mean()
    others = [t for t, term in enumerate(mu.terms) if term not in g.terms]
    if others:
        y -= mu.X[:, others] @ post.fixef()[:, others].mean(axis=0)
    for other in mu.factors:
        if other is not g:
            b = mean_ranef(post, other)
            y -= np.einsum("nt,nt->n", other.Z, b[other.refs])
    return y if mu.offset is None else y - mu.offset


def mean_ranef(post: Posterior, g: GroupDesign) -> Floats:
    """(J, q) posterior mean of the deviations, from draws or summaries."""
    if post.has_ranef(g.name):
        return post.ranef(g.name).mean(axis=0)
    return effect_summaries.read(post, names.ranef(g.name)).summary.mean


def mean_coef(post: Posterior, g: GroupDesign) -> Floats:
    """(J, q) posterior mean of population + deviation."""
    population = population_of(post, g).mean(axis=0)
    return coef_kernel(mean_ranef(post, g)[None], population[None])[0]


def pooling_summary(post: Posterior, g: GroupDesign, how: Description) -> dict[str, Floats]:
    """(J q,) what is said of the pooling factors; levels with equal rows are done once."""
    q, chain = len(g.terms), Chain.of(post, g)
    gram = _grams(post, g) if chain is None else _told(post, g, chain)
    gram, which = np.unique(gram, axis=0, return_inverse=True)
    size = max(1, 2 * _BLOCK // (post.n_draws * (1 if chain is None else gram.shape[1])))
    parts = []
    for start in range(0, len(gram), size):
        values = _pooling(post, g, chain, gram[start : start + size], slice(None))
        parts.append(how.plain(values.reshape(post.n_draws, -1).T, post.shape[0]))
    columns = {k: np.concatenate([p[k] for p in parts]).reshape(-1, q) for k in parts[0]}
    return {k: v[which.ravel()].ravel() for k, v in columns.items()}


def _pooling(
    post: Posterior, g: GroupDesign, chain: Chain | None, gram: Floats, some: slice
) -> Floats:
    """(S, J, q) pooling factors in some draws, from `_grams` or `_told` of some levels."""
    sd, sigma2 = post.sd(g.name)[some], unit_variance(post)[some]
    if chain is None:
        return pooling_kernel(_cor(post, g, some), sd, gram, sigma2)
    (T,), (d,), J = chain.order.shape, chain.others.shape, len(gram)
    own, beside = sd[:, chain.order[0]], sd[:, chain.others]
    scale = (own / sigma2)[:, None, None]
    told, drawn, square = np.split(gram, [T, T + T * d], axis=1)
    values = np.empty((len(sd), J, T + d))
    values[..., chain.order], values[..., chain.others] = markov.variances_beside(
        scale * own[:, None, None] * told,
        scale[..., None] * beside[:, None, None] * drawn.reshape(J, T, d),
        (beside[:, :, None] * beside[:, None] / sigma2[:, None, None])[:, None]
        * square.reshape(J, d, d),
        chain.links[some],
    )
    return np.minimum(values, 1.0)


def _cor(post: Posterior, g: GroupDesign, some: slice) -> Floats:
    """(s, q, q) correlations of the effects in some draws."""
    if g.cor_terms and post.design.joined(g.name) is None:
        return g.every_cor(post.cor_numbers(g.name)[some])
    return post.cor(g.name)[some]


def _told(post: Posterior, g: GroupDesign, chain: Chain) -> Floats:
    """(J, T + T d + d d) what the rows of each level say of a chain's T effects and d others: the
    diagonal of Z'WZ, Z'WX and X'WX.
    """
    weights, T = post.design.weights, len(chain.order)
    w = np.ones(post.design.n) if weights is None else weights
    X, at = g.Z[:, chain.others], g.refs * T + chain.place
    wz = w * chain.column
    each = [np.bincount(at, wz * chain.column, g.n_levels * T).reshape(-1, T)]
    drawn = [np.bincount(at, wz * x, g.n_levels * T).reshape(-1, T) for x in X.T]
    each += [np.stack(drawn, axis=-1).reshape(g.n_levels, -1)] if drawn else []
    return np.concatenate([*each, level_grams(g, X, w).reshape(g.n_levels, -1)], axis=1)


def unit_variance(post: Posterior) -> Floats:
    """(S,) residual variance of a row of weight 1."""
    return np.broadcast_to(post.family.residual_variance(post.parameters()), (post.n_draws,))


def _grams(post: Posterior, g: GroupDesign) -> Floats:
    weights = g.weighing(post.design.weights)
    return level_grams(g, g.Z, np.ones(post.design.n) if weights is None else weights)


def notes(g: GroupDesign, fits: LevelFits, n: NDArray[np.integer]) -> list[str]:
    """Why a level does not identify a term by itself; empty where it does. Levels first."""
    q = len(g.terms)
    unknown = np.isnan(fits.estimate)
    out = np.full(unknown.shape, "", dtype=object)
    for j, t in zip(*np.nonzero(unknown), strict=True):
        flat = [term for s, term in enumerate(g.terms) if fits.constant[j, s]]
        rows = "1 row" if n[j] == 1 else f"{n[j]} rows"
        if n[j] < q:
            out[j, t] = f"{rows} for {q} effects ({', '.join(g.terms)})"
        elif flat:
            out[j, t] = f"{', '.join(flat)} does not vary over the level's {rows}"
        else:
            out[j, t] = f"the effects' columns are collinear over the level's {rows}"
    return out.ravel().tolist()


def _draws(post: Posterior, weights: bool) -> xr.Dataset:
    chains, S = post.shape[0], post.n_draws
    variables: dict[str, object] = {}
    coords: dict[str, object] = {}
    for g in post.design.mu.factors:
        J, q, chain = g.n_levels, len(g.terms), Chain.of(post, g)
        if weights and S * J * q**2 > MOST_WEIGHTS:
            raise ModelError(
                f"weights of {J:,} levels of {g.name} with {q:,} effects are {S * J * q**2:,} "
                f"numbers in {S:,} draws, more than {MOST_WEIGHTS:,}: "
                'shrinkage(draws="pooling") has the pooling factors alone'
            )
        level, term, bis = (
            names.group_dim(g.name),
            names.group_term_dim(g.name),
            names.group_term_bis_dim(g.name),
        )
        dims, tag = (names.CHAIN, names.DRAW, level, term), names.identifier(g.name)
        factor = np.empty((S, J, q))
        gram = _grams(post, g) if chain is None else _told(post, g, chain)
        step = max(1, 2 * _BLOCK // max(gram.size, q**2))
        for start in range(0, S, step):
            some = slice(start, start + step)
            factor[some] = _pooling(post, g, chain, gram, some)
        variables[f"pooling_{tag}"] = (dims, chained(factor, chains))
        coords |= {level: g.levels.to_numpy(), term: list(g.terms)}
        if weights:
            variables[f"weight_{tag}"] = ((*dims, bis), chained(_weights(post, g), chains))
            coords[bis] = list(g.terms)
    return xr.Dataset(variables, coords)


def _weights(post: Posterior, g: GroupDesign) -> Floats:
    """(S, J, q, q) of `weight_kernel`, some draws at a time."""
    gram, sd, sigma2 = _grams(post, g), post.sd(g.name), unit_variance(post)
    out = np.empty((post.n_draws, *gram.shape))
    step = max(1, 2 * _BLOCK // gram.size)
    for start in range(0, len(out), step):
        some = slice(start, start + step)
        out[some] = weight_kernel(_cor(post, g, some), sd[some], gram, sigma2[some])
    return out
