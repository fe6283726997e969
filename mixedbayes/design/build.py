"""Formula and data frame to Design: composed from the stages beside this module."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from mixedbayes.design import checks, membership, observed, response, several, unobserved
from mixedbayes.design.axis import axis_notes, bar_plan
from mixedbayes.design.complete import complete_rows
from mixedbayes.design.encode import Encoding, margins, matrix, plan
from mixedbayes.design.encoded import EncodedTerm
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.functions import registry
from mixedbayes.design.independent import independent, independent_effects
from mixedbayes.design.kinds import Coded, coded
from mixedbayes.design.known import notes, relations
from mixedbayes.design.level_curves import fit_levels
from mixedbayes.design.locate import unknown_column, unknown_function
from mixedbayes.design.memory import Coding, Memory, coding_notes
from mixedbayes.design.monotonic import monotonic
from mixedbayes.design.monotonic import refuse as refuse_monotonic
from mixedbayes.design.residual import EncodedResidual, fit_residual, with_sds
from mixedbayes.design.roles import Roles
from mixedbayes.design.smooths import Fitted as FittedSmooth
from mixedbayes.design.smooths import check_names, fit_smooth, level_notes
from mixedbayes.design.stands import learned, weighing
from mixedbayes.design.table import Table, table
from mixedbayes.design.types import Design, Floats, GroupDesign, LinearPredictor
from mixedbayes.design.used import used_columns, used_functions
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula, parse_all, parse_expression, parse_terms
from mixedbayes.formula import smooths as written
from mixedbayes.formula.counts import COUNTS
from mixedbayes.formula.nodes import unparse
from mixedbayes.formula.specific import apart
from mixedbayes.formula.types import RandomTerm
from mixedbayes.formula.words import SPECIFIC, our_way
from mixedbayes.names import INTERCEPT, MU, sd
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.law import Law
from mixedbayes.terms.registry import COVARIANCES, LAWS
from mixedbayes.terms.relation import Relation


@dataclass(frozen=True, eq=False)
class Fitted:
    """The encodings of a design, by which new data are seen; for `replay` alone."""

    memory: Memory
    fixed: Encoding
    terms: Mapping[str, EncodedTerm]  # by name
    smooths: tuple[FittedSmooth, ...] = ()
    others: Mapping[str, "Fitted"] = field(default_factory=dict)  # of further parameters
    residual: EncodedResidual | None = None


def build_design(
    formula: Formula | str | Sequence[str],
    data: Any,
    *,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    missing: Literal["drop", "error"] = "drop",
    known: Mapping[str, Any] | None = None,
    expand: Callable[[Formula, response.Response], Formula] | None = None,
    roles: Roles | None = None,
) -> Design:
    """Turn a formula and a data frame into arrays, and check them.

    Categorical columns (text, categories) enter with treatment contrasts, the first level as
    reference; numbers and True/False as they are. All bars on one grouping factor make one
    GroupDesign. A column that is a combination of columns before it, such as that of an
    interaction's empty cell, is left out, and `notes` say so. With `||` the effects are the same
    as with `|`, and none are correlated.

    Parameters
    ----------
    formula
        As text or parsed; or a list, the response's formula first and then those of further
        parameters of the family, with the parameter's name as their left side.
    data
        A pandas, polars or pyarrow frame, whatever offers Arrow's C stream, or a `Table` of one;
        it is never changed. A name is a column where the data have it, also in new data later.
    functions
        Functions, and constants, that the formula may use by name besides the registered ones.
        They get columns as arrays (n,) that are not writeable, and give each row a value that does
        not depend on which other rows there are; or one number, which is kept for new data.
    missing
        "drop" leaves out rows with a missing value in a used column, and says how many in
        `dropped` and `notes`; "error" refuses them.
    known
        Known covariances, or precisions, of levels, by the names that bars have, `cov=A`; see
        `mixedbayes.design.known.relation`.
    expand
        Makes the formulas of all predictors of the ones written, once the response is known; see
        `Family.expanded`.
    roles
        Of the families of several responses that are not all normal, by response.

    Raises
    ------
    FormulaError
        If the formula's text is not understood, or calls an unknown function.
    DataError
        If the data do not fit it: unknown columns, no rows, values that are not finite,
        a grouping factor with one level, and more.
    """
    formula = formula if isinstance(formula, Formula) else parse_all(formula)
    formulas = several.alone(formula, roles)
    for f in formulas or (formula,):
        checks.check_response(f)
    callables = registry(functions)
    whole = _table(formula, data, callables)
    complete = membership.filled(formula, observed.filled(formula, whole))
    memory = Memory(
        callables, formula.text, frozenset(whole.columns), frozenset(functions or ()),
        relations=relations(known, formula),
    )  # fmt: skip
    standing = whole.standing
    if standing is not None:
        kept, dropped, alone = np.arange(whole.n), dict(standing.dropped), None
    else:
        kept, dropped, alone = complete_rows(complete, missing, formula, formulas)
    used = complete if len(kept) == whole.n else complete.take(kept)
    rows = Rows(used, memory, fitting=True)
    if standing is not None:
        learned(standing, rows)
    if formulas:
        if roles is not None:
            formulas = tuple(_apart(f, functions or {}) for f in formulas)
            formulas = several.expanded(formulas, rows, roles)
        made = [_parameters(f, rows) for f in formulas]
        return several.stacked(formula, formulas, made, rows, kept, dropped, whole, roles)
    left = response.response(formula, rows)
    y, levels = left.y, left.levels
    trials = response.trials(formula, rows)
    if trials is not None:
        response.check_trials(left, trials, formula, rows)
    if expand is not None:
        formula = expand(_apart(formula, functions or {}), left)
    residual = None if formula.residual is None else fit_residual(formula.residual, rows)
    formula = formula if residual is None else with_sds(formula, residual)
    predictors, fitted, said = _parameters(formula, rows)
    fitted = replace(fitted, residual=residual)
    name = response.label(formula)
    return Design(
        formula=formula,
        response=name,
        y=y,
        predictors=predictors,
        weights=response.weights(formula, rows) if standing is None else weighing(formula, rows),
        trials=trials,
        response_levels=levels,
        response_ordered=left.ordered,
        index=used.index,
        rows=kept,
        dropped=dropped,
        notes=(
            *checks.dropped_note(
                dropped,
                used.n + unobserved.count(alone) if standing is None else standing.used,
                whole.n if standing is None else standing.total,
            ),
            *unobserved.note(used.n, alone, name),
            *(() if left.columns else checks.response_note(y, name)),
            *coding_notes(formula, memory.coding),
            *said,
            *checks.id_notes(formula),
            *([residual.note] if residual is not None and residual.note else []),
        ),
        columns=fitted,
        data=whole.frame(),
        library=whole.library,
        limits=observed.limits(formula, rows, y),
        residual=None if residual is None else residual.residual,
        unobserved=None if alone is None else np.flatnonzero(alone),
        standing=standing,
    )


def coding_of(design: Design) -> Coding:
    """What the predictors' columns hold; nothing is known of a design made by hand."""
    return design.columns.memory.coding if isinstance(design.columns, Fitted) else Coding()


