"""Evidence (marginal likelihood) by bridge or importance sampling, and Bayes factors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape

import numpy as np
from scipy import special

from mixedbayes.checks.held_out import Data
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError, PriorError
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.parameters import Constrained
from mixedbayes.marginal.setup import Population, Setup, set_up
from mixedbayes.model.spec import Spec
from mixedbayes.names import MU, SIGMA
from mixedbayes.numerics.threads import available_cores, one_blas_thread
from mixedbayes.predict.streams import seed_of, stream
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.text import plural
from mixedbayes.sample.health import effective_size

# ---- bridge sampling ---------------------------------------------------------------------------
# Meng & Wong (1996), Statistica Sinica 6, 831-860; its error after Fruehwirth-Schnatter (2004),
# doi:10.1111/j.1368-423X.2004.00125.x.


_TOLERANCE = 1e-10
_MOST_ITERATIONS = 1000


@dataclass(frozen=True)
class Ratio:
    """log(Z_1 / Z_2) and its Monte Carlo standard error."""

    log: float
    error: float


def bridge(first: Floats, second: Floats) -> Ratio:
    """log(Z_1 / Z_2) of two unnormalised densities q_1 and q_2.

    With l = log q_1 - log q_2, s_i the shares of the effective numbers of draws, and r the ratio,

        r = mean over draws of 2 of e^l / (s_1 e^l + s_2 r)
            / mean over draws of 1 of 1 / (s_1 e^l + s_2 r),

    solved by iteration: of all functions that bridge the two, the one with the least error.

    Parameters
    ----------
    first
        (C, D) l at draws of density 1: chains and draws.
    second
        (C, D) or (1, D) l at draws of density 2.

    Returns
    -------
    Ratio
        The error is the root of the relative mean squared error, autocorrelation included.
    """
    n1, n2 = _size(first), _size(second)
    log_s1, log_s2 = np.log(n1 / (n1 + n2)), np.log(n2 / (n1 + n2))
    l1, l2 = first.ravel(), second.ravel()
    log_r = float(np.median(np.concatenate([l1, l2])))
    for _ in range(_MOST_ITERATIONS):
        top = l2 - np.logaddexp(log_s1 + l2, log_s2 + log_r)
        bottom = -np.logaddexp(log_s1 + l1, log_s2 + log_r)
        new = special.logsumexp(top) - np.log(l2.size)
        new -= special.logsumexp(bottom) - np.log(l1.size)
        done = abs(new - log_r) < _TOLERANCE
        log_r = float(new)
        if done:
            break
    return Ratio(log_r, _error(first - log_r, second - log_r, log_s1, log_s2))


def _error(l1: Floats, l2: Floats, log_s1: float, log_s2: float) -> float:
    """Relative error of the ratio, for log ratios of the normalised densities."""
    f1 = np.exp(l2 - np.logaddexp(log_s1 + l2, log_s2))  # p_1 / (s_1 p_1 + s_2 p_2) under 2
    f2 = np.exp(-np.logaddexp(log_s1 + l1, log_s2))  # p_2 / (s_1 p_1 + s_2 p_2) under 1
    return float(np.sqrt(_squared_error(f1) + _squared_error(f2)))


def _squared_error(f: Floats) -> float:
    """Squared relative standard error of the mean of f (C, D)."""
    variance = np.var(f) / np.mean(f) ** 2
    return float(variance / _size(f))


def _size(values: Floats) -> float:
    """Effective number of draws for the mean of values (C, D)."""
    if np.ptp(values) < 1e-12 or values.shape[1] < 4:
        return float(values.size)
    return float(min(effective_size(values[None])[0], values.size))


# ---- evidence and Bayes factors ----------------------------------------------------------------


PROPOSALS = 8  # purpose of the stream of random numbers
MOST_DRAWS = 8000  # of the posterior that are used
DRAWS_PER_PARAMETER = 40


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """log p(y): the density of the data with every parameter integrated over its prior.

    Attributes
    ----------
    log
        Natural log; `float(evidence)` is the same.
    error
        Its Monte Carlo standard error.
    parameters
        Number of parameters of the integral that is left after the effects' closed form.
    draws
        Posterior draws used, or points of the t density.
    """

    log: float
    error: float
    parameters: int
    draws: int
    spec: Spec

    def __float__(self) -> float:
        return self.log

    def __repr__(self) -> str:
        return (
            f"log evidence {self.log:.2f}, Monte Carlo error {self.error:.2g}; "
            f"{plural(self.parameters, 'parameter')}, {self.draws:,} draws"
        )


@dataclass(frozen=True, eq=False, repr=False)
class BayesFactor:
    """p(y | a) / p(y | b): how much more probable the data are under a than under b.

    Attributes
    ----------
    log
        Natural log of the Bayes factor.
    error
        Its Monte Carlo standard error.
    """

    log: float
    error: float
    only_a: tuple[str, ...]  # priors that b does not have
    only_b: tuple[str, ...]

    @property
    def value(self) -> float:
        """The Bayes factor itself, exp(log)."""
        return float(np.exp(min(self.log, 700.0)))

    def __float__(self) -> float:
        return self.value

    @property
    def verdict(self) -> str:
        """What it says, in a sentence."""
        first, second = ("first", "second") if self.log >= 0 else ("second", "first")
        times = _times(abs(self.log))
        return (
            f"The data are {times} as probable under the {first} model as under the {second} "
            f"(log Bayes factor {self.log:.2f}, Monte Carlo error {self.error:.2g})."
        )

    def __repr__(self) -> str:
        said = [self.verdict, "A Bayes factor depends on the priors, however many the data."]
        pairs = ("first", self.only_a), ("second", self.only_b)
        said += [f"Priors of the {n} model alone: {'; '.join(p)}." for n, p in pairs if p]
        return "\n".join(said)

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(line)}</p>" for line in repr(self).splitlines())


def _times(log: float) -> str:
    return f"{np.exp(log):.3g} times" if log < np.log(1e6) else f"10^{log / np.log(10):.1f} times"


def log_evidence(post: Posterior, *, seed: int | None = None) -> Evidence:
    """log p(y), the log marginal likelihood, with its Monte Carlo error.

    It depends on the priors, also on wide ones, however many the data. All effects are integrated
    out in closed form. What is left, the posterior of standard deviations, correlations and sigma
    on unconstrained scales, is bridged to a normal density after it was made symmetric about its
    mean (warp III): half of the draws give mean and covariance, the other half the estimate. Of
    other families the effects are integrated out by quadrature, and what is left by importance
    sampling from a t density around the mode, without the posterior's draws.

    Parameters
    ----------
    post
        The posterior of a model, all priors proper: gaussian, identity link; or another family with
        one grouping factor, as `mb.Quadrature()` takes it.
    seed
        Of the draws from the normal or the t density; by default the fit's own.

    Returns
    -------
    Evidence
        `log` and `error`; it prints itself, and `float` takes it.

    Raises
    ------
    PriorError
        A prior is improper, so that the evidence is known up to an arbitrary factor only.
    ModelError
        Another family; too many parameters for the draws; effects whose density has several modes
        or long tails, so that no rule of quadrature is fine enough.

    See Also
    --------
    bayes_factor : Of two models.
    loo : What depends on priors far less.
    prior_sensitivity : How much the posterior depends on them.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.log_evidence()
    log evidence -891.76, Monte Carlo error 0.003; 4 parameters, 4,000 draws
    >>> round(float(fit.log_evidence()))
    -892

    References
    ----------
    Meng & Schilling (2002), doi:10.1198/106186002457; Gronau et al. (2017),
    doi:10.1016/j.jmp.2017.09.005.
    """
    post.need_one_data_set("log_evidence()")
    _check(post.spec)
    if post.spec.closed_form_obstacle is not None:
        return _by_quadrature(post, stream(seed_of(post, seed), PROPOSALS))
    setup = set_up(post.design, post.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    theta = _thinned(unconstrained(post, setup))  # (C, D, d)
    d, half = density.ndim, theta.shape[1] // 2
    if half * len(theta) < DRAWS_PER_PARAMETER * d:
        raise ModelError(
            f"{theta.shape[0] * theta.shape[1]:,} draws are too few to bridge {d} parameters; "
            f"fit with at least {2 * DRAWS_PER_PARAMETER * d:,} draws in all"
        )
    learn, use = theta[:, :half].reshape(-1, d), theta[:, half:]
    mean, root = learn.mean(axis=0), np.linalg.cholesky(np.cov(learn.T).reshape(d, d))
    rng = stream(seed_of(post, seed), PROPOSALS)
    eta = np.linalg.solve(root, (use - mean)[..., None])[..., 0]
    log_ratio = _warped(density, mean, root)
    proposals = rng.standard_normal((1, use.shape[0] * use.shape[1], d))
    ratio = bridge(log_ratio(eta), log_ratio(proposals))
    return Evidence(ratio.log, ratio.error, d, theta.shape[0] * theta.shape[1], post.spec)


def _by_quadrature(post: Posterior, rng: np.random.Generator) -> Evidence:
    from mixedbayes.quadrature import evidence
    from mixedbayes.quadrature.obstacle import factors

    cores, spec = available_cores(), post.spec
    with one_blas_thread():
        resolved = evidence.integrated(spec.design, spec.family, spec.priors, None, cores)
        if (said := resolved.trouble(factors(spec.design))) is not None:
            raise ModelError(
                f"log_evidence() has no integral here: {said}; "
                "compare such models by their predictions, with loo() and mb.compare()"
            )
        log, error = evidence.log_evidence(resolved, rng, cores)
    return Evidence(log, error, resolved.white.ndim, evidence.POINTS, spec)


def _warped(density: MarginalDensity, mean: Floats, root: Floats) -> Callable[[Floats], Floats]:
    """log q(eta) / N(eta; 0, I), q the density of eta made symmetric: (q(eta) + q(-eta)) / 2."""
    constant = float(np.log(np.diagonal(root)).sum() - np.log(2.0))

    def log_ratio(eta: Floats) -> Floats:
        flat = eta.reshape(-1, eta.shape[-1])
        both = [[density.logp(mean + s * (root @ e)) for e in flat] for s in (1.0, -1.0)]
        log_normal = -0.5 * np.sum(flat**2 + np.log(2 * np.pi), axis=1)
        out = np.logaddexp(*np.asarray(both)) + constant - log_normal
        return out.reshape(eta.shape[:-1])

    return log_ratio


def unconstrained(post: Posterior, setup: Setup) -> Floats:
    """(C, D, d) coordinates of the marginal density, from the draws of the named parameters."""
    groups = (*setup.integrated, *setup.sampled)
    sd, cor = dict[str, Floats](), dict[str, Floats]()
    for g in groups:
        if g.name in setup.chains:
            sd[g.name], cor[g.name] = post.sd(g.name), g.numbers_of(post.cor_numbers(g.name))
        else:
            sd[g.name], cor[g.name] = post.placed(g.name, setup.priors)
    every = _coefficients(post, setup.population)
    coefficients = every[:, list(setup.population.sampled)]
    log_sigma = None if setup.log_sigma is None else _coefficients(post, setup.log_sigma, SIGMA)
    known = setup.layout.sigma is None
    sigma = np.ones(post.n_draws) if known else post.stacked(SIGMA)
    own = post.design.residual
    numbers = None
    if own is not None:
        numbers = own.numbers(post.correlations())
    constrained = Constrained(sd, cor, {}, sigma, coefficients, {}, log_sigma, numbers)
    if setup.sampled:
        L = setup.layout.constrained(_variances(setup, constrained)).L
        u = {
            g.name: np.linalg.solve(L[g.name][:, None], _effects(post, setup, g.name)[..., None])[
                ..., 0
            ]
            for g in setup.sampled
        }
        constrained = replace(constrained, spherical=u)
    theta = setup.layout.unconstrained(constrained)
    return theta.reshape(*post.shape, -1)


def _effects(post: Posterior, setup: Setup, group: str) -> Floats:
    """(S, J, q) the effects that a factor's priors are about."""
    b, placed = post.ranef(group), setup.priors.placed
    return placed[group].effects_at_means(b) if group in placed else b


