"""Where the variance of a response comes from, per posterior draw."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from weakref import WeakKeyDictionary

import numpy as np
from scipy import special

from mixedbayes import names
from mixedbayes.design import counted
from mixedbayes.design.limits import limits_words
from mixedbayes.design.types import Floats, GroupDesign, LinearPredictor
from mixedbayes.errors import ModelError
from mixedbayes.families.links import Inverse, Link, Log, ShareLink
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.results.posterior import Posterior
from mixedbayes.terms.base import need_normal


@dataclass(frozen=True, eq=False)
class Moments:
    """What the variances need of a predictor's columns."""

    mean: Floats  # (p,) of X, and of what bends in smooths
    cov: Floats  # (p, p) of the same
    squares: Mapping[str, Floats]  # per grouping factor the mean of z z' (q, q)


_known: WeakKeyDictionary[LinearPredictor, Moments] = WeakKeyDictionary()


def moments_of(predictor: LinearPredictor) -> Moments:
    """Moments of a predictor, computed when first asked for: designs are never changed."""
    if predictor not in _known:
        columns = _columns(predictor)
        _known[predictor] = Moments(
            mean=predictor.average(columns),
            cov=covariance(columns, predictor.counts),
            squares={g.name: _square(g, g.counting(predictor.counts)) for g in predictor.factors},
        )
    return _known[predictor]


def _columns(predictor: LinearPredictor) -> Floats:
    """(n, p) columns of the population: X, and what bends in smooths."""
    bent = [g.operator().toarray() for g in predictor.smooths]
    return np.concatenate([predictor.X, *bent], axis=1) if bent else predictor.X


def _coefficients(post: Posterior, parameter: str) -> Floats:
    """(S, p) coefficients of these columns."""
    bent = [post.ranef(g.name, parameter) for g in post.predictor(parameter).smooths]
    flat = (b.reshape(len(b), -1) for b in bent)
    return np.concatenate([post.fixef(parameter), *flat], axis=1)


def covariance(X: Floats, counts: Floats | None = None) -> Floats:
    """(p, p) sample covariance of the columns of X (n, p); row i counts `counts` (n,) times."""
    n, p = X.shape
    center = counted.mean(X, counts)
    total = np.zeros((p, p))
    for block in row_blocks(n):
        d = X[block] - center
        total += d.T @ (d if counts is None else counts[block, None] * d)
    return total / counted.freedom(n, counts)


def _square(g: GroupDesign, counts: Floats | None) -> Floats:
    """(q, q) mean over the rows of z z', times what the levels of a row make of the variance."""
    Z, spread = g.by_row[0], g.spread
    return mean_square(Z if spread is None else np.sqrt(spread)[:, None] * Z, counts)


def mean_square(Z: Floats, counts: Floats | None = None) -> Floats:
    """(q, q) mean over the rows of z z'; row i counts `counts` (n,) times."""
    if counts is None:
        return Z.T @ Z / len(Z)
    return Z.T @ (counts[:, None] * Z) / counts.sum()


def quadratic(beta: Floats, matrix: Floats) -> Floats:
    """(S,) beta' M beta per draw, for beta (S, p) and M (p, p) positive semidefinite.

    Through a square root of M, so that rounding never makes it negative.
    """
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return ((beta @ root) ** 2).sum(axis=1)


def trace_product(cov: Floats, matrix: Floats) -> Floats:
    """(S,) tr(Sigma M) per draw, for Sigma (S, q, q) and M (q, q), both positive semidefinite."""
    return np.maximum(np.einsum("sij,ij->s", cov, matrix), 0.0)


# ---- variances ---------------------------------------------------------------------------------

_NODES = 40
_OWN_NODES = 15
_WEIGHTS = 12  # different weights over which the residual variance is averaged


@dataclass(frozen=True, eq=False)
class Components:
    """Variances per draw, all (S,)."""

    fixed: Floats  # of the population part over the rows, the offset not counted
    groups: Mapping[str, Floats]  # mean over the rows of each grouping factor's own variance
    residual: Floats

    @property
    def random(self) -> Floats:
        """All grouping factors together."""
        return sum(self.groups.values(), np.zeros_like(self.residual))

    @property
    def total(self) -> Floats:
        return self.fixed + self.random + self.residual


def components(post: Posterior) -> Components:
    """Variance of the mean's linear predictor, by source, and of the residual.

    fixed = beta' Cov(X) beta; for each grouping factor, the mean over the rows of z' Sigma z, which
    is tr(Sigma Z'Z / n). Nothing of the size rows x draws is formed.
    Johnson (2014), doi:10.1111/2041-210X.12225; Nakagawa, Johnson & Schielzeth (2017),
    doi:10.1098/rsif.2017.0213, for the residual of families other than the gaussian, where it is
    taken at the average response under the model.
    """
    need_shares(post)
    groups = group_variances(post)
    fixed = fixed_variance(post)
    linear = sum(groups.values(), fixed)
    return Components(fixed, groups, residual_variance(post, linear))