def smooths_of(design: Design, parameter: str = "mu") -> tuple[FittedSmooth, ...]:
    """The smooths of a parameter's formula; none are known of a design made by hand."""
    if not isinstance(design.columns, Fitted):
        return ()
    if design.several is not None:  # none with several responses
        return ()
    of_mean = parameter in (MU, design.formula.parameter)
    return (design.columns if of_mean else design.columns.others[parameter]).smooths


def known_of(design: Design) -> Mapping[str, Relation]:
    """The known relations of levels that the formula names."""
    return design.columns.memory.relations if isinstance(design.columns, Fitted) else {}


def own_names(design: Design) -> tuple[str, ...]:
    """Functions and constants of the formulas that the caller passed."""
    if not isinstance(design.columns, Fitted):
        return ()
    memory, used = design.columns.memory, used_columns(design.formula).columns
    constants = (name for name in used if name not in memory.columns)
    named = dict.fromkeys((*used_functions(design.formula), *constants))
    return tuple(name for name in named if name in memory.own)


def own_functions(design: Design) -> tuple[str, ...]:
    """Functions of the formula that the caller passed."""
    called = used_functions(design.formula)
    return tuple(name for name in own_names(design) if name in called)


def levels_of(design: Design) -> Mapping[str, pd.Index]:
    """Levels of the factors among the predictors, by the factor's text; see `coding_of`."""
    return design.columns.memory.levels if isinstance(design.columns, Fitted) else {}


