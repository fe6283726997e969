"""What a user gave of a family, tried at typical values: errors come before any model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from types import CodeType, FunctionType
from typing import Any, NoReturn

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.families import python_rows
from mixedbayes.families.base import Bools
from mixedbayes.families.links import Link
from mixedbayes.families.own_failures import FunctionError, first_line

_NODES, _REACH = 20_001, 4.2  # of the double exponential rule
_MOST = 20_000  # counts on either side that are summed
_WRONG = 0.005  # of a total of 1, and of distribution functions
_WRONG_MOMENT = 0.02
_WRONG_SLOPE = 1e-6
_MOST_IN_ORDERS = 4  # parameters whose order is looked for
_DRAWS, _FAR = 2000, 0.07  # of the distribution of so many draws; by chance once in 10^8


_ARRAYS = "; it is called with arrays: use functions of numpy, np.exp(x), np.where(x > 0, a, b)"
_CALLED_WITH = dict.fromkeys(("scipy", "mean", "variance", "cdf", "simulate"), _ARRAYS) | {
    "pytensor": "; it is called with tensors: use functions of pytensor.tensor, pt.exp(x)"
}


def refuse(name: str, said: str) -> NoReturn:
    raise ModelError(f"mb.custom({name!r}): {said}")


def called(name: str, what: str, function: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """A function's result; its own exceptions as ModelError."""
    try:
        with np.errstate(all="ignore"):
            return function(*given, **options)
    except FunctionError as e:
        raise FunctionError(f"mb.custom({name!r}): {e.fact}", e.place, e.remedy) from e.__cause__
    except Exception as e:
        remedy = _CALLED_WITH.get(what, "") if isinstance(e, TypeError | ValueError) else ""
        refuse(name, f"{what}= failed with {type(e).__name__}: {first_line(e).rstrip('.')}{remedy}")


def check_signature(
    name: str, what: str, function: Any, wanted: Sequence[str], *, rng: bool = False
) -> None:
    """ModelError unless a function can be called with these arguments, in this order."""
    shown = f"({', '.join([*wanted, *(['rng'] if rng else [])])})"
    if not callable(function):
        refuse(name, f"{what}={function!r} is no function; give one of {shown}")
    try:
        signature = inspect.signature(getattr(function, "py_func", function))
    except (TypeError, ValueError):  # some that are not written in Python
        return
    try:
        signature.bind(*wanted, **({"rng": None} if rng else {}))
    except TypeError as e:
        refuse(name, f"{what}= is called with {shown}, but takes {signature} ({e})")
    for place, own in enumerate(signature.parameters.values()):
        if own.kind is own.VAR_POSITIONAL:
            return
        if own.name in wanted and wanted.index(own.name) != place:
            refuse(
                name,
                f"{what}= takes {signature} in this order, but is called with {shown}, the order "
                "of links=",
            )


def prints(function: Any) -> bool:
    """Whether a function of Python, or one that it calls by name, calls print()."""
    seen: list[Any] = []

    def within(function: Any) -> bool:
        if not isinstance(function, FunctionType) or function in seen:
            return False
        seen.append(function)
        names = set(_names(function.__code__))
        found = {name: function.__globals__.get(name) for name in names}
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        found |= {name: cell.cell_contents for name, cell in cells}
        return ("print" in names and found.get("print") is None) or any(
            within(getattr(other, "py_func", other)) for other in found.values()
        )

    return within(getattr(function, "py_func", function))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


