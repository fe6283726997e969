"""Formula and data, turned into arrays: what every later stage reads.

Grouping factors are integer codes over the levels that occur; nothing is ever one-hot, and no
array has the size rows x levels.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design import counted
from mixedbayes.design.limits import Limits, together
from mixedbayes.design.standing import Standing
from mixedbayes.errors import DataError, ModelError
from mixedbayes.formula.types import Formula
from mixedbayes.printable import printable
from mixedbayes.terms.across import Across as Across
from mixedbayes.terms.across import joined
from mixedbayes.terms.base import Term
from mixedbayes.terms.group import GroupDesign as GroupDesign
from mixedbayes.terms.residual import Residual as Residual

_KEPT = "iufmM"  # kinds of labels that files keep as they are


def row_labels(index: pd.Index, rows: NDArray[np.integer] | None = None) -> NDArray[Any]:
    """Labels of rows in labelled arrays and files, one for each row: (n,).

    They are the user's where these are different whole numbers, text or times, and otherwise
    positions: `rows` in the user's data frame, or 0, 1, ....
    """
    several = isinstance(index, pd.MultiIndex)
    if not several and index.is_unique and not index.hasnans:
        labels = index.to_numpy()
        if labels.dtype.kind in _KEPT or pd.api.types.infer_dtype(labels) == "string":
            return labels
    return np.arange(len(index)) if rows is None else np.asarray(rows)


Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Monotonic:
    """A monotonic effect: D columns of X, whose coefficients are steps of one sign.

    The coefficients are b D zeta: b, the average step, has the effect's name, and zeta (D,) are the
    shares of the steps in all of them.
    """

    name: str  # "mo(income)", "mo(income):arm[b]"
    columns: tuple[int, ...]  # (D,) of X
    steps: tuple[str, ...]  # (D,) "low to middle"
    of: str = ""  # "mo(income)" of both


@dataclass(frozen=True, eq=False)
class LinearPredictor:
    """One linear predictor: Intercept + X fixef + sum_k Z_k b_k + offset, on the link scale."""

    parameter: str  # "mu", or the distributional parameter it belongs to
    intercept: bool
    terms: tuple[str, ...]  # (p,) names of X's columns, the intercept not among them
    X: Floats  # (n, p), without a column of ones
    groups: tuple[GroupDesign, ...]
    offset: Floats | None  # (n,)
    counts: Floats | None = None  # (n,) how often each row counts, to the family; None: once
    left_out: tuple[str, ...] = ()  # columns that depend on others, and are not in X
    margins: tuple[tuple[int, ...], ...] = ()  # (p,) terms whose columns each column contains
    monotonic: tuple[Monotonic, ...] = ()  # effects of several columns, mo(x)

    @property
    def effects(self) -> tuple[str, ...]:
        """(K,) names of the population effects: `terms`, of a monotonic effect one."""
        return tuple(name for name, _ in self._effects)

    def average_steps(self, slopes: Floats) -> Floats:
        """(..., K) the population `effects`, from coefficients (..., p) of all columns.

        Of a monotonic effect the average step.
        """
        if not self.monotonic:
            return slopes
        return np.stack([slopes[..., own].mean(axis=-1) for _, own in self._effects], axis=-1)

    @cached_property
    def _effects(self) -> list[tuple[str, list[int]]]:
        """(K,) each effect's name and its columns."""
        first = {m.columns[0]: m for m in self.monotonic}
        others = {k for m in self.monotonic for k in m.columns[1:]}
        return [
            (first[k].name, list(first[k].columns)) if k in first else (term, [k])
            for k, term in enumerate(self.terms)
            if k not in others
        ]

    @property
    def factors(self) -> tuple[GroupDesign, ...]:
        """Those terms whose levels are groups."""
        return tuple(g for g in self.groups if g.grouping)

    @property
    def of_one_level(self) -> tuple[GroupDesign, ...]:
        """Those factors of which every row lies in one level."""
        return tuple(g for g in self.factors if len(g.pieces) == 1)

    @property
    def smooths(self) -> tuple[Term, ...]:
        """Those terms that belong to the population: smooths."""
        return tuple(g for g in self.groups if not g.grouping)

    @property
    def threshold(self) -> str | None:
        """The threshold that its effects move alone, cs(x); None of all other predictors."""
        return names.threshold_of(self.parameter)

    def average(self, columns: Floats) -> Floats:
        """Mean of columns (n, ...) over the rows, each as often as it counts."""
        return counted.mean(columns, self.counts)

    @cached_property
    def means(self) -> Floats:
        """(p,) of X."""
        return self.average(self.X)

    @property
    def mean_offset(self) -> float:
        """Mean of the offset, on the link scale; 0 without one."""
        return 0.0 if self.offset is None else float(self.average(self.offset))

    def eta(
        self,
        intercept: Floats | float,
        slopes: Floats,
        effects: Callable[[GroupDesign], Floats],
        rows: slice | Ints = slice(None),
    ) -> Floats:
        """(m, ...) linear predictor of some rows, for `...` draws or for one value.

        The intercept is (...), slopes (..., p); `effects` gives those of a factor, (..., J, q).
        """
        eta: Floats = self.X[rows] @ slopes.T + intercept
        for g in self.groups:
            g.add(eta, effects(g), rows)
        if self.offset is not None:
            eta += self.offset[rows] if eta.ndim == 1 else self.offset[rows, None]
        return eta

    def group(self, name: str) -> GroupDesign:
        for g in self.groups:
            if g.name == name:
                return g
        raise KeyError(name)