def _parameters(
    formula: Formula, rows: Rows
) -> tuple[tuple[LinearPredictor, ...], Fitted, tuple[str, ...]]:
    """The predictors of all parameters, their encodings, and what their user should know."""
    mu, fitted = _predictor(formula.parameter, formula, rows)
    others: list[tuple[LinearPredictor, Fitted]] = []
    for f in formula.others:
        others.append(_further(f, rows, formula, [(mu, fitted), *others]))
    checks.check_across([mu, *(p for p, _ in others)])
    pairs = ((mu, fitted), *others)
    said = tuple(dict.fromkeys(note for p, own in pairs for note in _notes(p, own, rows.table)))
    own = {p.parameter: encoding for p, encoding in others}
    return (mu, *(p for p, _ in others)), replace(fitted, others=own), said


def _predictor(parameter: str, formula: Formula, rows: Rows) -> tuple[LinearPredictor, Fitted]:
    """The right side of one formula."""
    where = "population part" if parameter == "mu" else f"population part of {parameter}"
    fixed, X, smooths = _fixed(formula, rows, where)
    terms, groups = _groups(formula, rows)
    bent = [pair for smooth in smooths for pair in smooth.terms(rows)]
    terms |= {term.name: encoded for term, encoded in bent}
    first = int(fixed.intercept)
    inside = tuple(tuple(k - first for k in own if k >= first) for own in margins(fixed)[first:])
    predictor = LinearPredictor(
        parameter=parameter,
        intercept=fixed.intercept,
        terms=fixed.names,
        X=X,
        groups=cast("tuple[GroupDesign, ...]", (*groups, *(term for term, _ in bent))),
        offset=offset(formula, rows),
        left_out=_left_out(fixed),
        margins=inside,
        monotonic=monotonic(fixed, rows, where),
    )
    return predictor, Fitted(rows.memory, fixed, terms, tuple(smooths))


def _apart(formula: Formula, functions: Mapping[str, Any]) -> Formula:
    """The formula with its category-specific effects by themselves; see `Formula.specific`."""
    if SPECIFIC in functions:  # the caller's own
        return formula
    rest, specific = apart(formula)
    return rest if specific is None else replace(rest, specific=specific, source=formula)


def _further(
    f: Formula, rows: Rows, first: Formula, made: Sequence[tuple[LinearPredictor, Fitted]]
) -> tuple[LinearPredictor, Fitted]:
    """The predictor of a further parameter; one with the same right side shares its columns."""
    name, right = f.of, (f.fixed, f.offsets, f.random)
    for other, (predictor, fitted) in zip((first, *first.others), made, strict=False):
        if (other.fixed, other.offsets, other.random) == right:
            return replace(predictor, parameter=name), fitted
    return _predictor(name, f, rows)


def _left_out(*encodings: Encoding) -> tuple[str, ...]:
    return tuple(name for e in encodings for name in e.every if name in e.left_out)


def _notes(predictor: LinearPredictor, fitted: Fitted, of: Table) -> list[str]:
    """What is left out of each part, and what its user should know of each grouping factor."""
    encodings = [fitted.fixed, *(e for term in fitted.terms.values() for e in term.bars)]
    left_out = [e.note for e in encodings if e.note]
    ranges = {} if of.standing is None else of.standing.ranges
    groups = [
        checks.group_notes(g, fitted.terms[g.name].bars, of.used, ranges) for g in predictor.factors
    ]
    related = [
        notes(g.relation, g.name, sd(g.name, predictor.parameter))
        for g in predictor.factors
        if g.relation is not None
    ]
    curves = level_notes(
        fitted.smooths, {unparse(f) for block in fitted.fixed.blocks for f, _ in block.parts}
    )
    axes = (note for g in predictor.groups for note in axis_notes(g))
    return [*left_out, *(note for own in (*groups, *related) for note in own), *axes, *curves]