def has_shares(post: Posterior) -> bool:
    """Whether the residual variance on the link scale is known; of several responses for each."""
    return not post.family.no_latent_variance and post.design.several is None


def need_shares(post: Posterior) -> None:
    """Raise ModelError where there are no shares of variance, on whatever scale."""
    if post.design.several is not None:
        raise ModelError("shares of variance (icc, r2) are of one response: fit.response(name)")
    if not post.family.unordered:
        return
    raise ModelError(
        "shares of variance (icc, r2) are of a response that is a number, and "
        f"{post.design.response} is none: {post.family.unordered}. varcorr() has the sds of each "
        "category's effects; on the scale of its log odds against the reference the residual "
        "variance is pi^2 / 3, so that the share of an intercept's is sd^2 / (sd^2 + 3.29), "
        "Hedeker (2003), doi:10.1002/sim.1522"
    )


def fixed_variance(post: Posterior, parameter: str = "mu") -> Floats:
    """(S,) variance over the rows of X beta and of smooths; of thresholds' own, the mean of theirs.

    There X beta is the sum of what all thresholds share and what one has by itself.
    """
    mean, *own = post.design.moving if parameter == "mu" else (post.predictor(parameter),)
    if not own:
        return quadratic(_coefficients(post, parameter), moments_of(mean).cov)
    X = _columns(own[0])  # those of all thresholds are one
    cov = covariance(np.concatenate([_columns(mean), X], axis=1), mean.counts)
    common = _coefficients(post, "mu")
    both = (np.concatenate([common, _coefficients(post, p.parameter)], axis=1) for p in own)
    return np.mean([quadratic(beta, cov) for beta in both], axis=0)


def group_variances(post: Posterior, parameter: str = "mu") -> dict[str, Floats]:
    """(S,) mean over the rows of each factor's z' Sigma z."""
    p, found = parameter, dict[str, Floats]()
    for n, square in moments_of(post.predictor(p)).squares.items():
        g, own = post.group(n, p), np.diag(square)
        if g.cor_terms and post.design.joined(n) is None:
            square = square * g.same_block
        one = not np.any(np.triu(square, 1))  # a row has one of the columns of each block
        found[n] = post.sd(n, p) ** 2 @ own if one else trace_product(post.cov(n, p), square)
    return {n: v * post.law(n, p).variance for n, v in found.items()}


def linear_variance(post: Posterior, parameter: str = "mu") -> Floats:
    """(S,) variance of the linear predictor."""
    return sum(group_variances(post, parameter).values(), fixed_variance(post, parameter))


def residual_variance(post: Posterior, linear: Floats | None = None) -> Floats:
    """(S,) residual variance on the link scale, for a response of average mean.

    With weights that divide the variance of a row, its mean over the rows. `linear` is the variance
    (S,) of the linear predictor, if it is known already.
    """
    if linear is None:
        linear = linear_variance(post)
    mean = average_response(post.family.link, mean_predictor(post), linear)
    family = post.family
    variance = over_parameters(
        post,
        lambda own: over_weights(post, own, lambda row: family.latent_variance(mean, row)),
    )
    return np.broadcast_to(variance, (post.n_draws,))


def infinite_note(post: Posterior) -> str:
    """What the shares of variance are where the residual has no finite variance; empty if it has.

    Student's t has none for nu <= 2.
    """
    infinite = ~np.isfinite(residual_variance(post)) if has_shares(post) else np.zeros(1, bool)
    if not infinite.any():
        return ""
    return (
        f"In {int(infinite.sum()):,} of {len(infinite):,} draws nu is at most 2, so that the "
        "residual has no finite variance: ICC and R2 are 0 there. Compare the sds of the groups "
        "with sigma in varcorr() instead, or give nu a prior that leaves out such heavy tails."
    )


def shares_note(post: Posterior) -> str:
    """What a reader of ICC and R2 has to know of them; mostly empty."""
    return " ".join(filter(None, (infinite_note(post), limits_of_shares(post))))


def limits_of_shares(post: Posterior) -> str:
    """Of what ICC and R2 are where responses are censored or truncated; empty elsewhere."""
    words = limits_words(post.design) if has_shares(post) else []
    return f"ICC and R2 are {' and '.join(words)}." if words else ""


def warn_of_infinite(post: Posterior) -> None:
    """The note as a warning, at the line that called the caller."""
    if note := infinite_note(post):
        warnings.warn(note, UserWarning, stacklevel=3)


def mean_predictor(post: Posterior, parameter: str = "mu") -> Floats:
    """(S,) mean over the rows of the population part and the offset."""
    predictor = post.predictor(parameter)
    beta = _coefficients(post, parameter) @ moments_of(predictor).mean
    return post.intercept(parameter) + beta + predictor.mean_offset


