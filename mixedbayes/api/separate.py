"""One model of each of many data sets, every one by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import extract_tb
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes.api.fitting import as_sampled
from mixedbayes.api.model import Fit, Model
from mixedbayes.api.parallel import each, processes
from mixedbayes.api.sampled import Sampled
from mixedbayes.design.table import eager, table
from mixedbayes.engines.run import Run
from mixedbayes.errors import DataError, MixedBayesError, ModelError
from mixedbayes.estimands.result import Estimates
from mixedbayes.predict.streams import named_stream
from mixedbayes.printable import escaped
from mixedbayes.results.library import answer
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.quantities import quantities
from mixedbayes.results.summary import diagnostics
from mixedbayes.results.tables import apart
from mixedbayes.results.text import as_table, plural
from mixedbayes.sample.convergence import ConvergenceReport
from mixedbayes.sample.settings import Settings
from mixedbayes.simulation.simulate import response_column

type Unit = Hashable  # a value of the column, or a tuple of those of several


@dataclass(frozen=True, eq=False)
class One:
    """A fit that is to be made: the function makes its model."""

    frame: pd.DataFrame
    model: Callable[[pd.DataFrame], Model]
    settings: Settings
    cache: str | Path | None
    keep: bool

    def sampled(self) -> Sampled:
        return Sampled.of(self.model(self.frame), self.settings, self.cache)

    def with_draws(self, idata: xr.DataTree, run: Run) -> Sampled:
        """Draws that another process made, with the model made again.

        Models do not travel: pickle would have to find functions of a notebook by their names.
        """
        model = self.model(self.frame)
        post = Posterior(model.spec, idata, run)
        return Sampled(as_sampled(model, model.formulation, post), post)


@dataclass(frozen=True, eq=False)
class Found:
    """What came of it: draws, where they are kept, and tables; or why there are none."""

    draws: tuple[xr.DataTree, Run] | None
    table: pd.DataFrame | None
    health: Mapping[str, Any]
    kind: type[MixedBayesError] | None = None  # of the error


@dataclass(frozen=True, eq=False, repr=False)
class Fits:
    """The same model fitted to many data sets, each by itself; see `fit_many`.

    ``fits[unit]`` is the `Fit` of one, by the value of the column, or by a tuple of those of
    several.
    """

    tasks: Mapping[Unit, One]
    found: Mapping[Unit, Found]
    by: tuple[str, ...]
    title: str
    library: str
    _read: dict[Unit, Fit] = field(default_factory=dict, init=False)

    def __getitem__(self, unit: Unit) -> Fit:
        if not isinstance(unit, Hashable) or unit not in self.found:
            some = ", ".join(map(repr, list(self.found)[:5]))
            raise ModelError(f"there is no fit of {unit!r}; there are {some}, ...")
        own = self.found[unit]
        if own.health["error"]:
            raise ModelError(f"{unit!r} has no fit: {own.health['error']}")
        if unit not in self._read:  # from the cache, where there is one
            task = self.tasks[unit]
            fit = (task.with_draws(*own.draws) if own.draws else task.sampled()).fit
            fit.library = self.library
            self._read[unit] = fit
        return self._read[unit]

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def units(self) -> Any:
        """How each fit fared.

        Returns
        -------
        DataFrame
            One row per unit; a unit's column that is called as one of these is `rows_unit` and the
            like:

            - the columns that tell units apart;
            - rows: how many were used;
            - seconds: that the fit took;
            - divergences: trajectories that diverged;
            - rhat: the largest;
            - ess_bulk, ess_tail: the smallest effective numbers of draws;
            - converged: whether no check failed;
            - error: why there is no fit, empty where there is one.

        See Also
        --------
        table : Every quantity.
        apply : Any other question.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy").head(30)
        >>> many = mb.fit_many("Reaction ~ Days", sleep, by="Subject", seed=1)
        >>> many.units()[["Subject", "rows", "converged"]]
          Subject  rows  converged
        0     308    10       True
        1     309    10       True
        2     310    10       True
        """
        none = _health(None, 0.0, "")
        called = {name: apart(name, none, "unit") for name in self.by}
        rows = [
            {**{called[k]: v for k, v in self._labels(u).items()}, **f.health}
            for u, f in self.found.items()
        ]
        return answer(as_table(pd.DataFrame(rows)), self.library)

    def table(self) -> Any:
        """Every quantity of every fit, those of `Fit.describe`.

        Returns
        -------
        DataFrame
            One row per unit and quantity; units without a fit have none:

            - the columns that tell units apart;
            - table, quantity, mean, sd, lower, upper, ess_bulk, rhat: as in `Fit.describe`.

        See Also
        --------
        units : How each fit fared.
        apply : Any other question.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy").head(30)
        >>> many = mb.fit_many("Reaction ~ Days", sleep, by="Subject", seed=1)
        >>> many.table()[["Subject", "quantity", "mean", "sd"]].head(4)
          Subject      quantity   mean     sd
        0     308         sigma  54.42  16.08
        1     308     Intercept  245.8  33.00
        2     308          Days  21.47  6.172
        3     308  r2[marginal] 0.5825 0.1828
        """
        return self._joined((u, f.table) for u, f in self.found.items() if f.table is not None)

    def apply(self, function: Callable[[Fit], Any] | str, *args: Any, **kwargs: Any) -> Any:
        """A table of every fit, one below the other.

        Parameters
        ----------
        function
            A function of a fit that returns a data frame, or what `Fit.means`, `comparisons` and
            `slopes` return, ``lambda fit: fit.comparisons("x")``; or the name of a method of `Fit`,
            ``"ranef"``.
        args, kwargs
            Of the method or function.

        Returns
        -------
        DataFrame
            The unit's columns, and those of the tables, one below the other.

        Raises
        ------
        ModelError
            What is returned is no data frame.

        See Also
        --------
        table : Every quantity.
        units : How each fit fared.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy").head(30)
        >>> many = mb.fit_many("Reaction ~ Days", sleep, by="Subject", seed=1)
        >>> slopes = many.apply("slopes", "Days")
        >>> slopes[["Subject", "term", "mean", "sd"]]
          Subject  term  mean    sd
        0     308  Days 21.47 6.172
        1     309  Days 2.195 1.111
        2     310  Days 6.043 1.592
        """
        if isinstance(function, str) and not hasattr(Fit, function):
            raise ModelError(
                f'apply({function!r}): a fit has no such method; name one, as "ranef", or give a '
                "function of a fit"
            )
        tables = []
        for unit, own in self.found.items():
            if own.health["error"]:
                continue
            fit = self[unit]
            got = (
                getattr(fit, function)(*args, **kwargs)
                if isinstance(function, str)
                else function(fit, *args, **kwargs)
            )
            if isinstance(got, Estimates):
                got = got.table
            if not hasattr(got, "columns"):
                raise ModelError(
                    f"apply() puts data frames together, and of {unit!r} there is "
                    f"{type(got).__name__}"
                )
            tables.append((unit, pd.DataFrame(table(got, got.columns).frame())))
        return self._joined(tables)

    def _joined(self, tables: Any) -> Any:
        parts = []
        for unit, own in tables:
            labels = self._labels(unit)
            parts.append(
                own.assign(**{apart(k, own.columns, "unit"): v for k, v in labels.items()})[
                    [*(apart(k, own.columns, "unit") for k in labels), *own.columns]
                ]
            )
        if not parts:
            raise ModelError("none of the units has a fit; units() says why")
        return answer(as_table(pd.concat(parts, ignore_index=True)), self.library)

    def _labels(self, unit: Unit) -> dict[str, Any]:
        values: tuple[Any, ...] = (unit,)
        if len(self.by) > 1:
            assert isinstance(unit, tuple)
            values = unit
        return dict(zip(self.by, values, strict=True))

    def _said(self) -> str:
        health = [f.health for f in self.found.values()]
        failed = sum(bool(h["error"]) for h in health)
        poor = sum(not h["error"] and not h["converged"] for h in health)
        said = f"{plural(len(health), 'fit')} of {self.title}, by {', '.join(self.by)}"
        if failed:
            said += f"; {failed:,} without a fit"
        if poor:
            said += f"; {poor:,} not converged"
        return f"{said}. units() has the health of each, table() every quantity, fits[unit] a fit."

    def __repr__(self) -> str:
        return self._said()

    def _repr_html_(self) -> str:
        return f"<p>{escaped(self._said())}</p>"


def fit_each(
    frames: Mapping[Unit, pd.DataFrame],
    model: Callable[[pd.DataFrame], Model],
    how: Settings,
    *,
    cache: str | Path | None,
    by: Sequence[str],
    title: str,
    library: str,
    seed: int,
    workers: int | None,
    keep: bool,
    progress: bool,
) -> Fits:
    """A fit of every unit, with seeds that depend on the unit alone.

    `model` makes one of a frame, and travels to other processes with each.
    """
    own = replace(how, progress=False)
    if processes(workers) > 1:
        own = replace(own, cores=1)
    tasks = {
        unit: One(frame, model, replace(own, seed=unit_seed(seed, unit)), cache, keep)
        for unit, frame in frames.items()
    }
    again = "" if cache is None else "; with the same cache= those done are not repeated"
    found = list(
        each(
            _fit, list(tasks.values()), workers=workers, title="Fitting", progress=progress,
            remedy=again,
        )
    )  # fmt: skip
    _check_some(found)
    return Fits(tasks, dict(zip(tasks, found, strict=True)), tuple(by), title, library)


def _check_some(found: Sequence[Found]) -> None:
    """Raise what every fit failed for, where that is the same: it is what was asked, not a unit."""
    first, said = found[0], {own.health["error"] for own in found}
    if first.kind is not None and len(found) > 1 and len(said) == 1:
        raise first.kind(
            f"none of {plural(len(found), 'data set')} could be fitted, all for one reason: "
            f"{first.health['error']}"
        )


def unit_seed(seed: int, unit: Unit) -> int:
    """The seed of one unit: the same whichever others there are, and of 1, 1.0 and True."""
    return int(named_stream(seed, f"unit {_level(unit)!r}").integers(2**31))


def _level(unit: Any) -> Unit:
    """Equal units as one: whole numbers where they are such."""
    if isinstance(unit, tuple):
        return tuple(map(_level, unit))
    whole = isinstance(unit, bool) or (isinstance(unit, float) and unit.is_integer())
    return int(unit) if whole else unit


def _plain(unit: Any) -> Unit:
    """A unit in Python's own types, by whatever types of numbers the data have it."""
    if isinstance(unit, tuple):
        return tuple(map(_plain, unit))
    return unit.item() if isinstance(unit, np.generic) else unit


