"""What a table says of one model: its quantities with their places, before anything is rounded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mixedbayes import names
from mixedbayes.checks.loo import of_rows
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.publish.digits import Asked, Numbers, numbers
from mixedbayes.results.icc import ALL, icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import r2
from mixedbayes.results.ratios import Ratio, level_terms, ratio_of
from mixedbayes.results.several import each
from mixedbayes.results.tables import chained
from mixedbayes.results.tails import without_mean
from mixedbayes.results.varcorr import RESIDUAL, component_list
from mixedbayes.results.variance import infinite_note, limits_of_shares

FIT_STATISTICS = ("rows", "levels", "icc", "r2", "elpd")
COVARIANCES = ("sd", "cor", "range", "rho", "theta")  # kinds of a covariance, of effects or rows
MOST_CELLS = 10_000_000  # rows x draws up to which elpd is computed without being asked for

POPULATION, FURTHER, THRESHOLDS = "population", "further", "thresholds"
GROUPS, SMOOTHS, FAMILY, DATA = "groups", "smooths", "family", "data"


@dataclass(frozen=True)
class Key:
    """The row of a quantity, the same in every model that has it."""

    section: str
    kind: (
        str  # "effect", one of COVARIANCES, "parameter", "rows", "responses", "levels", "icc", ...
    )
    heading: str = ""  # the parameter, or the grouping factor
    terms: tuple[str, ...] = ()
    parameter: str = "mu"  # of shares of variance the response, where there are several


@dataclass(frozen=True)
class Entry:
    """A quantity of one model: numbers with an interval, a count, or a score with its error."""

    key: Key
    numbers: Numbers | None = None
    count: int | None = None
    score: tuple[float, float] | None = None


@dataclass(frozen=True)
class Column:
    """One model in a table.

    Attributes
    ----------
    name
        Above its column.
    post
        The posterior.
    entries
        In the order of the rows.
    ratio
        What exp() of the population effects is, where they are given so.
    levels
        Terms whose exp() is a level, not a ratio.
    left_out
        (statistic, reason) of what was asked for and is not there.
    cautions
        What the reader of the numbers has to know.
    """

    name: str
    post: Posterior
    entries: tuple[Entry, ...]
    ratio: Ratio | None
    levels: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]


def column(
    name: str,
    post: Posterior,
    asked: Asked,
    *,
    ratios: bool,
    statistics: Collection[str],
    named: bool,
    progress: bool,
) -> Column:
    """A model's column.

    Parameters
    ----------
    name, post, asked
        The model, its posterior, and which numbers are shown.
    ratios
        Whether the mean's population effects are exponentiated.
    statistics
        Which of `FIT_STATISTICS` it has.
    named
        Whether the user named them: then what takes long is computed all the same.
    progress
        Whether scores that take long show a bar.
    """
    left_out: list[tuple[str, str]] = []
    cautions: list[str] = []
    entries = [*_population(post, asked, ratios), *_parameters(post, asked, THRESHOLDS)]
    entries += [
        *_groups(post, asked),
        *_smooths(post, asked),
        *_parameters(post, asked, FAMILY),
        *_counts(post, statistics),
    ]
    every = {"": post} if post.design.several is None else each(post)
    for response, own in every.items():
        if "icc" in statistics and own.design.mu.factors:
            entries += _of(response, _or_reason("icc", left_out, partial(_icc, own, asked)))
        if "r2" in statistics:
            entries += _of(response, _or_reason("r2", left_out, partial(_r2, own, asked)))
    heavy = without_mean(post)
    cautions += [f"{name} has no posterior mean, and its median is given" for name in heavy]
    if {"icc", "r2"} & set(statistics) and any(e.key.kind in ("icc", "r2") for e in entries):
        for own in every.values():
            cautions += filter(None, [infinite_note(own), limits_of_shares(own)])
    if "elpd" in statistics:
        entries += _or_reason("elpd", left_out, lambda: [_elpd(post, named, progress, cautions)])
    mu = post.design.mu
    known = level_terms(mu) if ratios else set()
    return Column(
        name,
        post,
        tuple(entries),
        ratio_of(post.family, post.design) if ratios else None,
        tuple(t for t in (names.INTERCEPT, *mu.terms) if t in known),
        tuple(left_out),
        tuple(cautions),
    )


def _or_reason(
    what: str, left_out: list[tuple[str, str]], make: Callable[[], Iterable[Entry]]
) -> list[Entry]:
    try:
        return list(make())
    except ModelError as e:
        left_out.append((what, str(e)))
        return []


def _entries(
    keys: list[Key], draws: Floats, post: Posterior, asked: Asked, *, ratio: bool = False
) -> Iterator[Entry]:
    """Entries of quantities with draws (S, K)."""
    found = numbers(chained(draws, post.shape[0]), asked, ratio=ratio)
    return (Entry(key, n) for key, n in zip(keys, found, strict=True))


def _population(post: Posterior, asked: Asked, ratios: bool) -> Iterator[Entry]:
    for predictor in post.predictors:
        p = predictor.parameter
        own = names.owner(p)
        section = POPULATION if own == "mu" else FURTHER
        heading = "" if own == "mu" else p
        terms = [names.INTERCEPT] * predictor.intercept + list(predictor.effects)
        draws = post.population_effects(p)
        if predictor.intercept:
            draws = np.column_stack([post.intercept(p), draws])
        keys = [
            Key(section, "effect", heading, (t if own == p else names.label(p, t),), own)
            for t in terms
        ]
        yield from _entries(keys, draws, post, asked, ratio=ratios and own == "mu")


def _parameters(post: Posterior, asked: Asked, section: str) -> Iterator[Entry]:
    ordered = post.family.thresholds
    for name, values in post.parameters().items():
        if (name == ordered) != (section == THRESHOLDS):
            continue
        labels = post.family.labels(name, post.design)
        terms = [(name,)] if labels is None else [(name, label) for label in labels]
        keys = [Key(section, "parameter", "", t) for t in terms]
        own = replace(asked, moments=False) if name in without_mean(post) else asked
        yield from _entries(keys, values.reshape(post.n_draws, -1), post, own)


def _groups(post: Posterior, asked: Asked) -> Iterator[Entry]:
    found = [c for c in component_list(post) if c.group != RESIDUAL or c.term is not None]
    if not found:
        return
    keys = []
    for c in found:
        if c.group == RESIDUAL:
            keys.append(Key(GROUPS, c.kind, RESIDUAL, tuple(t for t in (c.term, c.term2) if t)))
            continue
        prefix = names.prefix(c.parameter)
        terms = (t.removeprefix(prefix) for t in (c.term, c.term2) if t is not None)
        of = "mu" if c.across else names.owner(c.parameter)  # the terms say it
        keys.append(Key(GROUPS, c.kind, c.group, tuple(terms), of))
    yield from _entries(keys, np.stack([c.value for c in found], axis=1), post, asked)


def _smooths(post: Posterior, asked: Asked) -> Iterator[Entry]:
    found = [(p.parameter, g.name) for p in post.predictors for g in p.smooths]
    if found:
        keys = [Key(SMOOTHS, "sd", "", (names.label(p, name),)) for p, name in found]
        draws = np.concatenate([post.sd(name, p) for p, name in found], axis=1)
        yield from _entries(keys, draws, post, asked)


def _counts(post: Posterior, statistics: Collection[str]) -> Iterator[Entry]:
    design = post.design
    if "rows" in statistics:
        every = design.several
        yield Entry(Key(DATA, "rows"), count=design.used if every is None else every.m)
        if every is not None:
            yield Entry(Key(DATA, "responses"), count=design.n)
        if design.trials is not None:
            yield Entry(Key(DATA, "trials"), count=design.every_trial)
    if "levels" in statistics:
        groups = {g.name: g.n_levels for p in post.predictors for g in p.factors}
        for name, levels in groups.items():
            yield Entry(Key(DATA, "levels", name), count=levels)


def _of(response: str, entries: list[Entry]) -> list[Entry]:
    """Shares of the variance of one of several responses."""
    if not response:
        return entries
    return [replace(e, key=replace(e.key, parameter=response)) for e in entries]


def _icc(post: Posterior, asked: Asked) -> Iterator[Entry]:
    draws = icc(post, draws=True)["adjusted"].transpose(names.CHAIN, names.DRAW, "group")
    groups = [str(g) for g in draws["group"].to_numpy()]
    found = numbers(draws.to_numpy(), asked)
    for group, n in zip(groups, found, strict=True):
        several = len(groups) > 1 and group == groups[-1]
        yield Entry(Key(DATA, "icc", ALL, ("all",)) if several else Key(DATA, "icc", group), n)
    if len(groups) == 1:  # beside models with several factors it is that of all as well
        yield Entry(Key(DATA, "icc", ALL, ("all",)), found[0])


def _r2(post: Posterior, asked: Asked) -> Iterator[Entry]:
    found = r2(post, draws=True)
    for kind in ("marginal", "conditional") if post.design.mu.factors else ("marginal",):
        draws = found[kind].transpose(names.CHAIN, names.DRAW).to_numpy()[:, :, None]
        yield Entry(Key(DATA, "r2", kind), numbers(draws, asked)[0])


def _elpd(post: Posterior, named: bool, progress: bool, cautions: list[str]) -> Entry:
    cells = post.design.n * post.n_draws
    if cells > MOST_CELLS and not named:
        raise ModelError(
            f"{post.design.n:,} rows x {post.n_draws:,} draws take a while; "
            'fit_statistics= with "elpd" in it computes it'
        )
    post.design.need_rows("the log likelihood of rows")
    found = of_rows(post, progress=progress)
    if len(found.high):
        cautions.append(
            f"elpd is not reliable for {len(found.high):,} of {found.n_data_points:,} "
            f"{found.held_out.whats} (Pareto k above {found.good_k:.2f})."
        )
    return Entry(Key(DATA, "elpd"), score=(float(found.elpd), float(found.se)))