def across(predictors: Iterable[LinearPredictor]) -> tuple[Across, ...]:
    """The factors some of whose effects have one id in several predictors, with all effects."""
    return joined((p.parameter, g) for p in predictors for g in p.groups)


@dataclass(frozen=True, eq=False, repr=False)
class Design:
    """Everything the model needs of the data, for the rows that are used."""

    formula: Formula
    response: str  # text of the response, "Reaction", "log(y)"
    y: Floats  # (n,)
    # The mean's first, then those of further parameters that have a formula of their own.
    predictors: tuple[LinearPredictor, ...]
    weights: Floats | None  # (n,)
    trials: Ints | None  # (n,)
    response_levels: tuple[object, ...] | None  # labels of a categorical response
    index: pd.Index  # (n,) the user's row labels
    rows: Ints  # (n,) positions of the used rows in the user's data frame
    dropped: Mapping[str, int] = field(default_factory=dict)  # column -> rows with NA there
    notes: tuple[str, ...] = ()  # what the user should know, in words
    response_ordered: bool = True  # whether the order of those labels is stated
    columns: object = None  # the fitted encodings, for `replay` alone
    # The columns that the formula reads, in all rows of the user's frame; None if made by hand.
    data: pd.DataFrame | None = None
    library: str = "pandas"  # of the user's frame, in which tables are handed out
    limits: Limits | None = None  # of responses that are censored or truncated
    residual: Residual | None = None  # how residuals of rows of one group are correlated
    unobserved: Ints | None = None  # positions in `data` of the rows without a response, mi()
    several: "Responses | None" = None  # responses of the rows of one frame, mv(a, b) ~ ...
    one_of: str = ""  # what several responses this one is of, where a fit has these
    standing: Standing | None = None  # for what the rows stand, where they are not the data's own

    def __repr__(self) -> str:
        said = [f"{g.name} with {g.n_levels:,} levels" for g in self.mu.factors]
        said += [f"{g.name} with {g.n_levels:,} functions" for g in self.mu.smooths]
        groups = ", ".join(said)
        return printable(
            f"Design of {self.formula.text or self.response}: {self.used:,} rows, "
            f"{len(self.mu.terms)} population columns" + (f", {groups}" if groups else "")
        )

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def used(self) -> int:
        """How many rows of the data there are: n, unless these stand for others."""
        return self.n if self.standing is None else self.standing.used

    @property
    def every_trial(self) -> int:
        """Trials of all rows of the data together."""
        trials = np.zeros(0, int) if self.trials is None else self.trials
        if self.standing is None or self.trials is None:
            return int(np.sum(trials))
        return round(float(trials @ self.standing.counts))

    @property
    def weighted(self) -> bool:
        """Whether the user gave rows weights; how many rows each stands for is none."""
        if self.standing is None:
            return self.weights is not None
        return self.formula.response.weights is not None

    @property
    def mu(self) -> LinearPredictor:
        """The predictor of the mean."""
        return self.predictors[0]

    @property
    def further(self) -> tuple[str, ...]:
        """Parameters besides the mean that have a formula of their own."""
        return tuple(p.parameter for p in self.predictors[1:])

    def has(self, parameter: str) -> bool:
        """Whether a parameter has a predictor of this very name."""
        return any(p.parameter == parameter for p in self.predictors)

    @property
    def factors(self) -> tuple[GroupDesign, ...]:
        """Each grouping factor once: with its effects on the mean, else on a further parameter."""
        found: dict[str, GroupDesign] = {}
        for p in self.predictors:
            for g in p.factors:
                found.setdefault(g.name, g)
        return tuple(found.values())

    def factor(self, name: str) -> GroupDesign:
        """One of `factors`."""
        return next(g for g in self.factors if g.name == name)

    @property
    def moving(self) -> tuple[LinearPredictor, ...]:
        """The predictors that move thresholds: the mean's all, then those of one threshold each."""
        own = (p for p in self.predictors if p.threshold is not None)
        return (self.mu, *own)

    def predictor(self, parameter: str) -> LinearPredictor:
        """The predictor of one parameter; KeyError where it has no formula.

        "mu" is the first one, whatever its name.
        """
        if parameter == names.MU:
            return self.predictors[0]
        for p in self.predictors:
            if p.parameter == parameter:
                return p
        raise KeyError(parameter)

    @cached_property
    def across(self) -> tuple[Across, ...]:
        """Factors some of whose effects are correlated across parameters by an id."""
        return across(self.predictors)

    def joined(self, group: str) -> Across | None:
        """The factor among `across`; None where its effects on each parameter are by themselves."""
        return next((a for a in self.across if a.name == group), None)

    def formulated(self, parameter: str, group: str) -> str:
        """The name under which a formulation is chosen for a factor's effects on a parameter.

        One for all parameters where the effects are correlated across them.
        """
        return group if self.joined(group) else names.prefix(parameter) + group

    @property
    def peculiarity(self) -> str:
        """Why a term is no grouping factor with independent normal effects; empty where all are."""
        return next((g.peculiarity for p in self.predictors for g in p.groups if g.peculiarity), "")

    @property
    def no_closed_form(self) -> str:
        """Why a term's effects do not integrate out of a normal response; empty where all do."""
        every = (g.no_closed_form for p in self.predictors for g in p.groups)
        return next((reason for reason in every if reason), "")

    def each(self, change: Callable[[LinearPredictor], LinearPredictor]) -> "Design":
        """The design with every predictor changed."""
        return replace(self, predictors=tuple(map(change, self.predictors)))

    @property
    def repeats(self) -> Floats | None:
        """(n,) how many equal rows each row stands for: its counts, trials aside; None: one."""
        counts = self.mu.counts
        return counts if counts is None or self.trials is None else counts / self.trials

    def counts_of(self, by: Iterable[str]) -> Floats | None:
        """`repeats` as they are within combinations of the levels of some columns.

        Raises ModelError where these are of several parts of the grouping columns, of which sums of
        each two are left.
        """
        apart = None if self.standing is None else self.standing.apart
        parts = {name: apart.parts[name] for name in by if name in apart.parts} if apart else {}
        if apart is None or not parts:
            return self.repeats
        if len(set(parts.values())) > 1:
            self.need_together(f"an average within combinations of {' and '.join(parts)}")
        return apart.rows_of(next(iter(parts.values())))

    def need_together(self, what: str) -> None:
        """ModelError where rows are left in combinations of the levels of two factors only."""
        if self.standing is not None and self.standing.apart is not None:
            raise ModelError(
                f"{what} needs the rows of each combination of levels of all factors, and of "
                f"{self.standing.source}, read in batches, sums of the levels of each two factors "
                "are left; fit a sample of the rows as a data frame"
            )

    @property
    def joint_counts(self) -> Floats | None:
        """(n,) how often each row counts in products of columns of several grouping factors."""
        apart = None if self.standing is None else self.standing.apart
        return self.mu.counts if apart is None else apart.counts

    @property
    def labels(self) -> NDArray[Any]:
        """(n,) label of each row on the dimension `obs`; see `row_labels`."""
        if self.several is not None:
            return self.several.labels
        return row_labels(self.index, self.rows)

    @property
    def parts(self) -> "tuple[Design, ...]":
        """Each of several responses by itself, in the rows where it is known; () of one."""
        return () if self.several is None else self.several.parts

    @property
    def whole(self) -> pd.DataFrame:
        """`data`; DataError where there is none."""
        if self.data is None:
            raise DataError("this design was made by hand: it has no data frame")
        return self.data

    @cached_property
    def frame(self) -> pd.DataFrame:
        """(n,) the used rows of `data`; DataError where there is none."""
        every = np.array_equal(self.rows, np.arange(len(self.whole)))
        return self.whole if every else self.whole.iloc[self.rows]

    @property
    def without_rows(self) -> bool:
        """Whether the rows are none of the data's, but have the sums of those."""
        return self.standing is not None and self.standing.moments

    def need_rows(self, what: str) -> None:
        """ModelError where single rows of the data are not there."""
        if self.standing is not None and self.without_rows:
            raise ModelError(self.standing.refusal(what, self.whole.columns))

    @property
    def units(self) -> Mapping[str, str]:
        """Units of columns by name, where the user's frame has them in ``attrs["units"]``."""
        known = {} if self.data is None else self.data.attrs.get("units", {})
        return known if isinstance(known, Mapping) else {}