def _fit(task: One) -> Found:
    start = time.perf_counter()
    try:
        post = task.sampled().posterior
        seconds = time.perf_counter() - start
        described, health = pd.DataFrame(quantities(post)), _health(post, seconds, "")
    except Exception as error:  # also of a function of the user's: other units have a fit
        seconds = time.perf_counter() - start
        kind = type(error) if isinstance(error, MixedBayesError) else ModelError
        return Found(None, None, _health(None, seconds, _said(error)), kind)
    return Found((post.idata, post.made) if task.keep else None, described, health)


def _said(error: Exception) -> str:
    """An error in words: ours say all, of others kind and place are named."""
    if isinstance(error, MixedBayesError) and str(error):
        return str(error)
    at = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(at.filename).name}, line {at.lineno})"


def _health(post: Posterior | None, seconds: float, error: str) -> dict[str, Any]:
    if post is None:
        none = float("nan")
        return {
            "rows": 0, "seconds": seconds, "divergences": 0, "rhat": none, "ess_bulk": none,
            "ess_tail": none, "converged": False, "error": error,
        }  # fmt: skip
    judged = worst(diagnostics(post))
    return {"rows": post.design.used, "seconds": seconds, **judged, "error": ""}


def worst(report: ConvergenceReport) -> dict[str, Any]:
    """Divergences, the largest rhat, the smallest effective sizes, and whether that will do."""
    return {
        "divergences": report.divergences,
        "rhat": float(report.table["rhat"].max()),
        "ess_bulk": float(report.table["ess_bulk"].min()),
        "ess_tail": float(report.table["ess_tail"].min()),
        "converged": report.ok,
    }