@dataclass(frozen=True, eq=False)
class Trial:
    """A family at one value of mu and the parameters."""

    name: str
    discrete: bool
    lower: float
    upper: float
    values: Mapping[str, float]  # mu first

    @property
    def place(self) -> str:
        return ", ".join(f"{k} = {v:.4g}" for k, v in self.values.items())

    def nodes(self) -> tuple[Floats, Floats]:
        """Responses over the whole support and their weights in a sum that is an integral."""
        a, b = self.lower, self.upper
        if self.discrete:
            centre = self.values["mu"] if np.isinf(a) and np.isinf(b) else 0.0
            first = max(a, np.floor(centre) - _MOST) if np.isinf(b) or np.isfinite(a) else b - _MOST
            y = np.arange(first, min(b, first + 2 * _MOST) + 1)
            return y, np.ones(len(y))
        u = np.linspace(-_REACH, _REACH, _NODES)
        t, dt = 0.5 * np.pi * np.sinh(u), 0.5 * np.pi * np.cosh(u) * (u[1] - u[0])
        with np.errstate(all="ignore"):
            if np.isfinite(a) and np.isfinite(b):
                share = special.expit(2 * t)
                y, w = a + (b - a) * share, 2 * (b - a) * share * special.expit(-2 * t) * dt
            elif np.isfinite(a):
                y, w = a + np.exp(t), np.exp(t) * dt
            elif np.isfinite(b):
                y, w = b - np.exp(t[::-1]), np.exp(t[::-1]) * dt[::-1]
            else:
                y, w = self.values["mu"] + np.sinh(t), np.cosh(t) * dt
        inside = (y > a) & (y < b) & np.isfinite(w)
        return y[inside], w[inside]

    def arguments(self, y: Floats) -> tuple[Floats, Floats, Floats]:
        mu, *own = self.values.values()
        return y, np.full(len(y), mu), np.tile(np.array(own, float), (len(y), 1))

    def _adds_up(self, density: Any) -> bool:
        """Whether all probability is 1."""
        y, w = self.nodes()
        log_p = called(self.name, density.name, density.values, *self.arguments(y))
        with np.errstate(all="ignore"):
            return bool(abs(np.nansum(np.exp(np.minimum(log_p, 700.0)) * w) - 1) < _WRONG)

    def _probably(self, density: Any, y: Floats, w: Floats, log_p: Floats) -> str:
        """What was meant, where p(y) does not add up to 1; empty where nothing fits."""
        add_up = "add up" if self.discrete else "integrate"
        with np.errstate(all="ignore"):
            itself = log_p.min() >= 0 and abs(np.sum(log_p * w) - 1) < _WRONG
        if itself:
            return f"the values themselves {add_up} to 1: give log p(y), not p(y)"
        if not self.discrete:
            for lower in {self.lower, max(self.lower, 0.0)}:
                if replace(self, discrete=True, lower=lower)._adds_up(density):
                    also = "" if lower == self.lower else " from 0 on"
                    return f"over whole numbers{also} it sums to 1: say discrete=True"
        elif self.lower < 0 and replace(self, lower=0.0)._adds_up(density):
            return "over 0, 1, 2, ... it sums to 1: say support='counts'"
        names = list(self.values)
        for order in self._orders():
            given = {k: self.values[other] for k, other in zip(names, order, strict=True)}
            if replace(self, values=given)._adds_up(density):
                return (
                    f"with its arguments as (y, {', '.join(order)}) p(y) would; it is called in "
                    f"the order of links=, ({', '.join(['y', *names])})"
                )
        return ""

    def _orders(self) -> Iterator[tuple[str, ...]]:
        """Other orders of the parameters."""
        names = tuple(self.values)
        return (p for p in permutations(names) if p != names and len(names) <= _MOST_IN_ORDERS)

    def distribution(self, density: Any) -> Distribution:
        """The distribution by the density; ModelError where it is not one."""
        y, w = self.nodes()
        log_p = np.asarray(called(self.name, density.name, density.values, *self.arguments(y)))
        with np.errstate(all="ignore"):
            mass = np.where(np.isnan(log_p), 0.0, np.exp(np.minimum(log_p, 700.0))) * w
            total, none = float(mass.sum()), not np.isfinite(log_p).any()
        nan = np.isnan(log_p) & (np.abs(y) < 1e6) & (np.abs(y - self.lower) > 1e-6)
        self._check_ends(y, nan)
        if none or abs(total - 1) > _WRONG:
            what = "sums" if self.discrete else "integrates"
            said = f"p(y) {what} to {total:.5g} over {self.support}, not to 1, at {self.place}: "
            if none:
                odd = "NaN" if np.isnan(log_p).all() else "not finite"
                said = f"log p is {odd} for all y at {self.place}; "
            if probably := self._probably(density, y, w, log_p):
                said += probably
            elif none:
                said += "if it is meant for other values, name such: typical={'mu': ..., ...}"
            elif nan.any():
                said += f"log p is NaN at y = {y[nan][0]:.4g}, for example"
            else:
                said += (
                    "log p needs all its constants, and support= the values that y can have; "
                    "check=False takes it as it is"
                )
            refuse(self.name, said)
        return Distribution(self, y, mass)

    def _check_ends(self, y: Floats, nan: Bools) -> None:
        """ModelError where log p is not known for all negative numbers, or all beyond 0 and 1."""
        near = (np.abs(y) < 10) & (np.abs(y) > 1e-9) & (np.abs(y - 1) > 1e-9)
        for kind, beyond in (("unit", (y < 0) | (y > 1)), ("positive", y < 0)):
            if self.discrete or not (near & beyond).any() or (near & nan & ~beyond).any():
                continue
            if nan[near & beyond].all():
                refuse(
                    self.name,
                    f"log p is NaN at y = {y[nan & near][-1]:.4g}, for example, and the support is "
                    f"{self.support}: say support={kind!r}, or give -math.inf there",
                )

    @property
    def support(self) -> str:
        """The responses that are possible, in words."""
        return support_words(self.discrete, self.lower, self.upper)