@dataclass(frozen=True, eq=False)
class Responses:
    """Several responses of the rows of one data frame, row by row, each in its order.

    A design of them has a row for each response that is known.
    """

    names: tuple[str, ...]  # (K,)
    parts: tuple[Design, ...]  # (K,) each by itself, in the rows where it is known
    units: Ints  # (n,) which of the frame's rows that are used
    places: Ints  # (n,) which response
    index: pd.Index  # (m,) the user's labels of the frame's rows that are used
    rows: Ints  # (m,) their positions in the frame
    correlated: bool  # whether the residuals of one row of the frame are correlated
    # (K,) those of each that have predictors here besides mu, as numbers as well.
    parameters: tuple[tuple[str, ...], ...]
    different: bool = False  # whether these are different families, and rows say of which they are
    vectors: tuple[str, ...] = ()  # (K,) thresholds in the place of an intercept; "" of none
    columns: tuple[tuple[str, ...], ...] = ()  # (K,) without which a row has not the response

    @property
    def m(self) -> int:
        return len(self.index)

    @cached_property
    def frame_labels(self) -> NDArray[Any]:
        """(m,) labels of the frame's rows, see `row_labels`."""
        return row_labels(self.index, self.rows)

    @cached_property
    def labels(self) -> NDArray[Any]:
        """(n,) the frame's row and the response: "3:height"."""
        rows = self.frame_labels[self.units]
        pairs = zip(rows, self.places, strict=True)
        return np.array([f"{row}:{self.names[k]}" for row, k in pairs], object)

    def reads(self, k: int, parameter: str) -> bool:
        """Whether a predictor has columns of the k-th response."""
        return parameter in self.parameters[k] or self.parts[k].has(parameter)

    def at(self, k: int) -> Ints:
        """(n_k,) rows of the k-th response."""
        return np.flatnonzero(self.places == k)

    @cached_property
    def limits(self) -> Limits | None:
        """Of the rows of all responses; None where none are censored or truncated."""
        each = ((self.at(k), part.limits) for k, part in enumerate(self.parts))
        return together(len(self.places), each)


