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
    """Complete, no and partial pooling of a regression over the levels of a grouping factor.

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
        A data frame of pandas with one row per level, term and kind of pooling ("complete", "none",
        "partial"): group, level, term, n, kind, mean, sd, lower, upper and note, see
        `Fit.pooling`. The attribute `fit` is the fitted model.

    Raises
    ------
    FormulaError
        If the formula has group effects already.
    DataError, ModelError, PriorError
        As for `Model`.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy_partial")
    >>> table = mb.pooling("Reaction ~ Days", "Subject", sleep, seed=1)  # doctest: +SKIP
    >>> table.fit.plot_pooling()  # doctest: +SKIP
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
