"""`mixedbayes.pooling`: fit the model that pools partially and set it beside the two ends."""

from __future__ import annotations

from typing import Any

from mixedbayes.api.fit import fit
from mixedbayes.api.model import Fit
from mixedbayes.errors import FormulaError
from mixedbayes.formula import parse
from mixedbayes.results.pooling import pooling as pooling_table
from mixedbayes.results.tables import Interval, Statistics
from mixedbayes.results.text import Table


class PoolingTable(Table):
    """The table of `Fit.pooling`, with the fit that it was made from.

    Attributes
    ----------
    fit
        The model that pools partially; `fit.plot_pooling` draws the table. Frames derived from
        this one are tables without it.
    """

    _metadata = ["fit"]  # noqa: RUF012
    fit: Fit


def pooling(
    formula: str,
    group: str,
    data: Any,
    *,
    varying: str | None = None,
    prob: float = 0.95,
    statistics: Statistics = None,
    interval: Interval = "eti",
    seed: int | None = None,
    **settings: Any,
) -> PoolingTable:
    r"""Complete, no and partial pooling of a regression over the levels of a grouping factor.

    Fits ``formula + (varying | group)`` and sets its coefficients beside least squares over all
    rows and within each level.

    Parameters
    ----------
    formula
        The regression, without group effects: ``"Reaction ~ Days"``.
    group
        The grouping factor: ``"Subject"``.
    data
        A data frame.
    varying
        What varies over the levels, as on the left of a bar: ``"1"``, ``"0 + Days"``. By default
        all of the formula's effects, so that no pooling is a regression of its own in each level.
    prob
        Probability of the intervals.
    statistics, interval
        As in `Fit.pooling`.
    seed
        Of the sampler.
    settings
        Further arguments of `mixedbayes.fit` by name: priors, draws, progress, ...

    Returns
    -------
    PoolingTable
        A data frame of pandas with one row per level, term and kind of pooling, whose attribute
        `fit` is the fitted model:

        - group, level, term, n: which level, and how many rows it has;
        - kind: "complete", "none" or "partial";
        - mean, sd, lower, upper: estimate, standard error or posterior sd, and interval;
        - note: why a row of "none" is NaN, else empty; see `Fit.pooling`.

    Raises
    ------
    FormulaError
        If the formula has group effects already.
    DataError, ModelError, PriorError
        As for `Model`.

    See Also
    --------
    pooling : The method of `Fit`.
    shrinkage : How far each level is pulled.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy_partial")
    >>> table = mb.pooling("Reaction ~ Days", "Subject", sleep, seed=1)
    >>> table.query("level == '373'")
           group level       term  n      kind  mean    sd  lower upper  \
    114  Subject   373  Intercept  1  complete 252.3 6.406  239.7 265.0
    115  Subject   373  Intercept  1      none 245.0   NaN    NaN   NaN
    116  Subject   373  Intercept  1   partial 248.0 19.45  209.9 286.7
    117  Subject   373       Days  1  complete 10.33 1.210  7.941 12.71
    118  Subject   373       Days  1      none   NaN   NaN    NaN   NaN
    119  Subject   373       Days  1   partial 10.48 6.287 -2.482 23.07
    <BLANKLINE>
                                          note
    114
    115      no residual: 1 row fitted exactly
    116
    117
    118  1 row for 2 effects (Intercept, Days)
    119
    >>> figure = table.fit.plot_pooling(max_levels=6)
    """
    parsed = parse(formula)
    if parsed.random:
        raise FormulaError(
            f"pooling() adds the group effects itself, and {formula!r} has "
            f"{parsed.random[0].text}: leave it out, or fit the model and use its pooling()"
        )
    effects = parsed.fixed if varying is None else varying
    fitted = fit(f"{formula} + ({effects} | {group})", data, seed=seed, **settings)
    found = pooling_table(fitted.posterior, prob=prob, statistics=statistics, interval=interval)
    table = PoolingTable(found)
    table.fit = fitted
    return table