@dataclass(frozen=True, eq=False)
class NewTerm:
    """Rows of new data against one term of the fitted design.

    Each row lies in k levels, of a grouping factor in one; see `Term.by_row`.
    """

    name: str
    Z: Floats  # (m, q), and a column for each of `beyond`
    codes: Ints  # (m, k) of the levels in the fitted design, -1 where not seen
    weights: Floats | None = None  # (m, k); None: 1
    # (m k,) the level that each of codes is, row by row, and (m k, factors) what it is made of;
    # None where every level is the fit's, as those of a smooth are.
    labels: pd.Index | None = None
    parts: pd.DataFrame | None = None
    beyond: tuple[float, ...] = ()  # positions at which the fitted design has no effects
    arms: Ints | None = None  # (m,) of each row, where the covariance of the effects differs by it

    @property
    def refs(self) -> Ints:
        """(m,) of rows that lie in one level each."""
        (refs,) = self.codes.T
        return refs

    @property
    def unseen(self) -> tuple[Ints, pd.Index, pd.DataFrame]:
        """Where levels that the fit has not seen are in codes.ravel(), their labels and parts."""
        at = np.flatnonzero(self.codes.ravel() < 0)
        if self.labels is None or self.parts is None:
            return at, pd.Index([]), pd.DataFrame()
        return at, self.labels[at], self.parts.iloc[at]


@dataclass(frozen=True, eq=False)
class NewRows:
    """New data seen through a fitted design: same columns, same encodings."""

    X: Floats  # (m, p)
    groups: Mapping[str, NewTerm]
    offset: Floats | None  # (m,)
    trials: Ints | None  # (m,)
    weights: Floats | None  # (m,)
    index: pd.Index  # (m,)
    y: Floats | None = None  # (m,) where the response was asked for
    response_levels: tuple[object, ...] | None = None  # labels of the codes in y, if categorical
    limits: Limits | None = None  # bounds, where they are known; censoring with the response
    # Of several responses: each by itself in its own rows, or in all, and which a row is of.
    each: tuple["NewRows | None", ...] = ()
    places: Ints | None = None  # (m,)