def average_response(link: Link, center: Floats, variance: Floats) -> Floats:
    """(S,) E[g^-1(eta)] for eta ~ Normal(center, variance).

    Gauss-Hermite quadrature where g^-1 is defined on the whole line; g^-1(center) elsewhere.
    """
    if not isinstance(link, Log | ShareLink):
        return link.inverse(center, np)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    eta = center[:, None] + np.sqrt(variance)[:, None] * nodes
    return link.inverse(eta, np) @ (weights / weights.sum())


def over_parameters(
    post: Posterior,
    f: Callable[[Mapping[str, Floats]], Floats],
    mean_at: tuple[Floats, Floats] | None = None,
) -> Floats:
    """E f(the family's own parameters), (S, ...), those with a formula varying as in the data.

    Their predictors count as normal, with the mean and the variance that they have over rows and
    groups; Gauss-Hermite quadrature. Student's nu, which does not average, is held at its mean
    predictor: a normal one has values for which nu <= 2, with infinite variance. `mean_at` says
    where the mean's predictor is, as deviations (S, K) and its variance (S,): others whose effects
    are correlated with its own are then those that go with it.
    """
    found = average_parameters(post)
    own = [p for p in post.design.further if post.family.parameter(p).averages]
    nodes, weights = np.polynomial.hermite_e.hermegauss(_OWN_NODES)
    weights = weights / weights.sum()
    mean = {p: mean_predictor(post, p)[:, None] for p in own}
    C = np.zeros((post.n_draws, len(own), len(own)))
    for i, p in enumerate(own):
        C[:, i, i] = linear_variance(post, p)
        for j, q in enumerate(own[:i]):
            C[:, i, j] = C[:, j, i] = shared_covariance(post, q, p)
    if mean_at is not None:
        deviation, whole = mean_at
        for i, p in enumerate(own):
            c = shared_covariance(post, "mu", p)
            slope = np.divide(c, whole, out=np.zeros_like(c), where=whole > 0)
            if slope.any():
                mean[p] = mean[p] + slope[:, None] * deviation
            for j, q in enumerate(own):
                C[:, i, j] -= slope * shared_covariance(post, "mu", q)
    root = _lower_root(C)
    parts = []
    for at in product(range(_OWN_NODES), repeat=len(own)):
        z = nodes[list(at)]
        for i, p in enumerate(own):
            eta = mean[p] + (root[:, i] @ z)[:, None]
            eta = eta if mean[p].shape[1] > 1 else eta[:, 0]
            found[p] = post.family.parameter_link(p).inverse(eta, np)
        parts.append(np.prod(weights[list(at)]) * np.asarray(f(found), float))
    return np.asarray(sum(parts[1:], parts[0]))


def _lower_root(C: Floats) -> Floats:
    """(S, k, k) lower-triangular L with L L' = C, singular ones among them."""
    L = np.zeros_like(C)
    for i in range(C.shape[1]):
        for j in range(i + 1):
            left = C[:, i, j] - np.sum(L[:, i, :j] * L[:, j, :j], axis=1)
            if i == j:
                L[:, i, i] = np.sqrt(np.maximum(left, 0.0))
            else:
                np.divide(left, L[:, j, j], out=L[:, i, j], where=L[:, j, j] > 0)
    return L


def shared_covariance(post: Posterior, first: str, second: str) -> Floats:
    """(S,) mean covariance of two predictors in a row by effects that an id correlates."""
    out = np.zeros(post.n_draws)
    for a in post.design.across:
        if first not in a.places or second not in a.places:
            continue
        cor, sd, members = post.stacked(names.cor(a.name)), post.sd_across(a), dict(a.members)
        i, j = a.places[first], a.places[second]
        cov = cor[:, i, j] * sd[:, i, None] * sd[:, None, j]
        both = members[first].Z[:, :, None] * members[second].Z[:, None, :]
        out += np.einsum("sab,ab->s", cov, post.design.mu.average(both))
    return out


def over_weights(
    post: Posterior, parameters: Mapping[str, Floats], f: Callable[[Mapping[str, Floats]], Floats]
) -> Floats:
    """Mean of f(parameters of a row) over the rows, (S, ...), where weights divide the variance.

    Rows of similar weight count as rows of their harmonic mean, exact for multiples of 1 / weight.
    """
    weights, standing = post.design.weights, post.design.standing
    if weights is None or post.family.repeats_rows:
        return f(parameters)
    if standing is not None:
        return f(post.family.weighted(parameters, standing.harmonic))
    values, counts = np.unique(weights, return_counts=True)
    parts = []
    for some in np.array_split(np.arange(len(values)), min(len(values), _WEIGHTS)):
        share = counts[some].sum()
        row = post.family.weighted(parameters, share / np.sum(counts[some] / values[some]))
        parts.append(share / len(weights) * np.asarray(f(row), float))
    return np.asarray(sum(parts[1:], parts[0]))