def support_words(discrete: bool, lower: float, upper: float) -> str:
    """The responses that are possible, in words."""
    kind = "whole numbers" if discrete else "numbers"
    if np.isinf(lower) and np.isinf(upper):
        return kind if discrete else "finite numbers"
    if np.isfinite(lower) and np.isfinite(upper):
        return f"{kind} {'from' if discrete else 'between'} {lower:g} " + (
            f"to {upper:g}" if discrete else f"and {upper:g}"
        )
    if discrete:
        if lower == 0:
            return "counts 0, 1, 2, ..."
        return f"{kind} from {lower:g}" if np.isfinite(lower) else f"{kind} up to {upper:g}"
    if lower == 0:
        return "positive numbers"
    return f"{kind} above {lower:g}" if np.isfinite(lower) else f"{kind} below {upper:g}"


@dataclass(frozen=True, eq=False)
class Distribution:
    """Masses at nodes in increasing order."""

    of: Trial
    y: Floats
    mass: Floats

    @property
    def below(self) -> Floats:
        """P(Y <= y) at the nodes; of a continuous one the half of the node's own mass."""
        whole = np.cumsum(self.mass)
        return whole if self.of.discrete else whole - 0.5 * self.mass

    def places(self) -> Floats:
        """Some responses between the far tails."""
        at = np.searchsorted(self.below, [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
        return np.unique(self.y[np.minimum(at, len(self.y) - 1)])

    def moment(self, function: Callable[[Floats], Floats]) -> float | None:
        """Of a function of y; None where far tails matter."""
        with np.errstate(all="ignore"):
            terms = np.where(self.mass > 0, function(self.y) * self.mass, 0.0)
        total = float(terms.sum())
        body = float(terms[(self.below > 1e-9) & (self.below < 1 - 1e-9)].sum())
        return total if abs(total - body) < 1e-3 * abs(total) + 1e-12 else None

    def check_cdf(self, what: str, found: Any, y: Floats) -> None:
        own = np.interp(y, self.y, self.below)
        found = numbers(self.of.name, what, found, y.shape)
        k = int(np.nanargmax(np.where(np.isfinite(found), np.abs(found - own), np.inf)))
        if not abs(found[k] - own[k]) < _WRONG:
            refuse(
                self.of.name,
                f"{what}= says P(Y <= {y[k]:.4g}) = {found[k]:.4g}, but the density has "
                f"{own[k]:.4g} there, at {self.of.place}",
            )

    def check_moment(self, what: str, found: Any, function: Callable[[Floats], Floats]) -> None:
        own, found = self.moment(function), float(numbers(self.of.name, what, found, (1,))[0])
        if own is None or found == np.inf:
            return
        unit = float(np.sqrt(self.moment(np.square) or 1.0)) if what == "mean" else 1.0
        if not abs(found - own) <= _WRONG_MOMENT * max(abs(own), 0.1 * unit):
            refuse(
                self.of.name,
                f"{what}= is {found:.5g} at {self.of.place}, where the density's is {own:.5g}",
            )

    def check_draws(self, simulate: Callable[..., Any]) -> None:
        """ModelError where draws are of another shape, or of quite another distribution."""
        mu, *own = self.of.values.values()
        shape, rng = (2, _DRAWS // 2), np.random.default_rng(0)
        given = [np.full(shape, x) for x in (mu, *own)]
        found = np.asarray(called(self.of.name, "simulate", simulate, *given, rng=rng))
        if found.shape != shape or found.dtype.kind not in "iufb":
            refuse(
                self.of.name,
                f"simulate= gave {_shown(found)} for arguments of shape {shape}: it draws one "
                "number for each, such as rng.gumbel(mu, sigma)",
            )
        draws = np.sort(found.ravel().astype(float))
        if not np.isfinite(draws).all():
            refuse(
                self.of.name, f"simulate= gave {draws[~np.isfinite(draws)][0]} at {self.of.place}"
            )
        at = np.unique(draws)
        share = np.searchsorted(draws, at, side="right") / len(draws)
        mass = np.interp(at, self.y, np.cumsum(self.mass))
        far = float(np.abs(share - mass).max())
        if far > _FAR:
            refuse(
                self.of.name,
                f"simulate= and the density disagree: at {self.of.place} the mean of "
                f"{len(draws):,} draws is {draws.mean():.4g}, and their distribution "
                f"function is {far:.2g} from the density's",
            )


def numbers(name: str, what: str, found: Any, shape: tuple[int, ...]) -> Floats:
    """What a function gave, as numbers of this shape; ModelError where it cannot be."""
    try:
        return np.broadcast_to(np.asarray(found, float), shape)
    except (TypeError, ValueError):
        refuse(
            name,
            f"{what}= gave {_shown(np.asarray(found))} for arguments of shape {shape}: it gives "
            "one number for each",
        )


def _shown(x: Any) -> str:
    return f"an array of shape {x.shape}" if np.ndim(x) else repr(x[()] if np.ndim(x) == 0 else x)


def check_slopes(trial: Trial, y: Floats, found: Floats, by: Floats) -> None:
    """ModelError where derivatives (1 + m, N) are not those of the density, `by` differences."""
    for name, own, other in zip(trial.values, found, by, strict=True):
        apart = np.abs(own - other) / (1 + np.abs(other))
        k = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
        if not apart[k] < _WRONG_SLOPE:
            refuse(
                trial.name,
                f"gradient= says d log p / d {name} = {own[k]:.8g} at y = {y[k]:.4g}, "
                f"{trial.place}, where differences give {other[k]:.8g}; without gradient= the "
                "derivatives are made exactly",
            )


def check_trial(
    trial: Trial,
    density: Any,
    simulate: Any,
    mean: Any,
    variance: Any,
    cdf: Any,
    tails: Any,
) -> None:
    """ModelError where anything contradicts the density."""
    law, own = trial.distribution(density), [np.array([x]) for x in trial.values.values()]
    y = law.places()
    if cdf is not None:
        law.check_cdf("cdf", called(trial.name, "cdf", cdf, *_matrix(trial.arguments(y))), y)
    if tails is not None:
        below, above = (
            called(trial.name, each.name, each.values, *trial.arguments(y)) for each in tails
        )
        law.check_cdf("logcdf", np.exp(below), y)
        law.check_cdf("logsf", -np.expm1(above), y)
    if mean is not None:
        found = own[0] if mean == "mu" else called(trial.name, "mean", mean, *own)
        law.check_moment("mean", found, lambda y: y)
        if variance is not None and (centre := law.moment(lambda y: y)) is not None:
            found = called(trial.name, "variance", variance, *own)
            law.check_moment("variance", found, lambda y: (y - centre) ** 2)
    if simulate is not None:
        law.check_draws(simulate)


def check_gradient(trial: Trial, density: Any, links: Sequence[Link]) -> None:
    y = trial.distribution(density).places()
    arguments = trial.arguments(y)
    by = python_rows.by_differences(
        lambda y, *own: density.values(y, own[0], np.stack(own[1:], axis=1)), links
    )
    own = called(trial.name, "gradient", density.slopes, *arguments)
    expected = called(trial.name, density.name, by, *_matrix(arguments))
    check_slopes(trial, y, own[1:], expected[1:])


def _matrix(arguments: tuple[Floats, Floats, Floats]) -> list[Floats]:
    y, mu, own = arguments
    return [y, mu, *np.ascontiguousarray(own.T)]


def is_mu(name: str, mean: Callable[..., Any], trials: Sequence[Trial]) -> bool:
    """Whether the mean is mu itself."""
    for trial in trials:
        own = [np.array([x]) for x in trial.values.values()]
        found = numbers(name, "mean", called(name, "mean", mean, *own), (1,))
        if not np.allclose(found, trial.values["mu"], rtol=1e-12, atol=1e-14):
            return False
    return True