# ---- which units -------------------------------------------------------------------------------


def by_columns(data: Any, by: Sequence[str]) -> dict[Unit, pd.DataFrame]:
    """The rows of every combination of values, in the order in which these occur."""
    if not by or len(set(by)) < len(by):
        raise ModelError(
            f'by={list(by)!r} does not name columns, each once: by="region", or '
            'by=["region", "year"]'
        )
    frame = eager(data)
    if not isinstance(frame, pd.DataFrame):
        frame = table(frame, frame.columns).frame()
    for name in by:
        if name not in frame:
            raise DataError(f"by: the data have no column {name!r}")
        if (times := list(frame.columns).count(name)) > 1:
            raise DataError(f"by: {name!r} stands {times} times in the data; keep one of them")
        if count := int(frame[name].isna().sum()):
            raise DataError(
                f"by: {name!r} is missing in {plural(count, 'row')}, of no unit then: leave them "
                "out, or give them a value"
            )
        lists = frame[name].dtype == object  # perhaps
        if lists and not all(isinstance(value, Hashable) for value in frame[name]):
            raise DataError(
                f"by: {name!r} holds lists or the like, which tell no units apart: make labels of "
                "them, as text or numbers"
            )
    grouped = frame.groupby(by[0] if len(by) == 1 else list(by), observed=True, sort=False)
    return {_plain(unit): _without_unused(own.reset_index(drop=True)) for unit, own in grouped}


