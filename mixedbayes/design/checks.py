"""What is wrong with a design, as errors, and what its user should know, as notes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from mixedbayes.design import counted
from mixedbayes.design.encode import Encoding
from mixedbayes.design.types import Design, Floats, GroupDesign, LinearPredictor, across
from mixedbayes.design.used import used_columns
from mixedbayes.errors import DataError, FormulaError
from mixedbayes.formula import Formula, parse_terms
from mixedbayes.formula.nodes import column, unparse
from mixedbayes.formula.types import RandomTerm
from mixedbayes.names import INTERCEPT, identifier
from mixedbayes.terms.unstructured import UNSTRUCTURED

type Ranges = Mapping[str, tuple[float, float]]

_FEW_LEVELS = 5
_FAR_FROM_ZERO = 3.0  # |mean| / sd of a predictor


def check_effects(design: Design) -> None:
    """Fewer effects than rows in every bar, as lme4 asks of a Gaussian response.

    With as many effects as rows the residual cannot be told from the effects. For counts and the
    like one effect in each row is legitimate, so that the caller decides whether to ask. So it is
    where correlations that have a structure tell the effects from the residual.

    Raises
    ------
    DataError
        Naming the bar, both counts and a remedy.
    """
    for group in design.mu.groups:
        for block in () if group.joins else group.blocks:
            there = group.there
            levels = group.n_levels if there is None else int(there[:, block[0]].sum())
            effects = levels * len(block)
            if effects < design.used or (len(block) > 1 and group.covariance.apart):
                continue
            names = [group.terms[k] for k in block]
            bar = f"({' + '.join('1' if t == INTERCEPT else t for t in names)} | {group.name})"
            if len(names) > 1 and group.n_levels < design.used:
                remedy = f"use (1 | {group.name}) or more rows"
            else:
                remedy = (
                    "with an effect in each row it cannot be told from the residual; "
                    "leave this bar out, or use a factor with several rows in each level"
                )
            raise DataError(
                f"{_written(design, group, bar)}: {effects} effects for {design.used} rows; "
                f"{remedy}"
            )


def _written(design: Design, group: GroupDesign, bar: str) -> str:
    """The bar as the user wrote it where that is plain, otherwise spelled out."""
    own = [term.text for term in design.formula.random if term.group == group.name]
    return own[0] if len(own) == 1 and "||" not in own[0] and "/" not in own[0] else bar


def check_count(n: int, coefficients: int, where: str) -> None:
    """No more coefficients than rows in a part of the model; asked before the columns are made."""
    if coefficients > n:
        remedy = (
            "leave terms out"
            if where.startswith("(")
            else ("leave terms out, or let a factor of many levels vary over groups: (1 | g)")
        )
        raise DataError(f"{where}: {coefficients:,} coefficients for {n:,} rows; {remedy}")


def check_names(bars: Iterable[RandomTerm]) -> None:
    """No two grouping factors share the name, or its form in names of variables and dimensions."""
    seen: dict[str, RandomTerm] = {}
    for bar in bars:
        name = identifier(bar.group)
        other = seen.setdefault(name, bar)
        if (other.group, other.factors) != (bar.group, bar.factors):
            raise DataError(
                f"grouping factors {_of_columns(other)} and {_of_columns(bar)} would both be "
                f"called {name!r} in the results; rename a column"
            )


def _of_columns(bar: RandomTerm) -> str:
    odd = any(":" in f for f in bar.factors)
    of = "" if not odd else f" (of {' and '.join(map(column, bar.factors))})"
    return f"{bar.group!r}{of}"


def check_response(formula: Formula) -> None:
    """The response is not among its own predictors.

    A response of several columns may have one of them there, as I(after - before) ~ before has.

    Raises
    ------
    FormulaError
        Naming the response.
    """
    used = used_columns(formula)
    text = formula.response.text
    right = {
        *used.fixed,
        *used.groups,
        *used.others,
        *(n for ns in used.effects.values() for n in ns),
    }
    written = {unparse(f) for t in parse_terms(formula.fixed).terms for f in t.factors}
    if text in written or (len(used.response) == 1 and used.response[0] in right):
        raise FormulaError(
            f"the response {text} is among its own predictors; leave "
            f"{' and '.join(used.response)} out of the right side"
        )


def check_levels(group: GroupDesign, n: int) -> None:
    """More than one level, unless the effects of one vary over times."""
    if group.n_levels == 1 and not _follows(group):
        raise DataError(
            f"grouping factor {group.name} has the single level {group.levels.tolist()[0]!r} in "
            f"{n} rows: nothing can vary over it; leave its bar out"
        )


def _follows(group: GroupDesign) -> bool:
    """Whether all effects of a level are of times that follow each other, and vary over these."""
    return group.covariance.chain and group.covariance.one_sd and len(group.blocks) == 1


def check_across(predictors: Iterable[LinearPredictor]) -> None:
    """Effects that an id correlates across formulas, and those beside them, are of one kind.

    Raises
    ------
    DataError
        Naming the bars of another structure or law.
    """
    for a in across(predictors):
        odd = [(p, g) for p, g in a.members if g.correlated and g.covariance != UNSTRUCTURED]
        if odd:
            p, g = odd[0]
            raise DataError(
                f"effects over {g.name} are correlated across formulas by an id, and those on {p} "
                f"have the covariance {g.covariance.name}(... | {g.name}): effects over one factor "
                f"have one kind of covariance; write (... | {g.name}) there"
            )
        strange = [(p, g) for p, g in a.members if not g.law.normal]
        if strange:
            p, g = strange[0]
            raise DataError(
                f"effects over {g.name} are correlated across formulas by an id, which makes them "
                f"normal, and those on {p} are {g.law.name}; leave out the law, or the id"
            )
        if entangled := next((g.entangled for _, g in a.members if g.entangled), ""):
            raise DataError(
                f"effects over {a.name} are correlated across formulas by an id, and {entangled}: "
                "across the parameters of one response these are plain, (x | id | g); leave the id "
                "out"
            )


def id_notes(formula: Formula) -> tuple[str, ...]:
    """Ids that stand in one formula alone."""
    where: dict[tuple[str, str], set[str]] = {}
    for f in (replace(formula, others=()), *formula.others):
        for bar in f.random:
            if bar.id:
                where.setdefault((bar.id, bar.group), set()).add(f.text)
    return tuple(
        f"the id {name} of effects over {group} stands in one formula alone: it correlates them "
        "with no others"
        for (name, group), texts in where.items()
        if len(texts) == 1
    )


def dropped_note(dropped: dict[str, int], kept: int, n: int) -> tuple[str, ...]:
    """How many rows were left out for a missing value, and where the values are missing."""
    if not dropped:
        return ()
    places = ", ".join(f"{name} in {count}" for name, count in dropped.items())
    return (f"{n - kept} of {n} rows left out: missing {places}",)


def response_note(y: Floats, name: str) -> tuple[str, ...]:
    """Whether the response never changes."""
    return (f"{name} is {y[0]:g} in every row",) if len(y) > 1 and np.ptp(y) == 0 else ()


def group_notes(
    group: GroupDesign, encodings: tuple[Encoding, ...], n: int, ranges: Ranges
) -> tuple[str, ...]:
    """Few levels, levels with one row, odd grouping columns, slopes far from their zero.

    `ranges` are smallest and largest values by name, where rows stand for others.
    """
    counts = group.rows_per_level
    single, notes = int((counts == 1).sum()), []
    if group.n_levels < _FEW_LEVELS and not _follows(group):
        notes.append(
            f"{group.name} has {group.n_levels} levels; under {_FEW_LEVELS} its standard deviation "
            "rests mostly on the prior"
        )
    if 0 < single < group.n_levels:
        notes.append(f"{single} of {group.n_levels} levels of {group.name} have one row")
    if single == group.n_levels == n:
        notes.append(f"{group.name} has a level in each of the {n} rows")
    if _is_measurement(group, n):
        notes.append(
            f"{group.name} holds {group.n_levels} different fractional numbers in {n} rows; "
            "is it a measurement rather than a grouping factor?"
        )
    return (*notes, *_far_from_zero(group, encodings, ranges), *_constant_within(group, single))


def _is_measurement(group: GroupDesign, n: int) -> bool:
    if len(group.factors) > 1 or group.levels.dtype.kind != "f" or group.n_levels < n:
        return False
    return bool((group.levels % 1 != 0).any())


def _far_from_zero(
    group: GroupDesign, encodings: tuple[Encoding, ...], ranges: Ranges
) -> list[str]:
    """Slopes whose predictor lies far from zero, next to a varying intercept."""
    if INTERCEPT not in group.terms:
        return []
    numeric = {
        name for e in encodings for block in e.blocks if block.numeric for name in block.names
    }
    notes = []
    for j, name in enumerate(group.terms):
        if name not in numeric:
            continue
        z = group.Z[:, j]
        mean, sd = counted.mean(z, group.counts), counted.sd(z, group.counts)
        low, high = ranges.get(name, (z.min(), z.max()))
        if abs(mean) > _FAR_FROM_ZERO * sd > 0 and (low > 0 or high < 0):
            notes.append(
                f"{name} lies far from zero ({low:g} to {high:g}): the sd of {group.name}'s "
                f"Intercept is the spread at {name} = 0, far outside the data; "
                f"center({name}) puts it at the mean"
            )
    return notes


def _constant_within(group: GroupDesign, single: int) -> list[str]:
    """Slopes of predictors that belong to the level, next to a varying intercept."""
    if INTERCEPT not in group.terms or single == group.n_levels or group.entangled:
        return []
    refs, Z = group.refs, group.Z
    if group.counts is not None and group.active is not None:
        refs, Z = refs[group.counts > 0], Z[group.counts > 0]
    first = np.empty(group.n_levels, dtype=np.int64)
    first[refs[::-1]] = np.arange(len(refs))[::-1]
    rows = first[refs]  # (n,) the first row of each row's level
    constant = [
        name
        for j, name in enumerate(group.terms)
        if name != INTERCEPT and np.array_equal(Z[rows, j], Z[:, j])
    ]
    return [
        f"{', '.join(constant)} never changes within a level of {group.name}: what varies with it "
        "can hardly be told from the varying Intercept"
    ] * bool(constant)
