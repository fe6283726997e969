"""What stateful functions learn of all rows: polynomials, splines between quantiles.

A call is learned in steps, each of which reads the rows once more: `none`, `add` and `combine` are
those of a pass, and `after` gives the next step, or the state that the function has in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mixedbayes.batches.columns import Scan, complete
from mixedbayes.batches.distinct import MOST, Counted, Distinct, Search
from mixedbayes.batches.evaluate import Evaluation, settings_of, state_of
from mixedbayes.batches.first import Seen
from mixedbayes.batches.reading import Reading
from mixedbayes.design.functions import REGISTERED, State
from mixedbayes.errors import DataError
from mixedbayes.formula.nodes import Call, unparse
from mixedbayes.numerics.double import Floats

_TRIED = 1000  # values between bounds on which a spline's settings are tried


class Step[S](ABC):
    """One more reading of the values from which a call learns."""

    @abstractmethod
    def none(self) -> S:
        """What is known of no rows."""

    @abstractmethod
    def add(self, into: S, x: Floats) -> None:
        """More rows, (n,)."""

    @abstractmethod
    def combine(self, a: S, b: S) -> S:
        """Of the rows of both; neither is changed."""

    @abstractmethod
    def after(self, found: S) -> Step[Any] | State:
        """The next step, or what the call has learned."""


# ---- polynomials ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Polynomial(Step[tuple[list[Scan], Distinct]]):
    """Recurrence of orthogonal polynomials, P_k+1 = (x - alpha_k) P_k - (norm_k / norm_k-1) P_k-1.

    Step k reads norm_k, the sum of P_k^2, and alpha_k, the mean of x with weights P_k^2.
    """

    text: str
    degree: int
    alpha: tuple[float, ...]
    norms: tuple[float, ...]

    def none(self) -> tuple[list[Scan], Distinct]:
        return [Scan(), Scan()], Distinct(self.degree)

    def add(self, into: tuple[list[Scan], Distinct], x: Floats) -> None:
        (squares, products), distinct = into
        before, p = np.zeros(len(x)), np.ones(len(x))
        for k, alpha in enumerate(self.alpha):
            after = (x - alpha) * p
            if k:
                after -= self.norms[k] / self.norms[k - 1] * before
            before, p = p, after
        squares.add(p)
        products.add((x - self.alpha[0]) * p**2)
        if len(self.alpha) == 1:
            distinct.add(x)

    def combine(
        self, a: tuple[list[Scan], Distinct], b: tuple[list[Scan], Distinct]
    ) -> tuple[list[Scan], Distinct]:
        return [s.combine(t) for s, t in zip(a[0], b[0], strict=True)], a[1].combine(b[1])

    def after(self, found: tuple[list[Scan], Distinct]) -> Step[Any] | State:
        (squares, products), distinct = found
        distinct.settle()
        if len(self.alpha) == 1 and not distinct.over:
            raise DataError(
                f"{self.text}: degree {self.degree} needs more than {self.degree} distinct values"
            )
        norm = sum(squares.squares)
        norms = (*self.norms, norm)
        if len(norms) > self.degree:
            return {"alpha": list(self.alpha), "norms2": list(norms)}
        alpha = self.alpha[0] + sum(products.sum) / norm
        return replace(self, alpha=(*self.alpha, alpha), norms=norms)


# ---- splines -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spline:
    """What the steps of a spline share.

    Attributes
    ----------
    read, call
        Whose spline it is.
    state
        That it has but for its knots, and but for its constraint.
    inner
        How many knots there are between the bounds; None where they are the user's.
    """

    read: Reading
    call: Call
    state: Mapping[str, Any]
    inner: int | None
    degree: int
    centred: bool

    @property
    def bounds(self) -> tuple[float, float]:
        return float(self.state["lower_bound"]), float(self.state["upper_bound"])

    def with_knots(self, knots: list[float]) -> Step[Any] | State:
        """After the inner knots are known."""
        low, high = self.bounds
        own = [low, *knots, high]
        own = [own[0]] * self.degree + own + [own[-1]] * self.degree
        found = replace(self, state={**self.state, "knots": own}, inner=None)
        return found.next()

    def next(self) -> Step[Any] | State:
        return Centre(self) if self.centred else dict(self.state)


@dataclass(frozen=True)
class Quantiles(Step[Counted]):
    """Inner knots at quantiles of all rows: those of `bs`."""

    of: Spline
    search: Search

    def none(self) -> Counted:
        return self.search.none()

    def add(self, into: Counted, x: Floats) -> None:
        self.search.add(into, x)

    def combine(self, a: Counted, b: Counted) -> Counted:
        return a.combine(b)

    def after(self, found: Counted) -> Step[Any] | State:
        assert self.of.inner is not None
        share = np.linspace(0, 1, self.of.inner + 2)[1:-1]

        def ranks(n: int) -> list[int]:
            low = np.floor(share * (n - 1)).astype(np.int64)
            return [int(r) for k in low for r in (k, min(k + 1, n - 1))]

        values, search = self.search.after(found, ranks)
        if values is None:
            return replace(self, search=search)
        n = self.search.rows(found)
        between = share * (n - 1) - np.floor(share * (n - 1))
        pairs = np.reshape(values, (-1, 2))
        knots = [float(np.quantile(p, t)) for p, t in zip(pairs, between, strict=True)]
        return self.of.with_knots(knots)


@dataclass(frozen=True)
class DistinctQuantiles(Step[Distinct]):
    """Inner knots at quantiles of the distinct values between the bounds: those of `cr`, `cc`."""

    of: Spline

    def none(self) -> Distinct:
        return Distinct(MOST)

    def add(self, into: Distinct, x: Floats) -> None:
        low, high = self.of.bounds
        into.add(x[(low <= x) & (x <= high)])

    def combine(self, a: Distinct, b: Distinct) -> Distinct:
        return a.combine(b)

    def after(self, found: Distinct) -> Step[Any] | State:
        assert self.of.inner is not None
        text, inner = unparse(self.of.call), unparse(self.of.call.arguments[0])
        values, _ = found.values()
        if found.over:
            raise DataError(
                f"{text}: the knots are quantiles of the distinct values of {inner}, of which "
                f"there are more than {MOST:,}, and the data are read in batches; round {inner} "
                f"to fewer values, or give knots of yours, "
                f"{self.of.call.function}({inner}, knots=[10, 20, 30])"
            )
        share = np.linspace(0, 100, self.of.inner + 2)[1:-1]
        knots = np.percentile(values, share).tolist() if len(values) and len(share) else []
        if len({*knots, *self.of.bounds}) < self.of.inner + 2:
            low, high = self.of.bounds
            raise DataError(
                f"{text}: the {len(values)} distinct values of {inner} from {low:g} to {high:g} "
                f"do not give {self.of.inner + 2} distinct knots; ask for fewer columns by df="
            )
        return self.of.with_knots(knots)


@dataclass(frozen=True)
class Centre(Step[list[Scan]]):
    """Means of the columns of `cr` and `cc`, which are taken out of them."""

    of: Spline

    def none(self) -> list[Scan]:
        return []

    def add(self, into: list[Scan], x: Floats) -> None:
        own = settings_of(self.of.read, self.of.call)
        beyond = "clip" if own.get("extrapolation") == "clip" else "extend"
        function = REGISTERED[self.of.call.function].call
        free = {**self.of.state, "constraints": None}
        columns = function(free, x, df=1, constraints=None, extrapolation=beyond)
        each = [np.ones(len(x)), *columns.T]
        into.extend(Scan() for _ in range(len(each) - len(into)))
        for scan, column in zip(into, each, strict=True):
            scan.add(np.ascontiguousarray(column))

    def combine(self, a: list[Scan], b: list[Scan]) -> list[Scan]:
        if not (a and b):
            return a or b
        return [s.combine(t) for s, t in zip(a, b, strict=True)]

    def after(self, found: list[Scan]) -> Step[Any] | State:
        n = int(sum(found[0].sum))
        return {**self.of.state, "constraints": [[scan.mean(n) for scan in found[1:]]]}


# ---- what is learned first -----------------------------------------------------------------------


def _mean(read: Reading, call: Call, scan: Scan, n: int) -> State:
    """Of `center`."""
    return {"mean": scan.mean(n)}


def _mean_sd(read: Reading, call: Call, scan: Scan, n: int) -> State:
    """Of `scale`."""
    return {"mean": scan.mean(n), "sd": scan.sd(n)}


def _poly(read: Reading, call: Call, scan: Scan, n: int) -> Step[Any] | State:
    settings = settings_of(read, call)
    state_of(read, call, np.linspace(scan.low, scan.high, _TRIED))  # whether they can be
    mean, degree = scan.mean(n), settings["degree"]
    if degree == 1:
        return {"alpha": [mean], "norms2": [float(n), scan.sd(n) ** 2 * (n - 1)]}
    return Polynomial(unparse(call), degree, (mean,), (float(n),))


def _spline(read: Reading, call: Call, scan: Scan, n: int) -> Step[Any] | State:
    settings = settings_of(read, call)
    low, high = settings.get("lower_bound"), settings.get("upper_bound")
    low = scan.low if low is None else max(scan.low, float(low))
    high = scan.high if high is None else min(scan.high, float(high))
    tried = np.linspace(low, high, _TRIED) if low <= high else np.zeros(0)
    state = state_of(read, call, np.concatenate([[scan.low, scan.high], tried]))
    of_rows = call.function == "bs"
    degree = settings.get("degree", 3) if of_rows else 0
    centred = not of_rows and settings.get("constraints", "center") == "center"
    inner = len(state["knots"]) - 2 * (degree + 1) if settings.get("df") is not None else None
    spline = Spline(read, call, state, inner, degree, centred)
    if inner is None:
        return spline.next()
    if inner == 0:
        return spline.with_knots([])
    if not of_rows:
        return DistinctQuantiles(spline)
    if settings.get("extrapolation", "raise") in ("raise", "extend"):
        low, high = scan.low, scan.high  # rows beyond the bounds count, too
    return Quantiles(spline, Search.between(low, high))


FIRST: Mapping[str, Callable[[Reading, Call, Scan, int], Step[Any] | State]] = {
    "center": _mean,
    "scale": _mean_sd,
    "poly": _poly,
    "bs": _spline,
    "cr": _spline,
    "cc": _spline,
}


# ---- passes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LearningPass:
    """A step of each call that is not learned yet; two pure functions."""

    read: Reading
    steps: Mapping[str, Step[Any]]

    def partial(self, batches: Iterable[Any]) -> dict[str, Any]:
        """What some record batches say."""
        found = {text: step.none() for text, step in self.steps.items()}
        for batch in batches:
            kept, _ = complete(batch, self.read.columns)
            if batch.num_rows == 0 or (kept is not None and not kept.any()):
                continue
            rows = Evaluation(self.read, {}, {}).rows(batch, kept, self.read.inside)
            for text, step in self.steps.items():
                step.add(found[text], rows.array(self.read.learned[text].arguments[0]))
        return found

    def combine(self, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        """What both say; neither is changed."""
        return {text: step.combine(a[text], b[text]) for text, step in self.steps.items()}


def learned(
    read: Reading, seen: Seen, run: Callable[[LearningPass], dict[str, Any]]
) -> dict[str, State]:
    """What each call has learned after the first pass and as many more as it needs.

    Parameters
    ----------
    read
        Of the first pass.
    seen
        What it found.
    run
        Makes one more pass.

    Raises
    ------
    DataError
        The settings of a call, or the values of its column, do not give it.
    """
    found: dict[str, Step[Any] | State] = {
        text: FIRST[call.function](read, call, seen.scans[text], seen.used)
        for text, call in read.learned.items()
    }
    while steps := {text: step for text, step in found.items() if isinstance(step, Step)}:
        sums = run(LearningPass(read, steps))
        found |= {text: step.after(sums[text]) for text, step in steps.items()}
    return {text: state for text, state in found.items() if not isinstance(state, Step)}
