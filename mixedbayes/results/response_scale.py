"""Variance on the scale of the response itself, by quadrature over the group effects.

With eta = m + f + sum_k b_k: m the mean predictor, f ~ Normal(0, variance of the population part)
and b_k ~ Normal(0, mean variance of factor k), the law of total variance divides Var[y] into what
the population part, the groups, and chance within a row give:

    Var[y] = Var_f E[y | f]  +  (Var E[y | eta] - Var_f E[y | f])  +  E Var[y | eta].

Every part is non-negative, so that each share lies in [0, 1]. Since the mean is not linear in the
effects, the factors' own shares Var_{b_k} E[y | b_k] add up to no more than that of all together.
Goldstein, Browne & Rasbash (2002), doi:10.1207/S15328031US0104_02; Nakagawa, Johnson & Schielzeth
(2017), doi:10.1098/rsif.2017.0213, for the scales.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.links import Inverse
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.variance import (
    average_parameters,
    fixed_variance,
    group_variances,
    mean_predictor,
    over_parameters,
    over_weights,
    ratio,
)
from mixedbayes.terms.base import need_plain

Floats = NDArray[np.float64]

# Nodes: so many for a total sd below 1, and as many again for each further unit. Seen from so far
# the mean is a step: with 20 alone, at sds of 5, shares with the logit link were wrong by 0.03.
_NODES, _MOST = 20, 160
_ROUNDING = 16 * float(np.finfo(float).eps)


def icc_response(post: Posterior) -> Floats:
    """(2, K + 1, S) adjusted and unadjusted ICC of K factors and of all together.

    adjusted: at the mean of the population part, f = 0; unadjusted: f varies as in the data. Of
    binomial counts the share of one trial is meant, of ordered categories the code.
    """
    need_plain(post.design.mu.groups, "scale='response'")
    fixed, groups = fixed_variance(post), group_variances(post)
    zero, random = np.zeros_like(fixed), sum(groups.values(), np.zeros_like(fixed))
    out = []
    for spread in (zero, fixed):
        explained, within = _total(post, spread + random)
        shares = [_between(post, v, spread + random - v) for v in groups.values()]
        everything = explained - (_between(post, spread, random) if spread is fixed else 0.0)
        out.append([ratio(part, explained + within) for part in (*shares, everything)])
    return np.clip(np.array(out), 0.0, 1.0)


def r2_response(post: Posterior) -> Floats:
    """(2, S) marginal and conditional R2."""
    need_plain(post.design.mu.groups, "scale='response'")
    fixed, groups = fixed_variance(post), group_variances(post)
    random = sum(groups.values(), np.zeros_like(fixed))
    explained, within = _total(post, fixed + random)
    marginal = _between(post, fixed, random)
    parts = [ratio(part, explained + within) for part in (marginal, explained)]
    return np.clip(np.array(parts), 0.0, 1.0)


def _total(post: Posterior, variance: Floats) -> tuple[Floats, Floats]:
    """Var E[y | eta] and E Var[y | eta] (S,) for eta ~ Normal(m, variance)."""
    z, w = _nodes(variance, 2)
    eta = mean_predictor(post)[:, None] + np.sqrt(variance)[:, None] * z
    family = post.family
    mu = family.inverse(eta, np)
    one = np.ones(1, np.int64)

    def chance(own: Mapping[str, Floats]) -> Floats:
        def of_row(row: Mapping[str, Floats]) -> Floats:
            return np.broadcast_to(family.variance(mu, row, trials=one), eta.shape) @ w

        return over_weights(post, own, of_row)

    # Where the mean depends on the parameters too, they are held at their own mean predictors.
    plain = type(family).expectation is Family.expectation
    within = over_parameters(post, chance) if plain else chance(average_parameters(post))
    return _variance(_expected(post)(eta), w), within


def _between(post: Posterior, variance: Floats, others: Floats) -> Floats:
    """Var E[y | b] (S,) for b ~ Normal(0, variance) and all else ~ Normal(0, others)."""
    z, w = _nodes(variance + others)
    inner, v = z, w
    expected, m = _expected(post), mean_predictor(post)
    rest = np.sqrt(np.maximum(others, 0.0))[:, None] * inner
    means = np.empty((len(m), len(z)))
    for j, node in enumerate(z):
        at = m + np.sqrt(variance) * node
        means[:, j] = expected(at[:, None] + rest) @ v
    return _variance(means, w)


def _expected(post: Posterior) -> Callable[[Floats], Floats]:
    family, parameters = post.family, average_parameters(post)
    if isinstance(family.link, Inverse):
        raise ModelError(
            "with the inverse link the mean is infinite where the predictor is 0, so that the "
            'response has no variance when the effects are normal; use scale="link"'
        )
    if type(family).expectation is Family.expectation:
        return lambda eta: family.inverse(eta, np)

    def expected(eta: Floats) -> Floats:
        mu = family.inverse(eta, np)
        return over_weights(post, parameters, lambda row: family.expectation(mu, row))

    return expected


def _variance(values: Floats, weights: Floats) -> Floats:
    """(S,) variance of values (S, nodes) under the weights; what is rounding alone counts as 0."""
    mean = values @ weights
    found = (values - mean[:, None]) ** 2 @ weights
    return np.where(found > (_ROUNDING * mean) ** 2, found, 0.0)


def _nodes(variance: Floats, times: int = 1) -> tuple[Floats, Floats]:
    """Gauss-Hermite nodes and weights of a standard normal, for functions over this variance."""
    widest = float(np.sqrt(np.max(variance, initial=0.0)))
    return _rule(int(min(_NODES * times * (1 + np.floor(widest)), _MOST)))


@lru_cache
def _rule(n: int) -> tuple[Floats, Floats]:
    z, w = special.roots_hermitenorm(n)
    return z, w / w.sum()
