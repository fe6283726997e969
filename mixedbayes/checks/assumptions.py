"""Residuals and group effects against what the model assumes of them, in words."""

from __future__ import annotations

import pandas as pd

from mixedbayes.checks.report import Finding, p_said
from mixedbayes.checks.residual import Beside, Bins, Effects, Residuals
from mixedbayes.results.posterior import Posterior

SMALL_P = 0.025  # of a discrepancy, on either side
FEW_LEVELS = 5


def location(found: Residuals) -> Finding:
    """Does the mean residual depend on what the predictors say, or on the fitted value?"""
    beside, bins = found.location()
    table, p = _binned(beside, bins), beside.p()
    along, where = "the fitted value", "at fitted"
    if bins is found.by_predictors and found.design.mu.groups:
        along, where = "what the predictors say", "where the fitted value of a typical group is"
    if p < SMALL_P:
        said = (
            f"The mean residual depends on {along} ({_p(p, beside)}{_outside(table, where)}): a "
            "curve or a predictor is missing."
        )
    else:
        said = f"No trend is left in the residuals along {along} ({_p(p, beside)})."
    return Finding("Residuals against fitted", said, p < SMALL_P, table)


def scale(found: Residuals) -> Finding:
    """Does the residuals' spread depend on the fitted value?"""
    beside, bins = found.scale()
    table, p = _binned(beside, bins), beside.p()
    if p < SMALL_P:
        said = (
            f"The residuals' spread differs over the fitted values from what the model says "
            f"({_p(p, beside)}{_outside(table, 'at fitted')}): outliers, or a variance that "
            "changes."
        )
    else:
        said = (
            "The spread of the residuals is as the model says at all fitted values "
            f"({_p(p, beside)})."
        )
    return Finding("Scale against fitted", said, p < SMALL_P, table)


def _p(p: float, beside: Beside) -> str:
    return p_said(p, 1 / len(beside.data), SMALL_P)


def _binned(beside: Beside, bins: Bins) -> pd.DataFrame:
    return beside.table().assign(fitted=bins.at, rows=bins.sizes)[
        ["fitted", "rows", "data", "lower", "upper", "outside"]
    ]


def _outside(table: pd.DataFrame, where: str) -> str:
    at = table.loc[table["outside"], "fitted"]
    return f"; outside the band {where} {', '.join(f'{v:.4g}' for v in at)}" if len(at) else ""


def shape(found: Residuals, post: Posterior) -> Finding:
    """Do the residuals have the distribution that the family says?"""
    beside = found.quantiles()
    table = beside.table()
    table.insert(0, "probability", found.probabilities)
    p = beside.p()
    title = "Quantiles of residuals"
    if p >= SMALL_P:
        said = f"The residuals are distributed as the {post.family.name} family says"
        said += f" ({_p(p, beside)})."
        return Finding(title, said, False, table)
    skew, tails = found.shape()
    traits = []
    if tails > 1 - SMALL_P:
        traits.append("heavier tails")
    elif tails < SMALL_P:
        traits.append("lighter tails")
    if min(skew, 1 - skew) < SMALL_P:
        traits.append("a longer right tail" if skew > 0.5 else "a longer left tail")
    said = (
        f"The residuals have {' and '.join(traits) or 'another shape'} than the "
        f"{post.family.name} family says ({_p(p, beside)})."
    )
    if tails > 1 - SMALL_P and post.family.normal and post.family.wider:
        said += f' family="{post.family.wider}" gives outliers less weight.'
    return Finding(title, said, True, table)


def normality(found: Effects) -> Finding:
    """Are the effects of one term a normal sample?"""
    beside, (level, extreme) = found.quantiles(), found.extreme()
    table, p, tail = beside.table(), beside.p(), found.p_extreme()
    name = f"{found.group.name}: {found.term}"
    look = p < SMALL_P or tail < SMALL_P
    said = (
        f"The effects are {'not like' if look else 'like'} a normal sample ({_p(p, beside)}); "
        f"the largest is that of {level}, {extreme:+.1f} sd from the population"
    )
    said += f" ({_p(tail, beside)})." if tail < SMALL_P else "."
    if found.group.n_levels < FEW_LEVELS:
        said += f" With {found.group.n_levels} levels this shows little."
    return Finding(f"Effects of {name}", said, look, table)
