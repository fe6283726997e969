"""The functions that a smooth is made of: a null space, and blocks with one variance each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from mixedbayes.smooths.basis import Floats, Functions


class Space(ABC):
    """Null space and penalised blocks of functions of x (m, d)."""

    @abstractmethod
    def null(self, x: Floats) -> Floats:
        """(m, M) unpenalised functions, the first of them constant."""

    @abstractmethod
    def null_names(self, variables: Sequence[str]) -> tuple[str, ...]:
        """(M - 1,) of those that are not constant."""

    @abstractmethod
    def blocks(self, x: Floats) -> tuple[Floats, ...]:
        """(m, r) each: functions whose coefficients are independent, of one variance."""

    @abstractmethod
    def block_names(self, variables: Sequence[str]) -> tuple[str, ...]:
        """Of each block; empty where there is one."""


@dataclass(frozen=True, eq=False)
class Single(Space):
    """One basis, one penalty."""

    functions: Functions

    def null(self, x: Floats) -> Floats:
        return self.functions.null(x)

    def null_names(self, variables: Sequence[str]) -> tuple[str, ...]:
        powers = self.functions.powers[1:]
        if len(variables) == 1:
            return tuple("linear" if p == (1,) else f"power {p[0]}" for p in powers)
        return tuple(_monomial(p, variables) for p in powers)

    def blocks(self, x: Floats) -> tuple[Floats, ...]:
        return (self.functions.penalised(x),)

    def block_names(self, variables: Sequence[str]) -> tuple[str, ...]:
        return ("",)


@dataclass(frozen=True, eq=False)
class Tensor(Space):
    """Products of functions of one variable each, with separable penalties.

    A block has the products of functions that are penalised in some of the variables, and in no
    others: Wood, Scheipl & Faraway (2013), doi:10.1007/s11222-012-9314-z.
    """

    margins: tuple[Functions, ...]
    units: tuple[Floats, ...]  # (M,) of each margin's null functions: their root mean square

    @classmethod
    def fit(cls, margins: Sequence[Functions], x: Floats) -> Tensor:
        columns = (x[:, [k]] for k in range(x.shape[1]))
        nulls = [f.null(own) for f, own in zip(margins, columns, strict=True)]
        units = tuple(np.maximum(np.sqrt(np.mean(N**2, axis=0)), 1e-300) for N in nulls)
        return cls(tuple(margins), units)

    def null(self, x: Floats) -> Floats:
        return _products([m.null(x[:, [k]]) for k, m in enumerate(self.margins)])

    def null_names(self, variables: Sequence[str]) -> tuple[str, ...]:
        every = product(*(m.powers for m in self.margins))
        powers = [tuple(p[0] for p in chosen) for chosen in every]
        return tuple(_monomial(p, variables) for p in powers[1:])

    def blocks(self, x: Floats) -> tuple[Floats, ...]:
        columns = [x[:, [k]] for k in range(len(self.margins))]
        bent = [m.penalised(own) for m, own in zip(self.margins, columns, strict=True)]
        straight = [
            m.null(own) / unit
            for m, own, unit in zip(self.margins, columns, self.units, strict=True)
        ]
        return tuple(
            _products([bent[k] if k in chosen else straight[k] for k in range(len(columns))])
            for chosen in self._chosen
        )

    def block_names(self, variables: Sequence[str]) -> tuple[str, ...]:
        return tuple(", ".join(variables[k] for k in chosen) for chosen in self._chosen)

    @property
    def _chosen(self) -> list[tuple[int, ...]]:
        """The variables in which each block is penalised."""
        d = range(len(self.margins))
        return [chosen for size in d for chosen in combinations(d, size + 1)]


def _products(parts: Sequence[Floats]) -> Floats:
    """(m, K) all products of one column of each part, the last part's running fastest."""
    found = parts[0]
    for part in parts[1:]:
        columns = found.shape[1] * part.shape[1]
        found = (found[:, :, None] * part[:, None, :]).reshape(len(part), columns)
    return found


def _monomial(power: Sequence[int], variables: Sequence[str]) -> str:
    written = (v if p == 1 else f"{v}^{p}" for v, p in zip(variables, power, strict=True) if p)
    return ":".join(written)