def offset(formula: Formula, rows: Rows) -> Floats | None:
    """Sum of the offsets, on the link scale: (n,)."""
    if not formula.offsets:
        return None
    return np.sum([rows.array(parse_expression(text)) for text in formula.offsets], axis=0)


def _naming(name: str, formula: Formula) -> str:
    """Text of the first formula that reads a column."""
    every = (replace(formula, others=()), *formula.others)
    return next((f.text for f in every if name in used_columns(f).columns), formula.text)


def _check_words(formula: Formula, functions: Mapping[str, Any]) -> None:
    """FormulaError for a function of another package, whose arguments may be no columns here."""
    for called in used_functions(formula):
        if called in functions or called in (SPECIFIC, *COUNTS) or our_way(called) is None:
            continue
        every = (replace(formula, others=()), *formula.others)
        text = next(f.text for f in every if called in used_functions(f))
        unknown_function(called, functions, text)


def _table(formula: Formula, data: Any, functions: Mapping[str, Any]) -> Table:
    """The used columns, all of them there, with at least one row."""
    used = used_columns(formula)
    whole = table(data, used.columns)
    for name in used.columns:
        if name not in whole.columns and (name in used.groups or name not in functions):
            _check_words(formula, functions)
            unknown_column(name, whole.names, _naming(name, formula))
    if whole.n == 0:
        raise DataError(
            f"the data have no rows ({len(whole.names)} columns); look at the filter that made them"
        )
    return whole


def _fixed(formula: Formula, rows: Rows, where: str) -> tuple[Encoding, Floats, list[FittedSmooth]]:
    """The population part: X (n, p) without the column of ones; and its smooths.

    What does not bend in a smooth is a column of X, after all others.
    """
    own = rows.memory.own
    terms, said = written.apart(parse_terms(formula.fixed), formula.fixed, own)
    for bar in formula.random:
        written.refuse_inside(parse_terms(bar.effects), bar.text, own)
    smooths: list[FittedSmooth] = [
        fit_smooth(s, rows) if s.level is None else fit_levels(s, rows) for s in said
    ]
    check_names(smooths, rows)
    for s in smooths:
        s.place(rows)
    straight = (term for s in smooths for term in s.columns)
    encoding = plan(replace(terms, terms=(*terms.terms, *straight)), rows, where)
    checks.check_count(rows.table.used, len(encoding.names) + encoding.intercept, where)
    X = matrix(encoding, rows, intercept=False)
    return *independent(encoding, X, where), smooths


def _groups(formula: Formula, rows: Rows) -> tuple[dict[str, EncodedTerm], list[GroupDesign]]:
    """One GroupDesign for each grouping factor, its bars in the order written."""
    by_group: dict[str, list[RandomTerm]] = {}
    for bar in formula.random:
        by_group.setdefault(bar.group, []).append(bar)
    checks.check_names(formula.random)
    inside = used_columns(formula).effects
    encoded: dict[str, EncodedTerm] = {}
    groups = []
    for name, bars in by_group.items():
        planned = [bar_plan(bar, rows) for bar in bars]
        for bar, (encoding, _) in zip(bars, planned, strict=True):
            effects = len(encoding.names) + encoding.intercept
            checks.check_count(rows.table.used, effects, bar.text)
            refuse_monotonic(encoding, rows, bar.text)
        covariances = [covariance for _, covariance in planned]
        encodings, Z = _effects(bars, [encoding for encoding, _ in planned], rows)
        covariance = _covariance(name, bars, encodings, covariances)
        found = coded(name, bars, encodings, inside[name], covariance, rows)
        encoded[name] = found.encoded
        groups.append(found.finished(_group(name, found, bars, encodings, covariance, Z, rows)))
        checks.check_levels(groups[-1], rows.table.used)
    return encoded, groups


