"""Residuals, group effects and counts against what the model assumes of them, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from mixedbayes.checks.proposals import accepted, written
from mixedbayes.checks.report import Finding, p_said
from mixedbayes.checks.residual import Alone, Beside, Bins, Effects, Residuals
from mixedbayes.families.registry import FAMILIES
from mixedbayes.results.posterior import Posterior

SMALL_P = 0.025  # of a discrepancy, on either side
FEW_LEVELS = 5


def location(found: Residuals) -> Finding:
    """Does the mean residual depend on what the predictors say, or on the fitted value?"""
    beside, bins = found.location()
    table, p = _binned(beside, bins), beside.p()
    along, where = "the fitted value", "at fitted"
    if bins is found.by_predictors and found.design.mu.factors:
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
    wider = accepted(post, [post.family.wider]) if post.family.normal else []
    if tails > 1 - SMALL_P and wider:
        said += f" {written(wider)} gives outliers less weight."
    if min(skew, 1 - skew) < SMALL_P:
        skewed = accepted(post, post.family.skewed)
        if skew < 0.5:  # those of positive responses have a long right tail
            skewed = [name for name in skewed if not FAMILIES[name].positive]
        if skewed:
            said += f" {written(skewed)} has one longer tail."
    return Finding(title, said, True, table)


def normality(found: Effects) -> Finding:
    """Are the effects of one term a normal sample?"""
    beside, (level, extreme) = found.quantiles(), found.extreme()
    table, p, tail = beside.table(), beside.p(), found.p_extreme()
    name = f"{found.group.name}: {found.term}"
    look = p < SMALL_P or tail < SMALL_P
    group = found.group
    law = "a normal" if group.law.normal else f"a {group.law.name}"
    what = f"effects, freed of {group.related_to.name}," if group.related_to else "effects"
    said = (
        f"The {what} are {'not like' if look else 'like'} {law} sample ({_p(p, beside)}); "
        f"the largest is that of {level}, {extreme:+.1f} sd from the population"
    )
    said += f" ({_p(tail, beside)})." if tail < SMALL_P else "."
    if found.group.n_levels < FEW_LEVELS:
        said += f" With {found.group.n_levels} levels this shows little."
    return Finding(f"Effects of {name}", said, look, table)


# ---- counts ------------------------------------------------------------------------------------


SMALL_BOTH = 0.02  # of both sides together


def counts(found: Residuals, post: Posterior) -> Iterator[Finding]:
    """Zeros, dispersion and the largest value of counts; of other responses nothing.

    Of zeros nothing where truncation leaves none.
    """
    if post.design.limits is not None and post.design.limits.censoring is not None:
        if post.family.counting:
            yield dispersion(found, post)  # of censored counts neither zeros nor the largest show
    elif post.family.counting:
        lowest = None if post.design.limits is None else post.design.limits.lowest
        if lowest is None or np.any(lowest <= 0):
            yield zeros(found, post)
        yield from (dispersion(found, post), largest(found, post))
    elif found.design.trials is not None and np.any(found.design.trials != 1):
        yield from (zeros(found, post), dispersion(found, post))


def zeros(found: Residuals, post: Posterior) -> Finding:
    """Are there as many zeros as the model replicates?"""
    beside = Alone(float(np.mean(found.y == 0)), np.mean(found.simulated == 0, axis=1))
    low, high = beside.range()
    said = (
        f"{100 * beside.data:.3g} % of the counts are 0, of replicates {100 * low:.3g} to "
        f"{100 * high:.3g} % ({_p_of_both(beside)})"
    )
    if beside.p() >= SMALL_BOTH:
        return Finding("Zeros", f"{said}.", False, beside.table())
    if beside.larger:
        said += f": more than the {post.family.name} family has. {_with_zeros(post)}"
    else:
        said += f": fewer than the {post.family.name} family has. Can these counts be 0?"
        if own := accepted(post, [post.family.hurdle]):
            said += f" {written(own)} has any share of zeros."
    return Finding("Zeros", said, True, beside.table())


def dispersion(found: Residuals, post: Posterior) -> Finding:
    """Do the counts vary about their means as the family says?"""
    beside = Alone(np.mean(found.data**2, axis=1), np.mean(found.replicated**2, axis=1))
    low, high = beside.range()
    mean = float(np.mean(beside.data))
    said = (
        f"The mean squared Pearson residual is {mean:.3g}, of replicates {low:.3g} to {high:.3g} "
        f"({_p_of_both(beside)})"
    )
    return _dispersion(said, beside, post, _wider(post))


def dispersion_of_categories(beside: Alone, post: Posterior) -> Finding:
    """Do counts of categories vary about their means as multinomial ones do?"""
    low, high = beside.range()
    said = (
        f"Pearson's chi-squared of a row, over its degrees of freedom, is "
        f"{np.mean(beside.data):.3g} on average, of replicates {low:.3g} to {high:.3g} "
        f"({_p_of_both(beside)})"
    )
    return _dispersion(said, beside, post, "An effect of each row, (1 | row),")


def _dispersion(said: str, beside: Alone, post: Posterior, wider: str) -> Finding:
    """The finding about a statistic of the dispersion; `wider` allows more of it."""
    if beside.p() >= SMALL_BOTH:
        return Finding("Dispersion", f"{said}.", False, beside.table())
    family = f"than the {post.family.name} family says, and intervals are too"
    if beside.larger:
        said += f": the counts vary more about their means {family} narrow. {wider} allows it."
    else:
        said += f": the counts vary less about their means {family} wide."
    return Finding("Dispersion", said, True, beside.table())


def largest(found: Residuals, post: Posterior) -> Finding:
    """Is the largest count one that the model can expect?"""
    beside = Alone(float(np.max(found.y)), np.max(found.simulated, axis=1))
    low, high = beside.range()
    table, where = beside.table(), ""
    if post.design.repeats is None:
        row = found.design.index[int(np.argmax(found.y))]
        table, where = table.assign(row=[row]), f" (row {row})"
    said = (
        f"The largest count is {beside.data:,.0f}{where}, of replicates {low:,.0f} to "
        f"{high:,.0f} ({_p_of_both(beside)})"
    )
    if beside.p() >= SMALL_BOTH:
        return Finding("Largest count", f"{said}.", False, table)
    if beside.larger:
        said += f". Is it right? {_wider(post)} allows larger counts."
    else:
        said += f": the {post.family.name} family has larger counts than these. Is there a limit?"
    return Finding("Largest count", said, True, table)


def _p_of_both(beside: Alone) -> str:
    return p_said(beside.p(), 2 / len(beside.replicated), SMALL_BOTH)


def _with_zeros(post: Posterior) -> str:
    """What has more zeros: a process of their own, or a wider distribution of all counts."""
    family = post.family
    own = accepted(post, (family.inflated, family.hurdle))
    if not own:
        return f"{_wider(post)} allows more."
    return (
        f"Zeros that come about in a way of their own have {written(own)}, with a "
        f"formula for their share; {_lower_first(_wider(post))} allows more zeros as well."
    )


def _lower_first(text: str) -> str:
    return text if text.startswith("family") else text[0].lower() + text[1:]


def _wider(post: Posterior) -> str:
    """What makes a wider distribution of counts, to begin a sentence."""
    each_row = any(g.n_levels == post.design.n for g in post.design.mu.factors)
    own = post.family.dispersion
    choices = []
    if wider := accepted(post, [post.family.wider]):
        choices.append(written(wider))
    if not (each_row or own):
        choices.append("an effect of each row, (1 | row),")
    if own and own not in post.design.further:
        choices.append(f"a formula for {own}")
    text = " or ".join([*choices, "a further predictor"])
    return text if text.startswith("family") else text[0].upper() + text[1:]