def _variances(setup: Setup, constrained: Constrained) -> Floats:
    """theta with spherical effects of 0, to get at the Cholesky factors."""
    zero = {
        g.name: np.zeros((len(constrained.sigma), g.n_levels, len(g.terms))) for g in setup.sampled
    }
    return setup.layout.unconstrained(replace(constrained, spherical=zero))


def _coefficients(post: Posterior, population: Population, parameter: str = MU) -> Floats:
    """(S, p) a predictor's coefficients, at the places where their priors are."""
    every = [post.population(term, parameter) for term in population.terms]
    return population.placed(np.column_stack(every or [np.zeros((post.n_draws, 0))]))


def _thinned(theta: Floats) -> Floats:
    """At most MOST_DRAWS of the draws, evenly spread."""
    chains, draws, _ = theta.shape
    most = max(4, MOST_DRAWS // chains)
    if draws <= most:
        return theta
    return theta[:, np.linspace(0, draws - 1, most).round().astype(int)]


def _check(spec: Spec) -> None:
    from mixedbayes.quadrature.obstacle import obstacle

    closed = spec.closed_form_obstacle
    said = None if closed is None else obstacle(spec.design, spec.family, spec.priors)
    if said is not None:
        raise ModelError(
            f"log_evidence() integrates the effects out, but {closed}, and for quadrature {said}; "
            "compare such models by their predictions, with loo() and mb.compare()"
        )
    improper = [
        f"{name}{f'[{term}]' if term else ''}"
        for name, term, a in spec.priors.rows()
        if not a.prior.proper
    ]
    if improper:
        raise PriorError(
            f"the evidence is not defined under improper priors, and {', '.join(improper)} "
            f"{'has one' if len(improper) == 1 else 'have such'}; give proper priors, such as "
            "mb.Normal(0, 10) in the units of the coefficient, or compare with loo()"
        )


def bayes_factor(a: Evidence, b: Evidence) -> BayesFactor:
    """p(y | a) / p(y | b), with its Monte Carlo error.

    Raises
    ------
    ModelError
        The two models are of different data.
    """
    difference = Data.of(a.spec.design, a.spec.family).difference(
        Data.of(b.spec.design, b.spec.family)
    )
    if difference is not None:
        raise ModelError(f"a Bayes factor needs two models of the same data: {difference}")
    mine, theirs = _priors(a.spec), _priors(b.spec)
    return BayesFactor(
        a.log - b.log,
        float(np.hypot(a.error, b.error)),
        tuple(p for p in mine if p not in theirs),
        tuple(p for p in theirs if p not in mine),
    )


def _priors(spec: Spec) -> list[str]:
    return [
        f"{name}{f'[{term}]' if term else ''} ~ {a.prior}" for name, term, a in spec.priors.rows()
    ]
