"""Data from a formula and its true values."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.design import build_design, used_columns
from mixedbayes.design.response import Response
from mixedbayes.design.table import eager, table
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import LKJ, Normal, Prior
from mixedbayes.errors import DataError, ModelError, article
from mixedbayes.families import support
from mixedbayes.families.base import Family, whole
from mixedbayes.families.known_errors import with_errors
from mixedbayes.families.registry import as_family, check_limits
from mixedbayes.formula import Formula, parse_all, parse_expression, with_residual
from mixedbayes.formula.nodes import Name
from mixedbayes.formula.responses import responses as responses_of
from mixedbayes.predict.forward import correlated_noise, responses
from mixedbayes.predict.streams import checked_seed, named_stream
from mixedbayes.simulation.correlated import with_plain_sigma
from mixedbayes.simulation.parameters import Cors, Parameters, Sds, given_parameters, thresholds
from mixedbayes.simulation.truth import ATTRS, as_truth

# A number for all, one for each, or a range from which each is drawn, all values equally likely.
type Count = int | Sequence[int] | range


def layout(groups: Mapping[str, Count], per_group: Count, rng: np.random.Generator) -> pd.DataFrame:
    """Rows with their levels, one categorical column for each factor: labels "1", "2", ...

    Parameters
    ----------
    groups
        Numbers of levels, in order. ``{"a": 3, "b": 4}`` crosses: every level of b in every level
        of a. ``{"a": 3, "a/b": 4}`` nests: 4 levels of b in each level of a, which are labelled
        anew in each. Nesting may be uneven: a number for each level of a, or a range.
    per_group
        Number of rows of each cell, a cell being a combination of levels that occurs.
    rng
        Draws the numbers that are given as ranges.
    """
    cells = pd.DataFrame(index=pd.RangeIndex(1))
    for key, count in groups.items():
        *parents, factor = _path(key)
        if factor in cells.columns:
            raise DataError(f"groups: {factor!r} is given twice, the second time as {key!r}")
        if unknown := [p for p in parents if p not in cells.columns]:
            raise DataError(
                f"groups: {key!r} is nested in {unknown[0]!r}, which must be given before it"
            )
        where = f"groups[{key!r}]"
        if parents:
            cells = _nested(cells, parents, factor, count, where, rng)
        else:
            if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
                raise DataError(f"{where} must be a number of levels from 1, got {count!r}")
            cells = cells.join(_labels(factor, np.arange(count)), how="cross")
    rows = counts(per_group, len(cells), "per_group", rng, least=0)
    if rows.sum() == 0:
        raise DataError(f"per_group={per_group!r} leaves no rows in any of {len(cells)} cells")
    return cells.loc[cells.index.repeat(rows)].reset_index(drop=True)


def _path(key: object) -> list[str]:
    parts = key.split("/") if isinstance(key, str) else []
    if not parts or not all(part.strip() for part in parts):
        raise DataError(f"groups: {key!r} is not a name such as 'school' or 'school/class'")
    return [part.strip() for part in parts]


def _nested(
    cells: pd.DataFrame,
    parents: list[str],
    factor: str,
    count: Count,
    where: str,
    rng: np.random.Generator,
) -> pd.DataFrame:
    outer = cells.groupby(parents, observed=True, sort=False).ngroup().to_numpy()
    numbers = counts(count, outer.max() + 1, where, rng, least=1)[outer]
    within = np.concatenate([np.arange(k) for k in numbers])
    grown = cells.loc[cells.index.repeat(numbers)].reset_index(drop=True)
    return grown.join(_labels(factor, within))


def _labels(factor: str, codes: Ints) -> pd.DataFrame:
    categories = [str(k + 1) for k in range(codes.max() + 1)]
    return pd.DataFrame({factor: pd.Categorical.from_codes(codes, categories)})


def counts(count: Count, places: int, where: str, rng: np.random.Generator, *, least: int) -> Ints:
    """(places,) whole numbers from `least`: the same for all, as listed, or drawn from a range."""
    if isinstance(count, range):
        values = np.asarray(count, dtype=np.int64)
        drawn = rng.choice(values, places) if len(values) else values
    elif isinstance(count, int | np.integer) and not isinstance(count, bool):
        drawn = np.full(places, count, dtype=np.int64)
    else:
        drawn = np.asarray(count)
    if drawn.shape != (places,) or drawn.dtype.kind not in "iu" or (drawn < least).any():
        raise DataError(
            f"{where} must be a whole number from {least}, a list of {places} such numbers, or a "
            f"range to draw them from, got {count!r}"
        )
    return drawn.astype(np.int64)


def within(frame: pd.DataFrame, factors: Sequence[str]) -> tuple[Ints, Ints]:
    """Codes (n,) of the combinations of factors that occur, and the running row within each."""
    if not factors:
        return np.zeros(len(frame), np.int64), np.arange(len(frame))
    grouped = frame.groupby(list(factors), observed=True, sort=False)
    return grouped.ngroup().to_numpy(), grouped.cumcount().to_numpy()


type Column = Prior | Sequence[Any]
type Covariate = Column | Mapping[str, Column]


def covariates(
    frame: pd.DataFrame,
    names: Iterable[str],
    given: Mapping[str, Covariate],
    undrawn: Iterable[str],
    seed: int,
) -> pd.DataFrame:
    """The frame with a column for each name.

    Parameters
    ----------
    frame
        Rows with the columns of the grouping factors, all of them categorical.
    names
        Covariates that the formula reads.
    given
        How they come about. A distribution draws a value for each row; a list or range is laid
        out over the rows of each cell in turn. ``{"school": ...}`` does the same over the levels
        of a factor, or over the combinations ``"school/class"``, for a covariate of theirs.
        What is not given is standard normal by row.
    undrawn
        Names that must be given, because a standard normal makes no sense of them.
    seed
        Each covariate has a stream of its own.
    """
    names, factors = list(dict.fromkeys(names)), list(frame.columns)
    if unknown := [name for name in given if name not in names]:
        near = difflib.get_close_matches(str(unknown[0]), names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"covariates: {unknown[0]!r} is not in the formula, which reads "
            f"{', '.join(names) or 'no covariates'}.{hint}"
        )
    if lacking := [name for name in undrawn if name not in given]:
        raise DataError(
            f"{lacking[0]!r} counts, weighs or offsets rows and cannot be drawn by default: say "
            f"what it is, for example covariates={{{lacking[0]!r}: range(1, 11)}}"
        )
    columns = {name: _column(frame, factors, name, given.get(name), seed) for name in names}
    return frame.assign(**columns)


def _column(
    frame: pd.DataFrame, factors: list[str], name: str, how: Covariate | None, seed: int
) -> Any:
    rng = named_stream(seed, f"covariate {name}")
    if how is None:
        return rng.standard_normal(len(frame))
    if not isinstance(how, Mapping):
        _, row = within(frame, factors)
        return _values(how, row, len(frame), np.arange(len(frame)), name, rng)
    if len(how) != 1:
        raise DataError(
            f"covariates: {name!r} belongs to one factor, got {', '.join(how) or 'none'}"
        )
    ((place, column),) = how.items()
    over = [part.strip() for part in str(place).replace(":", "/").split("/")]
    if unknown := [f for f in over if f not in factors]:
        raise DataError(
            f"covariates: {name!r} is to belong to {unknown[0]!r}, which is no grouping factor; "
            f"there are {', '.join(factors) or 'none'}"
        )
    level, _ = within(frame, over)
    return _values(column, level, int(level.max()) + 1, level, name, rng)


def _values(
    how: Column, turn: Ints, size: int, place: Ints, name: str, rng: np.random.Generator
) -> Any:
    """Values of the rows: `size` draws taken at `place`, or listed values at their `turn`."""
    if isinstance(how, Prior) and not isinstance(how, LKJ) and how.proper:
        return how.frozen().rvs(size=size, random_state=rng)[place]
    listed = None if isinstance(how, Prior | str) else pd.Series(list(how))
    if listed is None or listed.empty or listed.isna().any():
        raise DataError(
            f"covariates: {name!r} must be a distribution such as {Normal()}, or a list of values "
            f"without missing ones, got {how!r}"
        )
    laid_out = listed.take(turn % len(listed)).array
    is_text = not pd.api.types.is_numeric_dtype(listed.dtype)
    return pd.Categorical(laid_out, categories=list(dict.fromkeys(listed))) if is_text else laid_out


def simulate(
    formula: str | Sequence[str],
    groups: Mapping[str, Count] | None = None,
    per_group: Count = 10,
    *,
    fixef: Mapping[str, float] | None = None,
    sd: Sds | None = None,
    cor: Cors | None = None,
    sigma: float | Mapping[str, Any] | None = None,
    family: str | Family | type[Family] = "gaussian",
    residual: str | None = None,
    covariates: Mapping[str, Covariate] | None = None,
    data: Any = None,
    exact: bool = False,
    seed: int | None = None,
    known: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> pd.DataFrame:
    """Simulate data from a mixed model whose true values are known.

    eta = Intercept + X fixef + sum_k Z_k b_k, b_k ~ Normal(0, D_k R_k D_k), and the response is
    drawn from the family at g^-1(eta). A parameter of the family with a formula of its own has such
    a predictor too.

    Parameters
    ----------
    formula
        For example ``"y ~ x + (x | g)"``. Its left side names the column to be simulated. Or a
        list, with formulas for further parameters: ``["y ~ x + (1 | g)", "sigma ~ x"]``.
    groups
        Numbers of levels, labelled "1", "2", ... ``{"subject": 20, "item": 12}`` are crossed in
        full; ``{"school": 10, "school/class": 4}`` has 4 classes in each school, labelled anew in
        each. An uneven nesting has a number for each school, or a range to draw them from.
    per_group
        Rows in each group: in each combination of levels, where there are several factors. A
        number, a list with one for each, or a range from which each is drawn; 0 leaves a
        combination out.
    fixef
        True population effects by term, link scale: ``{"Intercept": 2, "x": 0.5}``; others are 0.
        Those of cs(x) name their threshold: ``{"x[1|2]": 0.5, "x[2|3]": 1}``.
    sd
        True standard deviations of the group effects, link scale:
        ``{"g": {"Intercept": 0.5, "x": 0.2}}``, or ``{"g": 0.5}`` for all effects of g.
    cor
        True correlations: ``{"g": 0.3}``, or a matrix in the order of the terms; 0 by default. Of
        effects that an id correlates across parameters, ``(1 | id | g)``, it has all: those on the
        mean first, and then those on further parameters in the order of their formulas.
    sigma
        Residual standard deviation of the families that have one; 1 by default. Where it has a
        formula, what `fixef`, `sd` and `cor` are of the mean, on its link's scale:
        ``sigma={"fixef": {"Intercept": -1, "x": 0.2}, "sd": {"g": 0.3}}``.
    family
        Name or object, as for `Model`.
    residual
        How the residuals of a Gaussian response are correlated, as for `Model`:
        ``residual="ar1(visit | id)"`` with ``rho=0.5`` and ``covariates={"visit": range(5)}``.
        Correlations without structure are a matrix, or one number for all pairs; those by arm a
        dictionary. One number of ``sigma`` is the sd of all visits.
    covariates
        What the formula's covariates are, standard normal by row if not given.
        ``mb.Uniform(0, 1)`` draws each row; ``range(10)`` or ``["a", "b"]`` is laid out over the
        rows of each group in turn, as repeated measures are; ``{"school": mb.Normal()}`` or
        ``{"school": ["public", "private"]}`` gives each level of a factor one value.
    data
        Instead of groups, per_group and covariates: a data frame of rows with these columns.
    exact
        Scale each factor's effects so that their sample mean is 0 and their sample covariance
        (denominator J - 1) is the true one, as `mvrnorm(empirical = TRUE)` of R's MASS does. The
        effects are then no independent draws.
    seed
        Covariates, each factor's effects and the response have streams of their own: with the
        same seed, another sigma or sd leaves all else as it was.
    known
        Covariances between levels that the formula names, as for `Model`. Levels that `groups`
        makes are called "1", "2", ...
    parameters
        The family's further parameters by name: ``shape=2.0``, ``nu=4``, ``thresholds=[-1, 1]``;
        with a formula as sigma: ``zi={"fixef": {"Intercept": -1}}``.

    Returns
    -------
    DataFrame with the grouping factors, the covariates and the response.
    `truth` (data) returns the true values, group effects among them, and compares them with a fit;
    ``data.attrs["truth"]`` has them as plain dictionaries. Ordered categories are 1, 2, ...

    Raises
    ------
    FormulaError, DataError, ModelError
        Each says what is lacking, or not among the formula's terms.

    See Also
    --------
    truth : The true values, beside a fit's.
    study : Many such data sets: power and calibration.
    simulate_simpson : Data whose slope reverses.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> made = mb.simulate(
    ...     "y ~ x + (x | g)", {"g": 12}, 20, fixef={"Intercept": 2, "x": 0.5},
    ...     sd={"g": {"Intercept": 1, "x": 0.3}}, sigma=0.5, seed=1,
    ... )
    >>> made.shape
    (240, 3)
    >>> mb.truth(made).sd["g"]
    Intercept    1.0
    x            0.3
    dtype: float64
    """
    given = {"fixef": fixef, "sd": sd, "cor": cor}
    own: Mapping[str, Any] = parameters if sigma is None else {names.SIGMA: sigma} | parameters
    return simulated(
        formula, given, own, groups=groups, per_group=per_group, family=family, residual=residual,
        covariates=covariates, data=data, exact=exact, seed=seed, known=known,
    )[0]  # fmt: skip


def simulated(
    formula: str | Sequence[str],
    mean: Mapping[str, Any],
    own: Mapping[str, Any],
    *,
    groups: Mapping[str, Count] | None = None,
    per_group: Count = 10,
    family: str | Family | type[Family] = "gaussian",
    residual: str | None = None,
    covariates: Mapping[str, Covariate] | None = None,
    data: Any = None,
    exact: bool = False,
    seed: int | None = None,
    known: Mapping[str, Any] | None = None,
) -> tuple[pd.DataFrame, Parameters]:
    """As `simulate`, with the values of all parameters beside the data.

    `mean` has fixef, sd and cor; `own` the family's parameters, sigma among them.
    """
    parsed, seed = with_residual(parse_all(formula), residual), checked_seed(seed)
    kind = with_errors(as_family(family), parsed)
    kind.check_formula(parsed)
    if kind.unordered:
        lacks = "how many responses a row has" if kind.columns else "the categories"
        raise ModelError(
            f"simulate() does not know {lacks} of a {kind.name} response: make a model of "
            "data that have them, and draw from its prior, model.simulate(), or from a fit, "
            "fit.simulate()"
        )
    check_limits(kind, parsed)
    name = response_column(parsed, "simulate()")
    frame = _rows(parsed, name, groups, per_group, covariates, data, seed)
    design = build_design(
        parsed, frame.assign(**{name: 0.0}), missing="error", known=known,
        expand=_expand(kind, own),
    )  # fmt: skip
    if design.formula.specific is not None and not kind.apart:
        support.refuse_specific(design.formula, kind.name, ordered=kind.ordered)
    kind = kind.of_design(design)
    if kind.thresholds is not None:  # which take the intercepts' place
        design = design.each(lambda p: replace(p, intercept=False))
    own = with_plain_sigma(design, own, any(f.of == names.SIGMA for f in parsed.others))
    values = given_parameters(design, kind, mean, own, seed, exact=exact)
    y = respond(design, kind, values, named_stream(seed, "response"))
    out = frame.assign(**{name: kind.reported(y)})
    out.attrs[ATTRS] = as_truth(design, kind, values, seed).to_attrs()
    return out, values


def _expand(kind: Family, own: Mapping[str, Any]) -> Callable[[Formula, Response], Formula]:
    """`Family.expanded` of a response whose categories are as many as the thresholds part."""

    def expand(formula: Formula, response: Response) -> Formula:
        if formula.specific is None or not kind.apart or kind.thresholds is None:
            return formula
        cuts = thresholds(own.get(kind.thresholds), ordered=kind.ordered)
        codes = np.arange(len(cuts) + 1.0) + kind.first_code
        return kind.expanded(formula, replace(response, y=codes, levels=None))

    return expand


def response_column(formula: Formula, what: str) -> str:
    """The column on the left side; DataError where it is an expression."""
    node = parse_expression(formula.response.text)
    if joined := responses_of(formula):
        raise DataError(
            f"{what} makes one response, and the formula has {', '.join(joined)}: make a model of "
            "data that have them, and draw from its prior, model.simulate(), or from a fit, "
            "fit.simulate()"
        )
    if not isinstance(node, Name):
        raise DataError(
            f"{what} makes the column on the left of ~, and {formula.response.text!r} is an "
            "expression: make it a column of its own"
        )
    return node.name


def respond(design: Design, family: Family, values: Parameters, rng: np.random.Generator) -> Any:
    """(n,) responses; integers where the family is discrete, unless one is beyond 2^53."""
    with np.errstate(all="ignore"):
        eta = values.mu.predictor(design.mu)
        own = {name: v[None] for name, v in values.family_values(design, family).items()}
        correlated = {name: v[None] for name, v in values.residual.items()}
        noise = correlated_noise(design.residual, correlated, 1, rng)
        outside = _outside(family, eta, {p: own[p] for p in design.further})
        try:
            y = responses(family, design, eta[None], own, rng, noise=noise)[0]
        except ValueError as e:
            if family.own and isinstance(e, ModelError):
                raise  # of what the user's family lacks
            raise DataError(outside) from e
        if not np.isfinite(y).all():
            raise DataError(outside)
    return whole(y) if family.discrete else y


def _outside(family: Family, eta: Floats, further: Mapping[str, Floats]) -> str:
    every = {"means": family.inverse(eta, np), **further}
    where = [f"{name} between {v.min():.4g} and {v.max():.4g}" for name, v in every.items()]
    return (
        f"the {family.name} family cannot be simulated at {' and '.join(where)}; choose smaller "
        "effects, another intercept or another link"
    )


def _rows(
    formula: Formula,
    name: str,
    groups: Mapping[str, Count] | None,
    per_group: Count,
    given: Mapping[str, Covariate] | None,
    data: Any,
    seed: int,
) -> pd.DataFrame:
    """The rows before they have a response."""
    if groups is not None and not isinstance(groups, Mapping):
        raise DataError(
            f"groups is {article(type(groups).__name__)}, and not a dictionary of numbers of "
            'levels, as groups={"g": 20}; a data frame of rows is given by name, as data=...'
        )
    if data is not None:
        if groups or given:
            raise DataError(
                "data are the rows themselves, so that groups and covariates cannot be given "
                "beside them"
            )
        frame = eager(data)
        if not isinstance(frame, pd.DataFrame):
            frame = table(frame, frame.columns).frame()
        rows = frame.drop(columns=name, errors="ignore")
        rows.attrs = {}
        return rows
    used, every = used_columns(formula), (formula, *formula.others)
    frame = layout(groups or {}, per_group, named_stream(seed, "layout"))
    of = [(other.text, name) for other in every for name in used_columns(other).groups]
    if formula.residual is not None:
        of += [(formula.residual.text, name) for name in formula.residual.factors]
    if absent := [(text, factor) for text, factor in of if factor not in frame.columns]:
        text, factor = absent[0]
        raise DataError(
            f"{text!r} groups by {factor!r}, whose number of levels is not given: "
            f"groups={{{factor!r}: 20}}; nested ones as 'outer/inner'"
        )
    wanted = [c for c in used.columns if c != name and c not in frame.columns]
    offsets = [c for f in every for c in used_in_offsets(f) if c not in frame.columns]
    return covariates(frame, wanted, given or {}, [*used.trials, *used.weights, *offsets], seed)


def used_in_offsets(formula: Formula) -> tuple[str, ...]:
    """Names of the columns inside offset(...)."""
    terms = used_columns(Formula(formula.text, formula.response, "1", formula.offsets, ()))
    return terms.fixed
