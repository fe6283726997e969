"""Every parameter that has a prior of its own: its draws, and its prior where that is placed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from mixedbayes import names
from mixedbayes.design.types import Floats, LinearPredictor
from mixedbayes.priors.distributions import Prior
from mixedbayes.priors.types import PredictorPriors
from mixedbayes.results.posterior import Posterior

KINDS = ("intercept", "fixef", "sd", "cor", "family")


@dataclass(frozen=True, eq=False)
class Quantity:
    """One number with a prior.

    kind
        "intercept", "fixef", "sd", "cor" or "family".
    draws
        (S,) of the parameter, at predictor value zero.
    placed
        (S,) of what the prior is about: perhaps the value at the predictors' means.
    prior
        SciPy-like distribution; None where it is improper.
    given
        Whether the user gave it; otherwise it is a default.
    """

    kind: str
    parameter: str
    term: str
    draws: Floats
    placed: Floats
    prior: Any
    given: bool = True

    @property
    def label(self) -> str:
        return f"{self.parameter}[{self.term}]" if self.term else self.parameter


def quantities(post: Posterior) -> Iterator[Quantity]:
    """Intercepts, population effects, sds, correlations, and the family's own parameters."""
    for priors in post.priors.predictors:
        yield from _predictor(post, post.predictor(priors.parameter), priors)
    for name, assigned in post.priors.parameters.items():
        prior, labels = assigned.prior, post.family.labels(name, post.design)
        draws = post.stacked(name)
        if labels is None:
            yield Quantity("family", name, "", draws, draws, _frozen(prior), assigned.given)
            continue
        shift = 0.0 if assigned.given else _at_means(post, post.design.mu)
        for k, term in enumerate(labels):
            drawn, placed = draws[:, k], draws[:, k] - shift
            yield Quantity("family", name, term, drawn, placed, _frozen(prior), assigned.given)


def _predictor(
    post: Posterior, predictor: LinearPredictor, priors: PredictorPriors
) -> Iterator[Quantity]:
    p = predictor.parameter
    if priors.intercept is not None:
        draws = post.intercept(p)
        placed = draws + _at_means(post, predictor) if priors.intercept_at_means else draws
        name, a = names.intercept(p), priors.intercept
        yield Quantity("intercept", name, "", draws, placed, _frozen(a.prior), a.given)
    beta = post.fixef(p)
    placed_beta = priors.fixef_placed(beta)
    for k, (term, a) in enumerate(zip(predictor.terms, priors.fixef, strict=True)):
        name, prior = names.fixef(p), _frozen(a.prior)
        yield Quantity("fixef", name, term, beta[:, k], placed_beta[:, k], prior, a.given)
    for g in predictor.groups:
        sd, cor = post.sd(g.name, p), post.cor(g.name, p)
        placed_sd, placed_cor = post.placed(g.name, priors)
        for k, (term, a) in enumerate(zip(g.terms, priors.sd[g.name], strict=True)):
            name = names.sd(g.name, p)
            yield Quantity("sd", name, term, sd[:, k], placed_sd[:, k], _frozen(a.prior), a.given)
        for block in g.blocks:
            for i, j in combinations(sorted(block), 2):
                shape = priors.lkj(g.name).eta + len(block) / 2 - 1  # of the margin under LKJ
                yield Quantity(
                    "cor",
                    names.cor(g.name, p),
                    f"{g.terms[i]}, {g.terms[j]}",
                    cor[:, i, j],
                    placed_cor[:, i, j],
                    stats.beta(shape, shape, loc=-1, scale=2),
                    priors.cor[g.name].given,
                )


def _at_means(post: Posterior, predictor: LinearPredictor) -> Floats:
    """(S,) X fixef at the columns' means."""
    return post.fixef(predictor.parameter) @ predictor.means


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
                    total += priors.lkj(g.name).logpdf(cor)
    return total
