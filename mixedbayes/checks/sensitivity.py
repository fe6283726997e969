"""What the prior decides: power-scaling, and the overlap of prior and posterior."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.log_likelihood import TOTAL, by_observation
from mixedbayes.design.types import Floats, GroupDesign, LinearPredictor
from mixedbayes.distributions import Prior
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.priors.types import Assigned, PredictorPriors
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import chained

# ---- every parameter that has a prior of its own -----------------------------------------------


KINDS = ("intercept", "fixef", "sd", "cor", "family")


@dataclass(frozen=True, eq=False)
class Quantity:
    """One number with a prior.

    kind
        "intercept", "fixef", "sd", "cor" or "family".
    parameter
        Its name among the draws.
    terms
        Which element: a population effect's term, an effect's or two effects' of a factor, a label.
    draws
        (S,) of the parameter, at predictor value zero.
    placed
        (S,) of what the prior is about: perhaps the value at the predictors' means.
    assigned
        The prior as it was given or derived; of a correlation that of the matrix.
    prior
        SciPy-like distribution of `placed`; None where it is improper.
    moved
        Whether `placed` is another quantity than `draws`.
    """

    kind: str
    parameter: str
    terms: tuple[str, ...]
    draws: Floats
    placed: Floats
    assigned: Assigned
    prior: Any
    moved: bool
    predictor: str = "mu"
    group: str = ""

    @property
    def given(self) -> bool:
        """Whether the user gave the prior; otherwise it is a default."""
        return self.assigned.given

    @property
    def term(self) -> str:
        return ", ".join(self.terms)

    @property
    def label(self) -> str:
        return f"{self.parameter}[{self.term}]" if self.terms else self.parameter


def quantities(post: Posterior) -> Iterator[Quantity]:
    """Intercepts, population effects, sds, correlations, and the family's own parameters."""
    for priors in post.priors.predictors:
        yield from _population(post, post.predictor(priors.parameter), priors)
        for g in post.predictor(priors.parameter).groups:
            yield from _group(post, g, priors)
    mu = post.design.mu
    for name, a in post.priors.parameters.items():
        draws, labels = post.stacked(name), post.family.labels(name, post.design)
        if labels is None:
            yield Quantity("family", name, (), draws, draws, a, _frozen(a.prior), False)
            continue
        placed = post.priors.centre_of(name, mu).thresholds(draws, post.fixef())
        moved = bool(mu.terms) and not a.given
        for k, label in enumerate(labels):
            here, there = draws[:, k], placed[:, k]
            yield Quantity("family", name, (label,), here, there, a, _frozen(a.prior), moved)


def _population(
    post: Posterior, predictor: LinearPredictor, priors: PredictorPriors
) -> Iterator[Quantity]:
    p = predictor.parameter
    beta = post.fixef(p)
    if priors.intercept is not None:
        draws, name, a = post.intercept(p), names.intercept(p), priors.intercept
        there = priors.centre(predictor).intercept(draws, beta)
        moved = priors.intercept_at_means and bool(predictor.terms)
        yield Quantity("intercept", name, (), draws, there, a, _frozen(a.prior), moved, p)
    placed = priors.fixef_placed(beta)
    for k, (term, a) in enumerate(zip(predictor.terms, priors.fixef, strict=True)):
        moved = priors.population is not None and priors.population.moves(k)
        here, there, name = beta[:, k], placed[:, k], names.fixef(p)
        yield Quantity("fixef", name, (term,), here, there, a, _frozen(a.prior), moved, p)


def _group(post: Posterior, g: GroupDesign, priors: PredictorPriors) -> Iterator[Quantity]:
    p, placement = priors.parameter, priors.placed.get(g.name)
    (sd, cor), placed = (post.sd(g.name, p), post.cor(g.name, p)), post.placed(g.name, priors)
    for k, (term, a) in enumerate(zip(g.terms, priors.sd[g.name], strict=True)):
        moved = placement is not None and placement.moves(k)
        here, there, prior = sd[:, k], placed[0][:, k], _frozen(a.prior)
        name = names.sd(g.name, p)
        yield Quantity("sd", name, (term,), here, there, a, prior, moved, p, g.name)
    for block in g.blocks:
        for i, j in combinations(sorted(block), 2):
            a, terms = priors.cor[g.name], (g.terms[i], g.terms[j])
            prior = g.covariance.margin(len(block), a.prior).distribution()
            here, there = cor[:, i, j], placed[1][:, i, j]
            moved, name = placement is not None, names.cor(g.name, p)
            yield Quantity("cor", name, terms, here, there, a, prior, moved, p, g.name)


def _frozen(prior: Prior) -> Any:
    return prior.frozen() if prior.proper else None


def log_prior(post: Posterior) -> Floats:
    """(S,) log density of all priors but those of group effects; improper ones count 0."""
    total = np.zeros(post.n_draws)
    for q in quantities(post):
        if q.kind != "cor" and q.prior is not None:
            total += q.prior.logpdf(q.placed)
    for priors in post.priors.predictors:
        for g in post.predictor(priors.parameter).groups:
            for block in g.blocks:
                if len(block) > 1:
                    cor = post.placed(g.name, priors)[1][:, block][:, :, block]
                    total += g.covariance.log_density(cor, priors.cor[g.name].prior)
    return total


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
        parameter, term, prior and likelihood (sensitivities; from 0.05 on they matter), overlap
        (of prior and posterior, 0 to 1; NaN for an improper prior), and says: "not sensitive to
        the prior", "the prior drives it" (sensitive to the prior and not to the likelihood), or
        "prior and data pull apart" (to both).

    Raises
    ------
    ModelError
        Draws of the group effects were not kept.

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
            "parameter": [q.parameter for q in found],
            "term": [q.term for q in found],
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
    total = np.zeros(post.n_draws)
    for rows in row_blocks(post.design.n, max(1, _NUMBERS // post.n_draws)):
        total += by_observation(post, rows).sum(axis=1)
    return total


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