def average_parameters(post: Posterior) -> dict[str, Floats]:
    """The family's own parameters; one with a formula of its own at its mean predictor."""
    found = dict(post.parameters())
    for name in post.design.further:
        found[name] = post.family.parameter_link(name).inverse(mean_predictor(post, name), np)
    return found


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole, at most 1; NaN where there is no variance at all.

    A residual variance may be infinite (Student's t with nu <= 2): then it is all there is.
    """
    finite = (whole > 0) & np.isfinite(whole)
    share = np.minimum(np.where(finite, part, 0.0) / np.where(finite, whole, 1.0), 1.0)
    return np.where(finite, share, np.where(np.isinf(whole), np.isinf(part) * 1.0, np.nan))


# ---- the scale of the response -----------------------------------------------------------------
# With eta = m + f + sum_k b_k: m the mean predictor, f ~ Normal(0, variance of the population
# part) and b_k ~ Normal(0, mean variance of factor k), the law of total variance divides Var[y]
# into what the population part, the groups, and chance within a row give:
#
#     Var[y] = Var_f E[y | f]  +  (Var E[y | eta] - Var_f E[y | f])  +  E Var[y | eta].
#
# Every part is non-negative, so that each share lies in [0, 1]. Since the mean is not linear in
# the effects, the factors' own shares Var_{b_k} E[y | b_k] add up to no more than that of all
# together. Goldstein, Browne & Rasbash (2002), doi:10.1207/S15328031US0104_02; Nakagawa, Johnson
# & Schielzeth (2017), doi:10.1098/rsif.2017.0213, for the scales.


# Nodes: so many for a total sd below 1, and as many again for each further unit. Seen from so far
# the mean is a step: with 20 alone, at sds of 5, shares with the logit link were wrong by 0.03.
_FEWEST_NODES, _MOST_NODES = 20, 160
_ROUNDING = 16 * float(np.finfo(float).eps)


def icc_response(post: Posterior) -> Floats:
    """(2, K + 1, S) adjusted and unadjusted ICC of K factors and of all together.

    adjusted: at the mean of the population part, f = 0; unadjusted: f varies as in the data. Of
    binomial counts the share of one trial is meant, of ordered categories the code.
    """
    _need_common(post)
    need_normal(post.design.mu.factors, "scale='response'")
    fixed, groups = fixed_variance(post), group_variances(post)
    zero, random = np.zeros_like(fixed), sum(groups.values(), np.zeros_like(fixed))
    out = []
    for spread in (zero, fixed):
        explained, within = _total(post, spread + random)
        shares = [_between(post, v, spread + random - v) for v in groups.values()]
        everything = explained - (_between(post, spread, random) if spread is fixed else 0.0)
        out.append([ratio(part, explained + within) for part in (*shares, everything)])
    return np.clip(np.array(out), 0.0, 1.0)


def _need_common(post: Posterior) -> None:
    """ModelError where thresholds have effects of their own."""
    if len(post.design.moving) > 1:
        raise ModelError(
            "scale='response' needs one predictor that moves all thresholds alike, and cs() gives "
            "each its own; use scale='link', where the variances of thresholds are averaged"
        )


def r2_response(post: Posterior) -> Floats:
    """(2, S) marginal and conditional R2."""
    _need_common(post)
    need_normal(post.design.mu.factors, "scale='response'")
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
    at = eta - mean_predictor(post)[:, None], variance
    held = not family.mean_is_mu
    within = chance(average_parameters(post)) if held else over_parameters(post, chance, at)
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
    if family.mean_is_mu:
        return lambda eta: family.inverse(eta, np)

    def expected(eta: Floats) -> Floats:
        mu = family.inverse(eta, np)
        return over_weights(post, parameters, lambda row: family.expectation(mu, row))

    return expected


def _variance(values: Floats, weights: Floats) -> Floats:
    """(S,) variance of values (S, nodes) under the weights; what is rounding alone counts as 0."""
    found = (values - (mean := values @ weights)[:, None]) ** 2 @ weights
    return np.where(found > (_ROUNDING * mean) ** 2, found, 0.0)


def _nodes(variance: Floats, times: int = 1) -> tuple[Floats, Floats]:
    """Gauss-Hermite nodes and weights of a standard normal, for functions over this variance."""
    widest = float(np.sqrt(np.max(variance, initial=0.0)))
    return _rule(int(min(_FEWEST_NODES * times * (1 + np.floor(widest)), _MOST_NODES)))


@lru_cache
def _rule(n: int) -> tuple[Floats, Floats]:
    z, w = special.roots_hermitenorm(n)
    return z, w / w.sum()
