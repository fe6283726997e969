"""`mixedbayes.custom`: a family of the user's own, of its log density."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mixedbayes.distributions import Prior
from mixedbayes.families import own_checks as checks
from mixedbayes.families import own_parts as parts
from mixedbayes.families.base import Family
from mixedbayes.families.chosen import Links
from mixedbayes.families.links import Link
from mixedbayes.families.own import Given
from mixedbayes.families.own_checks import refuse
from mixedbayes.families.own_rows import Compiled


def custom(
    name: str,
    *,
    links: Mapping[str, str | Link],
    logp: Callable[..., Any] | None = None,
    pytensor: Callable[..., Any] | None = None,
    scipy: Callable[..., Any] | None = None,
    gradient: Callable[..., Any] | None = None,
    priors: Mapping[str, Prior] | None = None,
    location: str | Callable[..., Any] | None = None,
    simulate: Callable[..., Any] | None = None,
    mean: str | Callable[..., Any] | None = None,
    variance: Callable[..., Any] | None = None,
    cdf: Callable[..., Any] | None = None,
    logcdf: Callable[..., Any] | None = None,
    logsf: Callable[..., Any] | None = None,
    support: str | tuple[float, float] | None = None,
    discrete: bool | None = None,
    typical: Mapping[str, float] | None = None,
    check: bool = True,
) -> Family:
    """A family of your own: a log density with named parameters, used as any other family.

    Its first parameter is mu, of which the model's formula is; each of the others is a number, or
    has a formula of its own with group effects. Give the density in one of three ways:

    ============ ================================================ ================================
    ``logp``     a function of numbers, which numba compiles      fastest: compiled into the loop
                                                                  over the rows, as the package's
                                                                  own are
    ``pytensor`` a function of PyTensor's tensors                 has all of PyTensor's functions
    ``scipy``    one that gives a frozen SciPy distribution       slowest, some hundred times; has
                                                                  draws, moments and distribution
                                                                  function with it
    ============ ================================================ ================================

    Derivatives are exact for the first two: by dual numbers, and by PyTensor. For ``scipy`` they
    are extrapolated from differences on the links' scales, to about nine digits, and, as with
    ``pytensor``, evaluated in Python, for all rows at once, one chain at a time. ``scipy`` beside
    ``logp`` or ``pytensor`` gives what these do not say.

    Parameters
    ----------
    name
        In tables and files: small letters, digits and ``_``.
    links
        Links by parameter, mu first, in the order of the functions' arguments:
        ``{"mu": "identity", "sigma": "log"}``. Of mu ``"identity"``, ``"log"``, ``"logit"``,
        ``"probit"`` or ``"cloglog"``; of the others ``"identity"``, ``"log"`` (positive ones) or
        ``"logit"`` (between 0 and 1); or objects, ``mb.Log()``.
    logp
        ``logp(y, mu, *parameters)``, log p(y) of one response with all constants, from numbers;
        ``-math.inf`` where p(y) is 0. It is asked for wherever the links lead, at very large and
        very small values too, and is to raise no exception: one ends the fit. It may use the
        functions of ``math`` (``lgamma``, ``erf`` and ``erfc`` are among them) and those of
        ``numpy`` for numbers, branches, loops, and other functions that numba compiles.
    pytensor
        ``pytensor(y, mu, *parameters)``, from tensors of equal length.
    scipy
        ``scipy(mu, *parameters)``, from arrays: ``lambda mu, sigma: stats.gumbel_r(mu, sigma)``.
    gradient
        ``gradient(y, mu, *parameters)`` beside ``logp``: the tuple of its derivatives by mu and by
        each parameter. Only where dual numbers cannot have them.
    priors
        Default priors of the other parameters, for a value and not its link. Of sigma it is that
        of the package's other families, Exponential with mean sd(y), where mu has the identity
        link; of parameters with the logit link uniform; of others it is needed.
    location
        Which part of the response mu is near: ``"mean"``, ``"median"``, or a function of y (n,)
        that gives a value of mu. The default prior of the intercept is around it. Not needed where
        mu is the mean.
    simulate
        ``simulate(mu, *parameters, rng)``: draws of y, from arrays of one shape and a
        ``numpy.random.Generator``, of that shape.
    mean
        ``mean(mu, *parameters)``, from arrays, or ``"mu"`` where mu itself is the mean.
    variance, cdf
        ``variance(mu, *parameters)`` and ``cdf(y, mu, *parameters)``, P(Y <= y), from arrays.
    logcdf, logsf
        log P(Y <= y) and log P(Y > y) beside ``logp``, from numbers as that: for responses with
        ``cens()`` and ``trunc()``.
    support
        ``"real"``, ``"positive"``, ``"unit"`` (between 0 and 1), ``"counts"``, or its two ends,
        which are excluded where y is continuous and included where it is discrete.
    discrete
        Whether y is a whole number.
    typical
        Values of mu and parameters at which all functions are tried; else mu with a linear
        predictor of 0 and medians of the priors.
    check
        Whether what was given is tried: that p(y) integrates to 1, and that draws, moments,
        distribution function and gradient are those of the density.

    Returns
    -------
    Family
        For ``family=``. What a table needs and was not given is refused when it is asked for, with
        the reason and what to give: observations without ``simulate``, means without ``mean``,
        residuals and probabilities without ``cdf``, icc and R2 without ``variance``. Weights repeat
        rows. Files hold no code: ``mb.load(path, family=...)``. Pickles find functions by their
        names in modules, and the family is made again from these; lambdas are refused there.

    Warns
    -----
    UserWarning
        Before a fit that will take more than a minute because its density is not compiled.

    Raises
    ------
    ModelError
        Where something is missing, does not compile, or contradicts the density. Later, while a
        model is fitted or predicted, where a function raises an exception: which, at which y, in
        which row, mu and parameters.

    See Also
    --------
    fit : Takes the family as ``family=``.
    load : Needs it again, as ``family=``: files hold no code.

    Examples
    --------
    Gumbel's distribution of largest values, for yearly floods:

    >>> import math
    >>> import numpy as np
    >>> import mixedbayes as mb
    >>> def logp(y, mu, sigma):
    ...     z = (y - mu) / sigma
    ...     return -z - math.exp(-z) - math.log(sigma)
    >>> gumbel = mb.custom(
    ...     "gumbel",
    ...     logp=logp,
    ...     links={"mu": "identity", "sigma": "log"},
    ...     location="median",
    ...     simulate=lambda mu, sigma, rng: rng.gumbel(mu, sigma),
    ...     mean=lambda mu, sigma: mu + 0.5772156649015329 * sigma,
    ...     variance=lambda mu, sigma: math.pi**2 / 6 * sigma**2,
    ...     cdf=lambda y, mu, sigma: np.exp(-np.exp(-(y - mu) / sigma)),
    ... )  # doctest: +SKIP
    >>> fit = mb.fit(
    ...     ["flood ~ rain + (1 | river)", "sigma ~ (1 | river)"], floods, family=gumbel
    ... )  # doctest: +SKIP
    >>> fit.predict(new, target="P(flood > 100)")  # doctest: +SKIP

    The same with SciPy's, whose functions need not be given:

    >>> from scipy import stats
    >>> gumbel = mb.custom(
    ...     "gumbel",
    ...     logp=logp,
    ...     scipy=lambda mu, sigma: stats.gumbel_r(mu, sigma),
    ...     links={"mu": "identity", "sigma": "log"},
    ...     location="median",
    ... )  # doctest: +SKIP
    """
    asked = {key: value for key, value in locals().items() if key not in ("name", "check")}
    own = parts.links_of(parts.checked_name(name), links)
    if discrete is not None and not isinstance(discrete, bool):
        refuse(name, f"discrete={discrete!r}: give True or False")
    wanted = list(own)
    parts.check_given(
        name, wanted, logp=logp, pytensor=pytensor, scipy=scipy, gradient=gradient,
        logcdf=logcdf, logsf=logsf, simulate=simulate, mean=mean, variance=variance, cdf=cdf,
        location=location,
    )  # fmt: skip
    assigned = parts.priors_of(name, own, priors)
    values = parts.typical_of(name, own, assigned, typical)
    if scipy is not None:
        theirs = parts.of_scipy(name, scipy, own, values)
        discrete = theirs.discrete if discrete is None else discrete
        if discrete != theirs.discrete:
            refuse(name, f"discrete={discrete}, but scipy= gives a {theirs.words} distribution")
        simulate, cdf = simulate or theirs.simulate, cdf or theirs.cdf
        variance, mean = variance or theirs.variance, theirs.mean if mean is None else mean
        support = theirs.support if support is None else support
    discrete = bool(discrete)
    lower, upper = parts.support_of(name, support, discrete)
    density = parts.density_of(name, own, logp, gradient, pytensor, scipy, discrete=discrete)
    tails = None
    if logcdf is not None:
        m = len(own) - 1
        tails = (Compiled(logcdf, m, name="logcdf"), Compiled(logsf, m, name="logsf"))
    trials = parts.trials_of(name, own, values, discrete, (lower, upper))
    parts.compile_all(name, [density, *(tails or ())], trials[0])
    if check:
        for trial in trials:
            checks.check_trial(trial, density, simulate, mean, variance, cdf, tails)
        if gradient is not None:
            checks.check_gradient(trials[0], density, list(own.values()))
    of_mu = mean == "mu" or (callable(mean) and checks.is_mu(name, mean, trials))
    given = Given(
        density,
        simulate,
        None if of_mu or isinstance(mean, str) else mean,
        variance,
        cdf,
        tails,
        "mean" if location is None and of_mu else location,
        assigned,
        lower,
        upper,
        asked,
        again,
    )
    return parts.family_of(name, own, given, discrete=discrete, of_mu=of_mu)


def again(name: str, asked: Mapping[str, Any], chosen: Links = ()) -> Family:
    """The family that was made of this before; what was tried then is not tried again."""
    return replace(custom(name, **{**asked, "check": False}), links=chosen)
