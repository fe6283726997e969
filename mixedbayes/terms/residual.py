"""Correlated residuals of the rows of one group: `residual="ar1(visit | patient)"`.

Rows i and j of one group have the residual covariance s_i s_j R_ij, with R_ij that of their
positions in the structure and s the sd that each row has by the family's sigma, known weights
included; rows of different groups are independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.distributions import Prior
from mixedbayes.numerics import correlation
from mixedbayes.terms.covariance import Covariance, Number

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Pattern:
    """Groups whose rows are at the same positions."""

    arm: int
    places: Ints  # (k,) ascending
    rows: Ints  # (G, k) of each group, in the order of the places


@dataclass(frozen=True)
class Told:
    """One number of the draws, as tables have it."""

    symbol: str  # "rho"
    labels: tuple[str, ...]  # of its arm and of what it is: ("drug", "lag 1"); () of one number
    at: tuple[int, ...]  # its place in the variable of this name
    number: int  # its place among those of its arm
    arm: int

    @property
    def name(self) -> str:
        """`rho`, `rho[lag 1]`, `rho[drug, 1, 2]`."""
        return f"{self.symbol}[{', '.join(self.labels)}]" if self.labels else self.symbol


@dataclass(frozen=True, eq=False)
class Residual:
    """The structure of a design's residuals, and where its n rows are in it."""

    text: str  # as the user wrote it
    name: str  # of the grouping factor, "patient", "a:b"
    structure: Covariance  # placed at all T positions that occur, ascending
    positions: tuple[object, ...]  # (T,) their labels
    refs: Ints  # (n,) group of each row; the rows need not be sorted
    places: Ints  # (n,) position of each row
    levels: pd.Index  # (J,) labels of the groups
    arms: Ints | None = None  # (n,) each group lies in one arm, with correlations of its own
    by: str = ""  # the column of the arms
    arm_levels: tuple[object, ...] = ()  # (A,)

    @property
    def n_positions(self) -> int:
        return len(self.positions)

    @property
    def n_arms(self) -> int:
        """How many sets of correlations there are: 1 without arms."""
        return max(len(self.arm_levels), 1)

    @property
    def arm_of_row(self) -> Ints:
        """(n,) 0 without arms."""
        return np.zeros(len(self.refs), int) if self.arms is None else self.arms

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the parameters in draws and priors: "rho", "theta", "range"."""
        return self.structure.symbols

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What the numbers of an arm are, "lag 1"; none where they are a matrix."""
        return self.structure.labels(self.n_positions)

    def parameters(self, priors: Mapping[str, Prior]) -> tuple[Number, ...]:
        """(m,) the numbers z of one arm under the priors of `symbols`; every arm has the same."""
        if len(self.symbols) == 1:
            return self.structure.parameters(self.n_positions, priors[self.symbols[0]])
        every = (self.structure.parameters(self.n_positions, priors[s]) for s in self.symbols)
        return tuple(own[m] for m, own in enumerate(every))

    def by_symbol(self, priors: Mapping[str, Prior]) -> dict[str, tuple[tuple[int, Number], ...]]:
        """The numbers of `parameters` and their places there, by the symbol that they are of."""
        every = tuple(enumerate(self.parameters(priors)))
        if len(self.symbols) == 1:
            return {self.symbols[0]: every}
        return {s: (own,) for s, own in zip(self.symbols, every, strict=True)}

    @property
    def _along(self) -> str:
        """The dimension of an arm's numbers, where several have one name."""
        several = len(self.labels) > len(self.symbols)
        return self.structure.dimension or (names.NUMBER if several else "")

    @property
    def _own(self) -> tuple[str, ...]:
        """Dimensions within an arm."""
        if not self.labels:
            return names.POSITION, names.POSITION_BIS
        return (self._along,) if self._along else ()

    @cached_property
    def dims(self) -> Mapping[str, tuple[str, ...]]:
        """Dimensions of each of `symbols` in draws, those of chains and draws apart."""
        arms = (names.group_dim(self.by),) if self.arm_levels else ()
        return dict.fromkeys(self.symbols, (*arms, *self._own))

    @cached_property
    def coords(self) -> Mapping[str, list[str]]:
        """Coordinates of these dimensions."""
        found: dict[str, list[str]] = {}
        if self.arm_levels:
            found[names.group_dim(self.by)] = [_label(v) for v in self.arm_levels]
        if not self.labels:
            every = [_label(v) for v in self.positions]
            found |= {names.POSITION: every, names.POSITION_BIS: every}
        elif self._along:
            found[self._along] = [label.removeprefix("lag ") for label in self.labels]
        return found

    # ---- from the numbers z to draws by name, and back -----------------------------------------

    def named(self, z: Floats) -> dict[str, Floats]:
        """Draws by name, (..., [A], [T, T] or [lags]), from the numbers z (..., A, m)."""
        if not self.labels:
            told = (correlation.matrix(self.structure.root(z, self.n_positions)),)
        else:
            numbers = self.structure.numbers_of(z, self.n_positions)
            told = (numbers,) if self._along else tuple(np.moveaxis(numbers, -1, 0))
        if not self.arm_levels:
            told = tuple(np.take(x, 0, axis=z.ndim - 2) for x in told)
        return dict(zip(self.symbols, told, strict=True))

    def _by_arm(self, draws: Mapping[str, Floats]) -> list[Floats]:
        """Each of `symbols`, (..., A, ...)."""
        own = [np.asarray(draws[s], float) for s in self.symbols]
        if self.arm_levels:
            return own
        return [np.expand_dims(x, x.ndim - len(self._own)) for x in own]

    def correlations(self, draws: Mapping[str, Floats]) -> Floats:
        """R (..., A, T, T) from draws by name."""
        own = self._by_arm(draws)
        if not self.labels:
            return own[0]
        numbers = own[0] if self._along else np.stack(own, axis=-1)
        return self.structure.matrix(numbers, self.n_positions)

    def numbers(self, draws: Mapping[str, Floats]) -> Floats:
        """The numbers z (..., A, m) from draws by name."""
        if not self.labels:
            return self.structure.inverse(self.correlations(draws))
        own = self._by_arm(draws)
        numbers = own[0] if self._along else np.stack(own, axis=-1)
        return self.structure.from_numbers(numbers, self.n_positions)

    def of_arm(self, draws: Mapping[str, Floats], arm: int) -> Floats:
        """The numbers z (..., m) of one arm from draws by name, of structures with `labels`."""
        own = [np.take(x, arm, axis=-1 - len(self._own)) for x in self._by_arm(draws)]
        numbers = own[0] if self._along else np.stack(own, axis=-1)
        return self.structure.from_numbers(numbers, self.n_positions)

    def of_groups(self, rows: Ints) -> Ints:
        """The rows of all groups that these rows are of, ascending."""
        return np.flatnonzero(np.isin(self.refs, self.refs[rows]))

    @cached_property
    def told(self) -> tuple[Told, ...]:
        """Every number of the draws once: of a matrix those above its diagonal."""
        found: list[Told] = []
        arms = self.coords[names.group_dim(self.by)] if self.arm_levels else [""]
        for arm, label in enumerate(arms):
            first: tuple[int, ...] = (arm,) if self.arm_levels else ()
            of: tuple[str, ...] = (label,) if self.arm_levels else ()
            if not self.labels:
                where = self.coords[names.POSITION]
                pairs = combinations(range(self.n_positions), 2)
                found += [
                    Told(self.symbols[0], (*of, where[i], where[j]), (*first, i, j), k, arm)
                    for k, (i, j) in enumerate(pairs)
                ]
            elif self._along:
                found += [
                    Told(self.symbols[0], (*of, text), (*first, k), k, arm)
                    for k, text in enumerate(self.labels)
                ]
            else:
                found += [Told(s, of, first, k, arm) for k, s in enumerate(self.symbols)]
        return tuple(found)

    def values(self, draws: Mapping[str, Floats]) -> Floats:
        """(S, K) the numbers `told`."""
        every = ((t, np.asarray(draws[t.symbol])) for t in self.told)
        return np.stack([np.moveaxis(x, 0, -1)[t.at] for t, x in every], axis=-1)

    def margins(self, priors: Mapping[str, Prior]) -> tuple[Any, ...]:
        """(K,) the prior of each of `told` as a SciPy distribution."""
        if not self.labels:
            own = self.structure.margin(self.n_positions, priors[self.symbols[0]]).distribution()
            return (own,) * len(self.told)
        if len(self.symbols) > 1:
            numbers = self.parameters(priors)
            return tuple(numbers[t.number].distribution() for t in self.told)
        every = self.structure.margins(self.n_positions, priors[self.symbols[0]])
        return tuple(every[t.number] for t in self.told)

    def log_prior(self, draws: Mapping[str, Floats], priors: Mapping[str, Prior]) -> Floats:
        """(S,) log density of the priors of `symbols`, of all arms together.

        That of a matrix is of its correlations together, which depend on each other, and that of
        lags of the partial correlations behind them.
        """
        if not self.labels or self._along:
            prior = priors[self.symbols[0]]
            return self.structure.log_density(self.correlations(draws), prior).sum(axis=-1)
        values, margins = self.values(draws), self.margins(priors)
        return np.sum([own.logpdf(values[:, k]) for k, own in enumerate(margins)], axis=0)

    def take(self, rows: Ints) -> Residual:
        """The same of some of the rows; all positions and levels stay."""
        arms = None if self.arms is None else self.arms[rows]
        return replace(self, refs=self.refs[rows], places=self.places[rows], arms=arms)

    # ---- rows by the places that their groups have ---------------------------------------------

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """The groups, those with rows at the same positions, of the same arm, together."""
        order = np.lexsort((self.places, self.refs))
        refs = self.refs[order]
        found: dict[tuple[int, bytes], list[Ints]] = {}
        for rows in np.split(order, np.flatnonzero(np.diff(refs)) + 1) if len(order) else []:
            arm = 0 if self.arms is None else int(self.arms[rows[0]])
            found.setdefault((arm, self.places[rows].tobytes()), []).append(rows)
        return tuple(
            Pattern(arm, self.places[rows[0]], np.stack(rows)) for (arm, _), rows in found.items()
        )

    def block(self, draws: Mapping[str, Floats], pattern: Pattern) -> Floats:
        """R (..., k, k) of the rows of one pattern, from draws by name."""
        return self.among(draws, pattern.arm, pattern.places)

    def among(self, draws: Mapping[str, Floats], arm: int, places: Ints) -> Floats:
        """R (..., k, k) of rows at these ascending places of an arm, from draws by name."""
        axis = -1 - len(self._own)
        own = [np.take(x, arm, axis=axis) for x in self._by_arm(draws)]
        if not self.labels:
            return own[0][..., places[:, None], places]
        numbers = own[0] if self._along else np.stack(own, axis=-1)
        return self.structure.among(numbers, places, self.n_positions)


def _label(value: object) -> str:
    """As tables have it: 2.0 is written 2."""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value)  # type: ignore[call-overload]