def _effects(
    bars: list[RandomTerm], planned: list[Encoding], rows: Rows
) -> tuple[tuple[Encoding, ...], Floats]:
    """The encodings of one factor's bars, without dependent columns, and their Z (n, q)."""
    encodings, columns = [], []
    for bar, encoding in zip(bars, planned, strict=True):
        Z = matrix(encoding, rows, intercept=True)
        ones = int(encoding.intercept)
        kept, own = independent_effects(
            encoding, Z[:, ones:], bar.text, covariance=COVARIANCES[bar.structure]
        )
        encodings.append(kept)
        columns.append(Z if kept is encoding else np.column_stack([Z[:, :ones], own]))
    return tuple(encodings), columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)


def _group(
    name: str,
    found: Coded,
    bars: list[RandomTerm],
    encodings: tuple[Encoding, ...],
    covariance: Covariance,
    Z: Floats,
    rows: Rows,
) -> GroupDesign:
    terms: list[str] = []
    blocks: list[tuple[int, ...]] = []
    ids: list[str] = []
    within: list[tuple[int, ...]] = []
    for bar, encoding in zip(bars, encodings, strict=True):
        names = [*([INTERCEPT] if encoding.intercept else []), *encoding.names]
        places = range(len(terms), len(terms) + len(names))
        own = COVARIANCES[bar.structure].blocks(places)
        blocks, ids = [*blocks, *own], [*ids, *[bar.id] * len(own)]
        inside = margins(encoding) if COVARIANCES[bar.structure].closed else [()] * len(names)
        within += [tuple(len(terms) + k for k in columns) for columns in inside]
        terms += names
    if twice := sorted({t for t in terms if terms.count(t) > 1}):
        raise DataError(f"{twice[0]} varies over {name} twice; keep it in one bar")
    standing, counts, active = rows.table.standing, None, None
    if standing is not None:
        counts, active = standing.of_factor(bars[0].factors)
    return GroupDesign(
        name=name,
        factors=bars[0].factors,
        levels=found.levels,
        parts=found.parts,
        refs=found.refs,
        terms=tuple(terms),
        Z=Z if active is None else Z * active[:, None],
        blocks=tuple(blocks),
        left_out=_left_out(*encodings),
        margins=tuple(within),
        covariance=covariance,
        law=_law(name, bars),
        counts=counts,
        active=active,
        ids=tuple(ids) if any(ids) else (),
    )


def _covariance(
    name: str,
    bars: list[RandomTerm],
    encodings: tuple[Encoding, ...],
    covariances: list[Covariance],
) -> Covariance:
    """The structure of the bars on one factor that have several effects: one for all of them."""
    several = [
        (bar, covariance)
        for bar, encoding, covariance in zip(bars, encodings, covariances, strict=True)
        if covariance.correlated and len(encoding.names) + encoding.intercept > 1
    ]
    if not several:
        return covariances[0]
    first, covariance = several[0]
    own = [bar for bar, _ in several]
    _check_one(name, own, {bar.structure for bar in own}, "covariances of several structures")
    if len(several) > 1 and not covariance.closed:
        raise DataError(
            f"{' and '.join(bar.text for bar in own)}: the effects over {name} have one bar with a "
            f"structure; keep one of them, and write the others (1 | {name}), or (0 + x | {name})"
        )
    return (
        covariance if covariance.of or covariance.closed else covariance.placed((), first.effects)
    )


def _law(name: str, bars: list[RandomTerm]) -> Law:
    """The law of the effects over one factor: one for all of its bars."""
    _check_one(name, bars, {(bar.law, bar.grouper.numbers) for bar in bars}, "several laws")
    law = LAWS[bars[0].law]
    numbers = dict(bars[0].grouper.numbers)
    return law.at(numbers) if numbers else law


def _check_one(name: str, bars: list[RandomTerm], kinds: set[Any], what: str) -> None:
    if len(kinds) > 1:
        raise DataError(
            f"{' and '.join(bar.text for bar in bars)} give the effects over {name} {what}: write "
            "the same in all bars on one factor"
        )
