"""What a user gave of a family, tried at typical values: errors come before any model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError

_NODES, _REACH = 20_001, 4.2  # of the double exponential rule
_MOST = 20_000  # counts on either side that are summed
_WRONG = 0.005  # of a total of 1, and of distribution functions
_WRONG_MOMENT = 0.02
_WRONG_SLOPE = 1e-6
_DRAWS, _FAR = 2000, 0.07  # of the distribution of so many draws; by chance once in 10^8


def refuse(name: str, said: str) -> NoReturn:
    raise ModelError(f"mb.custom({name!r}): {said}")


def called(name: str, what: str, function: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """A function's result; its own exceptions as ModelError."""
    try:
        with np.errstate(all="ignore"):
            return function(*given, **options)
    except Exception as e:
        refuse(name, f"{what}= failed with {type(e).__name__}: {first_line(e)}")


def first_line(error: Exception) -> str:
    """The line of an error that says most: numba's begin with where it was found."""
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Failed in", "- Resolution"))]
    return lines[0][:300] if lines else type(error).__name__


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
    own = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_POSITIONAL]
    own = [n for n in own if n in wanted]
    order = [n for n in wanted if n in own]
    if own != order:
        refuse(
            name,
            f"{what}= takes {', '.join(own)} in this order, but is called with {shown}, the order "
            "of links=",
        )


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

    def _counts(self, density: Any) -> bool:
        """Whether the probabilities of whole numbers within the support's ends add up to 1."""
        y, _ = replace(self, discrete=True).nodes()
        with np.errstate(all="ignore"):
            total = np.nansum(np.exp(np.asarray(density.values(*self.arguments(y)))))
        return bool(abs(total - 1) < _WRONG)

    def distribution(self, density: Any) -> Distribution:
        """The distribution by the density; ModelError where it is not one."""
        y, w = self.nodes()
        log_p = called(self.name, density.name, density.values, *self.arguments(y))
        if not np.isfinite(log_p).any():
            odd = "NaN" if np.isnan(log_p).all() else "not finite"
            refuse(
                self.name,
                f"log p is {odd} for all y at {self.place}; if it is meant for other values, name "
                "such: typical={'mu': ..., ...}",
            )
        mass = np.where(np.isnan(log_p), 0.0, np.exp(np.minimum(log_p, 700.0))) * w
        total = float(mass.sum())
        nan = np.isnan(log_p) & (np.abs(y) < 1e6) & (np.abs(y - self.lower) > 1e-6)
        if abs(total - 1) > _WRONG:
            what = "sums" if self.discrete else "integrates"
            said = f"p(y) {what} to {total:.5g} over {self.support}, not to 1, at {self.place}: "
            if nan.any():
                said += f"log p is NaN at y = {y[nan][0]:.4g}, for example"
            elif not self.discrete and self._counts(density):
                said += "over whole numbers it sums to 1: say discrete=True"
            else:
                said += (
                    "log p needs all its constants, and support= the values that y can have; "
                    "check=False takes it as it is"
                )
            refuse(self.name, said)
        return Distribution(self, y, mass)

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
