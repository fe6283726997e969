"""Counts beside those that the model replicates: their zeros, their dispersion, the largest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mixedbayes.checks.report import Finding, p_said
from mixedbayes.checks.residual import Alone, Residuals
from mixedbayes.results.posterior import Posterior

SMALL_P = 0.02  # of both sides together


def counts(found: Residuals, post: Posterior) -> Iterator[Finding]:
    """Zeros, dispersion and the largest value of counts; of other responses nothing."""
    if post.family.counting:
        yield from (zeros(found, post), dispersion(found, post), largest(found, post))
    elif found.design.trials is not None and np.any(found.design.trials != 1):
        yield from (zeros(found, post), dispersion(found, post))


def zeros(found: Residuals, post: Posterior) -> Finding:
    """Are there as many zeros as the model replicates?"""
    beside = Alone(float(np.mean(found.y == 0)), np.mean(found.simulated == 0, axis=1))
    low, high = beside.range()
    said = (
        f"{100 * beside.data:.3g} % of the counts are 0, of replicates {100 * low:.3g} to "
        f"{100 * high:.3g} % ({_p(beside)})"
    )
    if beside.p() >= SMALL_P:
        return Finding("Zeros", f"{said}.", False, beside.table())
    if beside.larger:
        said += (
            f": more than the {post.family.name} family has. {_wider(post)} allows more; zeros "
            "that come about in a way of their own are a model apart, of whether there is any."
        )
    else:
        said += f": fewer than the {post.family.name} family has. Can these counts be 0?"
    return Finding("Zeros", said, True, beside.table())


def dispersion(found: Residuals, post: Posterior) -> Finding:
    """Do the counts vary about their means as the family says?"""
    beside = Alone(np.mean(found.data**2, axis=1), np.mean(found.replicated**2, axis=1))
    low, high = beside.range()
    mean = float(np.mean(beside.data))
    said = (
        f"The mean squared Pearson residual is {mean:.3g}, of replicates {low:.3g} to {high:.3g} "
        f"({_p(beside)})"
    )
    if beside.p() >= SMALL_P:
        return Finding("Dispersion", f"{said}.", False, beside.table())
    if beside.larger:
        said += (
            f": the counts vary more about their means than the {post.family.name} family says, "
            f"and intervals are too narrow. {_wider(post)} allows it."
        )
    else:
        said += (
            f": the counts vary less about their means than the {post.family.name} family says, "
            "and intervals are too wide."
        )
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
        f"{high:,.0f} ({_p(beside)})"
    )
    if beside.p() >= SMALL_P:
        return Finding("Largest count", f"{said}.", False, table)
    if beside.larger:
        said += f". Is it right? {_wider(post)} allows larger counts."
    else:
        said += f": the {post.family.name} family has larger counts than these. Is there a limit?"
    return Finding("Largest count", said, True, table)


def _p(beside: Alone) -> str:
    return p_said(beside.p(), 2 / len(beside.replicated), SMALL_P)


def _wider(post: Posterior) -> str:
    """What makes a wider distribution of counts, to begin a sentence."""
    each_row = any(g.n_levels == post.design.n for g in post.design.mu.groups)
    own = post.family.dispersion
    choices = []
    if post.family.wider is not None:
        choices.append(f'family="{post.family.wider}"')
    if not (each_row or own):
        choices.append("an effect of each row, (1 | row),")
    if own and own not in post.design.further:
        choices.append(f"a formula for {own}")
    text = " or ".join([*choices, "a further predictor"])
    return text if text.startswith("family") else text[0].upper() + text[1:]
