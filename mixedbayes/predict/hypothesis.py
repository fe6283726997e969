"""Hypotheses about the quantities of a fit: probability, interval and evidence of each."""

from __future__ import annotations

from typing import Any, Literal, overload

import pandas as pd
import xarray as xr

from mixedbayes.predict.prior_quantities import NamedPrior
from mixedbayes.results.hypotheses import hypotheses, statement_draws
from mixedbayes.results.named import Named
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import Interval


@overload
def hypothesis(
    post: Any, *texts: str, rope: tuple[float, float] | None = None, prob: float = 0.95,
    interval: Interval = "eti", draws: Literal[False] = False,
) -> pd.DataFrame: ...  # fmt: skip


@overload
def hypothesis(
    post: Any, *texts: str, rope: tuple[float, float] | None = None, prob: float = 0.95,
    interval: Interval = "eti", draws: Literal[True],
) -> xr.Dataset: ...  # fmt: skip


@overload
def hypothesis(
    post: Any, *texts: str, rope: tuple[float, float] | None = None, prob: float = 0.95,
    interval: Interval = "eti", draws: bool,
) -> pd.DataFrame | xr.Dataset: ...  # fmt: skip


def hypothesis(
    post: Posterior,
    *texts: str,
    rope: tuple[float, float] | None = None,
    prob: float = 0.95,
    interval: Interval = "eti",
    draws: bool = False,
) -> pd.DataFrame | xr.Dataset:
    """What data and model say of statements about the quantities of the fit.

    A statement compares, ``"Days > 0"``, ``"5 < Days < 15"``, ``"abs(Days) < 1"``; joins such by
    `and`, `or` and `not`; says that something is equal, ``"Days = 10"``; or is an expression,
    ``"exp(Days)"``, which is only estimated. Understood are numbers, + - * / ^, parentheses, exp,
    log, sqrt, abs, inv_logit, logit, min and max, and these names, which are those of the tables:

    - population effects: ``Days``, ``Intercept``, ``arm[b]:x``, ``sigma_Intercept``; one that holds
      blanks or signs in backticks, and ``fixef[Days]`` where other names are the same;
    - ``sd_Subject[Days]``, ``cor_Subject[Intercept, Days]``;
    - the family's own: ``sigma``, ``shape``, ``thresholds[low|high]``;
    - of correlated residuals ``rho``, ``theta``, ``range``; ``rho[lag 1]``, ``rho[1, 2]``;
    - one level's coefficient and its deviation from the population: ``coef[Subject=308, Days]``,
      ``ranef[Subject=308, Days]``, of a combined level ``ranef[batch=A, cask=a, Intercept]``; a
      level that holds signs in quotes, ``coef[county="St. Louis, MN", floor]``;
    - ``icc[Subject]``, ``icc[Subject, unadjusted]``, ``r2[marginal]``, ``r2[conditional]``.

    All are on the link scale. `log(x)` is the effect of that name where there is one; the logarithm
    of the effect of x is then ``log((x))``.

    Parameters
    ----------
    post
        The posterior.
    texts
        The statements.
    rope
        Lower and upper end of a region of practical equivalence, in the unit of the estimates:
        values that for your purpose are no different from 0. There is no default.
    prob
        Probability of the intervals.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.
    draws
        Return the draws instead: a Dataset of `estimate` and `holds` (1 or 0), each
        (chain, draw, hypothesis).

    Returns
    -------
    DataFrame
        One row per statement:

        - hypothesis: its text;
        - estimate, sd, lower, upper: of the left side minus the right, or of the expression; NaN
          for chains and joint statements, which have no single one;
        - probability: share of the draws in which it holds; NaN for equalities and expressions;
        - mcse: its Monte Carlo standard error, which accounts for autocorrelation; where all draws
          agree 1 / N, with N the effective number of draws of the estimate. What is printed is then
          the 95 % limit of the probability, 3 / N (rule of three), and the evidence ratio at that
          limit;
        - in_rope, where there is a `rope`: share of the draws of the estimate within it, ends
          included;
        - evidence_ratio: of a statement that holds with some probability, posterior odds over prior
          odds, P(H | y) / P(not H | y) / (P(H) / P(not H)), a Bayes factor of H against its
          opposite (brms' `hypothesis` gives the posterior odds alone). Of an equality the
          Savage-Dickey ratio, posterior over prior density of the difference at 0, the Bayes factor
          of the equality against the model;
        - prior_probability: P(H). Of a number with a prior of its own, and of sums of effects with
          normal priors, it and the prior density are exact; of others from draws from the prior.

        evidence_ratio is NaN, and `attrs["note"]` says why, where there is no proper prior to
        compare with, or too few draws to tell. It depends on the prior, which default priors are
        not made for.

    Raises
    ------
    FormulaError
        A statement is not understood, names what the fit does not have, or is not finite in some
        draws; carets show the place.
    ModelError
        There is no statement; `rope`, `prob` or `interval` is not understood; draws of the group
        effects named were not kept.

    See Also
    --------
    describe : The quantities and their names.
    comparisons : Differences on the response scale; their result has `hypothesis` too.
    bayes_factor : Two models against each other.
    prior_sensitivity : Whether the prior decides.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> asked = fit.hypothesis("Days > 8", "coef[Subject=308, Days] > 2 * Days", rope=(-1, 1))
    >>> columns = ["hypothesis", "estimate", "lower", "upper", "probability", "in_rope"]
    >>> print(asked[columns].round(2).to_string())
                               hypothesis  estimate  lower  upper  probability  in_rope
    0                            Days > 8      2.42  -0.76   5.60         0.94     0.16
    1  coef[Subject=308, Days] > 2 * Days     -1.20  -8.57   6.57         0.36     0.20

    The slope is above 8 ms a day with a probability of 0.94. Do the data favour it, beside the
    prior's odds?

    >>> (asked["evidence_ratio"] > 1).tolist()
    [True, False]

    References
    ----------
    Dickey (1971), doi:10.1214/aoms/1177693507; Wagenmakers, Lodewyckx, Kuriyal & Grasman (2010),
    doi:10.1016/j.cogpsych.2009.12.001; Hanley & Lippman-Hand (1983), doi:10.1001/jama.249.13.1743,
    for the rule of three.
    """
    named, chains = Named(post), post.shape[0]
    if draws:
        return statement_draws(texts, named, chains=chains)
    prior = NamedPrior(post, named)
    table = hypotheses(
        texts, named, chains=chains, prior=prior, prob=prob, interval=interval, rope=rope
    )
    default = [name for name, q in prior.used.items() if not q.given]
    if default and table["evidence_ratio"].notna().any():
        some = ", ".join(default[:4]) + (", ..." if len(default) > 4 else "")
        those = (
            f"those of {some} are defaults" if len(default) > 1 else f"that of {some} is a default"
        )
        table.attrs["note"] += (
            f"\nThe evidence ratio depends on the priors: {those}, made to say little; give your "
            "own to weigh hypotheses."
        )
    return table
