"""What the prior decides: power-scaling, and the overlap of prior and posterior."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.log_likelihood import TOTAL, by_observation
from mixedbayes.checks.rows_of_several import by_row
from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.distributions import Prior
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.results.correlated import whitened
from mixedbayes.results.own_priors import SHARE, Quantity, quantities
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.predictors import linear_predictor
from mixedbayes.results.tables import chained

_TOGETHER = ("cor", SHARE, "residual")  # kinds of quantities with one prior of several


def log_prior(post: Posterior) -> Floats:
    """(S,) log density of all priors but those of group effects; improper ones count 0."""
    total = np.zeros(post.n_draws)
    for q in quantities(post):
        if q.kind not in _TOGETHER and q.prior is not None:
            total += q.prior.logpdf(q.placed)
    if post.design.residual is not None:
        total += post.design.residual.log_prior(post.correlations(), post.priors.correlations)
    for priors in post.priors.predictors:
        shares = post.shares(priors.parameter).values()
        for m, zeta in zip(priors.monotonic, shares, strict=True):
            total += m.dirichlet.logpdf(zeta)
        for g in post.predictor(priors.parameter).groups:
            if g.name in priors.cor and g.covariance.chain:
                z = g.numbers_of(post.cor_numbers(g.name, priors.parameter))
                k, prior = max(map(len, g.blocks)), priors.cor[g.name].prior
                for own, number in zip(z.T, g.covariance.parameters(k, prior), strict=True):
                    total += number.distribution().logpdf(own)
            elif g.name in priors.cor:
                cor = post.placed(g.name, priors)[1]
                total += _log_prior_of(g, cor, priors.cor[g.name].prior)
    for a in post.design.across:
        total += _log_prior_of(
            a.effects, post.placed_across(a)[1], post.priors.across[a.name].prior
        )
    return total


def _log_prior_of(g: GroupDesign, cor: Floats, prior: Prior) -> Floats:
    """(S,) of the correlations (S, q, q) of one factor's effects, block by block."""
    blocks = (block for block in g.blocks if len(block) > 1)
    parts = [g.covariance.log_density(cor[:, b][:, :, b], prior) for b in blocks]
    return np.sum(parts, axis=0)


# ---- power-scaling and overlap -----------------------------------------------------------------


SENSITIVE = 0.05  # Kallioinen et al. (2024)
SENSITIVE_DEFAULT = 0.1  # of a default prior, to want a look
SAYS_LITTLE = 0.65  # overlap from which the posterior is mostly the prior
_BINS = 20
_SAME = 1e-9  # difference of log densities that is none
_NUMBERS = 2**22  # rows x draws of log densities held at a time

CONFLICT = "prior and data pull apart"
DRIVEN = "the prior drives it"
ROBUST = "not sensitive to the prior"


def prior_sensitivity(post: Posterior) -> pd.DataFrame:
    """How far each parameter's posterior moves with the strength of prior and likelihood.

    Prior and likelihood are raised to powers near 1, by importance weights; what is scaled is the
    prior of intercepts, population effects, sds, correlations and the family's parameters, not the
    distribution of the group effects, which is part of the model.

    Parameters
    ----------
    post
        The posterior.

    Returns
    -------
    DataFrame
        One row per parameter:

        - parameter, term: which;
        - prior, likelihood: sensitivities; from 0.05 on they matter;
        - overlap: of prior and posterior, 0 to 1; NaN for an improper prior;
        - says: "not sensitive to the prior", "the prior drives it" (sensitive to the prior and not
          to the likelihood), or "prior and data pull apart" (to both).

    Raises
    ------
    ModelError
        Draws of the group effects were not kept.

    See Also
    --------
    plot_priors : Prior and posterior of each parameter.
    check : The same in words, among other things.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> moved = fit.prior_sensitivity()
    >>> moved[["parameter", "term", "overlap", "says"]].iloc[[1, 5]]
      parameter  term overlap                        says
    1     fixef  Days  0.1073  not sensitive to the prior
    5     sigma        0.1300  not sensitive to the prior

    References
    ----------
    Kallioinen, Paananen, Buerkner & Vehtari (2024), doi:10.1007/s11222-023-10366-5.
    """
    return post.once("prior sensitivity", lambda: _sensitivity(post)).copy()