def _without_unused(frame: pd.DataFrame) -> pd.DataFrame:
    """Categories that a unit does not have are none of its model."""
    categories = frame.select_dtypes("category").columns
    return frame.assign(**{c: frame[c].cat.remove_unused_categories() for c in categories})


def by_responses(model: Model, responses: Any) -> dict[Unit, pd.DataFrame]:
    """The model's data with one of several responses in the place of its own."""
    what = "fit_many() of a model and responses"
    name, design = response_column(model.formula, what), model.design
    if design.standing is not None:
        raise ModelError(design.standing.refusal(what, design.whole.columns))
    if not hasattr(responses, "columns"):
        responses = np.asarray(responses)
        if responses.ndim > 2:
            raise DataError(
                f"the responses are an array of shape {responses.shape}: it is (n, R), a column "
                "for each response"
            )
        responses = pd.DataFrame(responses)
    frame = eager(responses)
    if not isinstance(frame, pd.DataFrame):
        frame = table(frame, frame.columns).frame()
    if len(frame) != len(model.data):
        raise DataError(
            f"the responses have {len(frame):,} rows, and the model's data {len(model.data):,}: a "
            "column is one response of all of them"
        )
    if not len(frame.columns):
        raise DataError("the responses have no column: give one for each fit")
    if twice := [name for name in frame if list(frame.columns).count(name) > 1]:
        raise DataError(
            f"the responses have {plural(list(frame.columns).count(twice[0]), 'column')} "
            f"{twice[0]!r}, and a fit goes by its column's name: give each its own"
        )
    rows = model.data
    return {_plain(unit): rows.assign(**{name: frame[unit].set_axis(rows.index)}) for unit in frame}
