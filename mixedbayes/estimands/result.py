"""A table of estimates with the draws behind it: contrasts, ranks, hypotheses."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes.design.table import PANDAS
from mixedbayes.design.types import Floats, Ints
from mixedbayes.design.values import label
from mixedbayes.errors import ModelError
from mixedbayes.estimands.ask import names_of
from mixedbayes.estimands.axis import Axis
from mixedbayes.estimands.contrasts import (
    CONTRASTS,
    ROUNDING,
    How,
    combine,
    how_label,
    null_of,
    pairs_of,
)
from mixedbayes.printable import escaped, printable
from mixedbayes.results.hypotheses import hypotheses
from mixedbayes.results.library import answer
from mixedbayes.results.tables import Description, Interval, Statistics, apart, labelled
from mixedbayes.results.text import WIDTH, as_table

SLOPE_ROUNDING = 1e-8  # of finite differences, in proportion to the largest
COLUMNS = ("mean", "sd", "lower", "upper", "prob_positive", "mcse")
_SAMPLED = ("chain", "draw", "row")


@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """Quantities with their posterior draws: a table, and what is asked of it next.

    What its table can do, ``r["mean"]``, ``r.loc``, ``r.query(...)``, the result can.

    Attributes
    ----------
    question
        What the numbers are, in one line.
    table
        A row for each quantity: the columns of the grid, then mean, sd, lower, upper,
        prob_positive, the posterior probability of being above `null`, and mcse, the Monte Carlo
        standard error of the mean.
    draws
        DataArray (chain, draw, row); the grid's columns are coordinates of `row`.
    null
        The value that means no difference: 1 of ratios, else 0.
    grid
        The columns that say what each row is; `focal` and `by` are the names of those that were
        asked about and within which.
    """

    grid: pd.DataFrame
    sampled: Floats  # (R, S)
    chains: int
    question: str
    quantity: str  # what is on the axis
    focal: tuple[str, ...]
    by: tuple[str, ...]
    null: float = 0.0
    note: str = ""  # what to know of the numbers
    kind: str = "means"  # or "comparisons", "slopes"
    library: str = PANDAS  # of the table
    axis: Axis = field(default_factory=Axis)  # of pictures
    numbers: tuple[str, ...] = ()  # columns of the grid that are numbers, not categories
    description: Description = field(default_factory=lambda: Description(columns=COLUMNS))

    @property
    def table(self) -> Any:
        """The data frame, in the library of the data."""
        return answer(self.frame, self.library)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table in pandas."""
        taken = {*COLUMNS, *self.description.columns}
        out = self.grid.rename(columns={n: apart(str(n), taken, "value") for n in self.grid})
        out = out.assign(**self.description.plain(self.sampled, self.chains, above=self.null))
        out.attrs["question"] = self.question
        if self.note:
            out.attrs["note"] = self.note
        found: pd.DataFrame = as_table(out)
        return found

    @cached_property
    def draws(self) -> xr.DataArray:
        """DataArray (chain, draw, row), with the grid's columns as coordinates of row."""
        coords: dict[str, Any] = {"row": np.arange(len(self.grid))}
        for name in self.grid:
            column = self.grid[name]
            values = (
                column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
            )
            coords[apart(str(name), _SAMPLED, "value")] = ("row", values.to_numpy())
        found = labelled(self.sampled.T, self.chains, ["row"], coords, "estimate")
        return found.assign_attrs(question=self.question)

    # ---- what is asked next --------------------------------------------------------------------

    def contrast(
        self,
        contrast: str | Mapping[Any, float] = "pairwise",
        of: str | Sequence[str] | None = None,
        *,
        how: How = "difference",
    ) -> Estimates:
        """Comparisons between rows of this result, draw by draw: contrasts of contrasts.

        Parameters
        ----------
        contrast
            "pairwise", each pair of rows; "reference", each against the first; "sequential", each
            against the one before; "mean", each against the mean of all; or weights by level, such
            as ``{"low": -0.5, "mid": -0.5, "high": 1}``, whose weighted sum is taken.
        of
            Columns along which rows are compared, within equal values of all others. By default,
            of comparisons and slopes, those within which they were taken (`by`, `at`), if there are
            any; else those asked about.
        how
            As in `comparisons`; not with weights.

        Returns
        -------
        Estimates
            A row for each comparison: `contrast`, which says of what, and the columns of the grid
            that rows were compared within; then those of the result.

        Raises
        ------
        ModelError
            A column or contrast is not known, or there is nothing to compare.

        See Also
        --------
        comparisons : Of `Fit`: without means before.
        rank : Which is the best.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> machines = mb.load_data("machines")
        >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
        >>> fit.means("Machine").contrast("sequential")
        Contrasts along Machine of: Expected score by Machine; population of Worker averaged over.
        <BLANKLINE>
          contrast  mean    sd lower upper prob_positive    mcse
        0    B - A 7.944 1.092 5.852 10.19             1 0.01688
        1    C - B 5.912 1.079 3.788 8.024             1 0.01704
        >>> fit.means("Machine").contrast({"A": -0.5, "B": -0.5, "C": 1})
        Contrasts along Machine of: Expected score by Machine; population of Worker averaged over.
        <BLANKLINE>
                       contrast  mean     sd lower upper prob_positive    mcse
        0  -0.5 A - 0.5 B + 1 C 9.884 0.9289 8.027 11.72             1 0.01462
        """
        along = self._along(of)
        rest = [name for name in self.grid if name not in along]
        column = apart("contrast", rest, "2")
        rows: list[dict[str, Any]] = []
        parts: list[Floats] = []
        for here, at in self._groups(rest):
            levels = [_text(self.grid, k, along) for k in at]
            if isinstance(contrast, Mapping):
                parts.append(self._weighted(contrast, levels, at))
                rows.append({column: _sum_label(contrast)} | here)
                continue
            if contrast not in CONTRASTS:
                known = ", ".join(map(repr, CONTRASTS))
                raise ModelError(f"contrast={contrast!r} is not {known} or weights by level")
            if len(at) < 2:
                raise ModelError(f"there is one row along {', '.join(along)}: nothing to compare")
            x = self.sampled[at]
            for a, b in pairs_of(contrast, len(at)):
                low = x.mean(axis=0) if a is None else x[a]
                name = how_label(levels[b], "mean" if a is None else levels[a], how)
                rows.append({column: name} | here)
                parts.append(combine(x[b], low, how, self.quantity, self._rounding))
        return self._next(
            _like(pd.DataFrame(rows), self.grid), np.stack(parts), (column,), tuple(rest),
            f"Contrasts along {', '.join(along)} of: {self.question}",
            null_of("difference" if isinstance(contrast, Mapping) else how),
            self.axis.weighted() if isinstance(contrast, Mapping) else self.axis.compared(how),
        )  # fmt: skip

    def rank(
        self, of: str | Sequence[str] | None = None, *, best: str = "highest", prob: float = 0.95
    ) -> Any:
        """How likely each row is the best, and its rank, draw by draw.

        Parameters
        ----------
        of
            Columns along which rows are ranked, as in `contrast`.
        best
            "highest" or "lowest".
        prob
            Probability of the equal-tailed interval of the rank.

        Returns
        -------
        DataFrame
            The rows of the grid:

            - its columns;
            - prob_best: probability of being the best, shared by rows that are equal;
            - mean_rank: from 1;
            - lower, upper: of the rank.

        Raises
        ------
        ModelError
            `best` is neither, or there is one row alone.

        See Also
        --------
        contrast : By how much.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> machines = mb.load_data("machines")
        >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
        >>> fit.means("Machine").rank()
          Machine prob_best mean_rank lower upper
        0       A         0         3     3     3
        1       B         0         2     2     2
        2       C         1         1     1     1
        """
        if best not in ("highest", "lowest"):
            raise ModelError(f'best={best!r} is not "highest" or "lowest"')
        along = self._along(of)
        rest = [name for name in self.grid if name not in along]
        sign = -1.0 if best == "highest" else 1.0
        out = np.empty((4, len(self.grid)))
        for _, at in self._groups(rest):
            if len(at) < 2:
                where = f" along {', '.join(along)}" if along else ""
                raise ModelError(
                    f"there is one row{where}: nothing to rank; ask for several values of a column"
                )
            x = sign * self.sampled[at]
            unit = (3 * SLOPE_ROUNDING if self.kind == "slopes" else ROUNDING) * np.abs(x).max(
                axis=0
            )
            x = np.round(x / np.where(unit > 0, unit, 1.0))  # equal but for rounding
            first = x == x.min(axis=0)
            ranks = 1.0 + np.stack(
                [(x < row).sum(axis=0) + ((x == row).sum(axis=0) - 1) / 2 for row in x]
            )
            out[0, at] = (first / first.sum(axis=0)).mean(axis=1)
            out[1, at] = ranks.mean(axis=1)
            out[2:, at] = Description(prob).ends(ranks)
        columns = dict(zip(("prob_best", "mean_rank", "lower", "upper"), out, strict=True))
        table = self.grid.rename(columns={n: apart(str(n), columns, "value") for n in self.grid})
        table = table.assign(**columns)
        table.attrs["question"] = f"Rank, the {best} being the best, of: {self.question}"
        return answer(table, self.library)

    def hypothesis(
        self, *texts: str, rope: tuple[float, float] | None = None, prob: float = 0.95
    ) -> Any:
        """Statements about rows, which are called b1, b2, ... in their order.

        Parameters
        ----------
        texts
            Such as "b2 - b1 > 0" or "b1 < b2 < b3"; see `Fit.hypothesis`.
        rope
            Region of practical equivalence, in the unit of the estimates.
        prob
            Probability of the equal-tailed intervals.

        Returns
        -------
        DataFrame
            The columns of `Fit.hypothesis`, without evidence ratios.

        Raises
        ------
        FormulaError
            A statement is not understood; a caret shows the place.
        ModelError
            `rope` or `prob` is not understood.

        See Also
        --------
        hypothesis : Of `Fit`: about parameters.
        contrast : Differences of rows.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> machines = mb.load_data("machines")
        >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
        >>> asked = fit.means("Machine").hypothesis("b1 < b2 < b3", "b3 - b2 > 5")
        >>> asked[["hypothesis", "probability"]]
        hypothesis    probability
        b1 < b2 < b3        1.000
        b3 - b2 > 5        0.8080
        estimate, sd and the 95 % interval: of the left side minus the right, or of the expression.
        probability: that the statement holds, given the data and the model; mcse: its Monte Carlo
        standard
        error.
        """
        named = {f"b{k}": draws for k, draws in enumerate(self.sampled, start=1)}
        found = hypotheses(texts, named, chains=self.chains, rope=rope, prob=prob)
        return answer(found, self.library)

    def describe(
        self,
        statistics: Statistics = None,
        *,
        interval: Interval = "eti",
        prob: float = 0.95,
    ) -> Estimates:
        """The same quantities with other columns: medians, another interval.

        Parameters
        ----------
        statistics
            Columns by name, in the place of mean, sd, prob_positive and mcse: "median", "mad", ...
        interval
            "eti": equal tails; "hdi": highest density, the shortest.
        prob
            Probability of the interval.

        Returns
        -------
        Estimates
            The same draws, another table.

        Raises
        ------
        ModelError
            A statistic, the interval or `prob` is not known.

        See Also
        --------
        describe : Of `Fit`: parameters.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> machines = mb.load_data("machines")
        >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
        >>> fit.means("Machine").describe(["median", "mad"], interval="hdi", prob=0.89)
        Expected score by Machine; population of Worker averaged over.
        <BLANKLINE>
          Machine median   mad lower upper
        0       A  52.34 1.593 47.89 56.32
        1       B  60.28 1.619 56.33 64.84
        2       C  66.20 1.613 61.57 69.93
        """
        asked = Description.asked(prob, statistics, interval, default=COLUMNS)
        return replace(self, description=asked)

    # ---- a table -------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.table, name)

    def __getitem__(self, key: Any) -> Any:
        return self.table[key]

    def __iter__(self) -> Any:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.grid)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise ModelError(
            "estimates are no array, in which their columns would have no names: `.table` is their "
            "data frame, `.sampled` are their draws, an array with a row for each estimate"
        )

    def __repr__(self) -> str:
        return printable(f"{textwrap.fill(self.question, WIDTH)}\n\n{self.frame!r}")

    def _repr_html_(self) -> str:
        return f"<p>{escaped(self.question)}</p>{self.frame._repr_html_()}"

    # ---- rows ----------------------------------------------------------------------------------

    def _along(self, of: str | Sequence[str] | None) -> list[str]:
        if of is None:
            varies = [n for n in self.by if self.grid[n].nunique() > 1]
            asked = [n for n in self.focal if self.grid[n].nunique() > 1]
            found = (asked or varies) if self.kind == "means" else (varies or asked)
            return found or list(self.grid)[:1]
        named = names_of(of, "of")
        for name in named:
            if name not in self.grid:
                has = ", ".join(map(str, self.grid)) or "none"
                raise ModelError(f"of={name!r} is no column of this result, which has {has}")
        return named

    def _groups(self, rest: Sequence[str]) -> list[tuple[dict[str, Any], Ints]]:
        """Rows that are equal in some columns, with these."""
        if not rest:
            return [({}, np.arange(len(self.grid)))]
        keys = list(self.grid[list(rest)].itertuples(index=False, name=None))
        places: dict[Any, list[int]] = {}
        for k, key in enumerate(keys):
            places.setdefault(key, []).append(k)
        return [(dict(zip(rest, key, strict=True)), np.array(at)) for key, at in places.items()]

    @property
    def _rounding(self) -> float:
        """Below which, in proportion, numbers are equal."""
        return 3 * SLOPE_ROUNDING if self.kind == "slopes" else ROUNDING

    def _weighted(self, weights: Mapping[Any, float], levels: Sequence[str], at: Ints) -> Floats:
        total = np.zeros(self.sampled.shape[1])
        for level, w in weights.items():
            if label(level) not in levels:
                raise ModelError(f"{level!r} is none of the levels {', '.join(levels)}")
            if (
                isinstance(w, bool)
                or not isinstance(w, int | float | np.number)
                or not np.isfinite(w)
            ):
                raise ModelError(f"the weight {w!r} of {level!r} is not a finite number")
            total += float(w) * self.sampled[at[levels.index(label(level))]]
        return total

    def _next(
        self,
        grid: pd.DataFrame,
        values: Floats,
        focal: tuple[str, ...],
        by: tuple[str, ...],
        question: str,
        null: float,
        axis: Axis,
    ) -> Estimates:
        return replace(
            self, grid=grid, sampled=values, focal=focal, by=by, question=question, null=null,
            kind="comparisons", axis=axis,
        )  # fmt: skip


def _text(grid: pd.DataFrame, row: int, names: Sequence[str]) -> str:
    return ", ".join(label(grid[name].iloc[row]) for name in names)


def _sum_label(weights: Mapping[Any, float]) -> str:
    return " + ".join(f"{w:g} {label(level)}" for level, w in weights.items()).replace("+ -", "- ")


def _like(found: pd.DataFrame, grid: pd.DataFrame) -> pd.DataFrame:
    """Columns of the types that they have in another frame."""
    return found.astype({n: grid[n].dtype for n in found if n in grid})