def _sensitivity(post: Posterior) -> pd.DataFrame:
    found = list(quantities(post))
    tree = _tree(post, found)
    sensitivity = {group: _psense(tree, group) for group in ("prior", "likelihood")}
    table = pd.DataFrame(
        {
            "parameter": [q.said[0] for q in found],
            "term": [q.said[1] for q in found],
            **sensitivity,
            "overlap": [overlap(q) for q in found],
        }
    )
    return table.assign(
        says=[_says(p, d) for p, d in zip(table["prior"], table["likelihood"], strict=True)]
    )


def _tree(post: Posterior, found: list[Quantity]) -> xr.DataTree:
    chains = post.shape[0]

    def dataset(name: str, values: Floats, *dims: str) -> xr.Dataset:
        return xr.Dataset({name: ((names.CHAIN, names.DRAW, *dims), chained(values, chains))})

    draws = np.column_stack([q.draws for q in found])
    return xr.DataTree.from_dict(
        {
            "posterior": dataset("value", draws, "quantity"),
            "log_prior": dataset("prior", log_prior(post)),
            "log_likelihood": dataset("likelihood", total_log_likelihood(post)),
        }
    )


def _psense(tree: xr.DataTree, group: str) -> Floats:
    from arviz_stats import psense

    (scaled,) = tree[f"log_{group}"].data_vars.values()
    if np.ptp(scaled.to_numpy()) < _SAME:  # all powers of it are the same
        return np.zeros(tree["posterior"].sizes["quantity"])
    return np.asarray(psense(tree, group=group)["value"], float)


def total_log_likelihood(post: Posterior) -> Floats:
    """(S,) log p(y | draw), given the group effects, in blocks of rows."""
    return post.once(TOTAL, lambda: _total(post))


def _total(post: Posterior) -> Floats:
    if post.design.without_rows:
        return _of_sums(post)
    if post.design.several is not None:
        return np.asarray(by_row(post).sum(axis=1))
    total = np.zeros(post.n_draws)
    if post.design.residual is not None:
        return whitened(post, np.arange(post.design.n))[1].sum(axis=1)
    for rows in row_blocks(post.design.n, max(1, _NUMBERS // post.n_draws)):
        total += by_observation(post, rows).sum(axis=1)
    return total


def _of_sums(post: Posterior) -> Floats:
    """(S,) of normal responses, from rows that have together the sums of the data's."""
    design, sigma = post.design, post.stacked(names.SIGMA)
    standing, weights = design.standing, design.weights
    assert standing is not None
    assert weights is not None
    design.need_together("the log likelihood of all rows")
    squares = np.zeros(post.n_draws)
    for rows in row_blocks(design.n, max(1, _NUMBERS // post.n_draws)):
        away = design.y[rows, None] - linear_predictor(post, rows)
        squares += weights[rows] @ away**2
    normal = 0.5 * (standing.log_weights - standing.used * np.log(2 * np.pi))
    return normal - standing.used * np.log(sigma) - 0.5 * squares / sigma**2


def _says(prior: float, likelihood: float) -> str:
    if not prior >= SENSITIVE:
        return ROBUST
    return CONFLICT if likelihood >= SENSITIVE else DRIVEN


def overlap(quantity: Quantity) -> float:
    """Area that the prior's and the posterior's densities share, 0 to 1; NaN if improper.

    In u = F(x), F the prior's distribution function, the prior is uniform and the overlap is the
    integral of min(1, posterior density of u), from a histogram.
    """
    if quantity.prior is None:
        return float("nan")
    u = quantity.prior.cdf(quantity.placed)
    shares = np.histogram(u, bins=_BINS, range=(0, 1))[0] / len(u)
    return float(np.minimum(shares, 1 / _BINS).sum())
