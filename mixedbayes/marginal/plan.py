"""How a model's effects are eliminated, and what one gradient costs.

The precision matrix of all integrated coefficients is factored once per gradient. Its sparsity is
that of the design, so the order of elimination decides the cost:

- a *chain* of nested factors (finest first) is eliminated level by level in q x q blocks; a level
  is coupled only to its own ancestors, to the crossed levels it meets and to the population
  columns, so nothing else fills in;
- the effects of all other (*crossed*) factors and the population columns form one dense block for
  LAPACK.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedbayes.errors import ModelError
from mixedbayes.numerics.rows import parent_levels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Factor = tuple[NDArray[np.integer], Floats, int]  # refs (n,), Z (n, q), number of levels J

MAX_DENSE = 4_000  # columns: about 128 MB and 1.5 s per gradient on one core


@dataclass(frozen=True)
class Plan:
    """The order of elimination of the integrated factors, and its price.

    `chain` and `crossed` hold positions in the caller's list of factors; `sampled` those whose
    effects are not integrated because the dense block would exceed `max_dense` columns.
    """

    names: tuple[str, ...]  # of every factor, the sampled ones included
    levels: tuple[int, ...]  # J of every factor
    widths: tuple[int, ...]  # q of every factor
    chain: tuple[int, ...]  # nested factors, finest first
    crossed: tuple[int, ...]
    sampled: tuple[int, ...]
    n_population: int
    flops: float  # estimate for one value and gradient
    clusters: tuple[int, ...] = ()  # dense columns that are eliminated in separate groups

    @property
    def order(self) -> tuple[int, ...]:
        """Positions of the integrated factors in the order of elimination."""
        return self.chain + self.crossed

    @property
    def n_dense(self) -> int:
        """Columns of the dense block: effects of the crossed factors, population columns."""
        return sum(self.levels[k] * self.widths[k] for k in self.crossed) + self.n_population

    def __str__(self) -> str:
        lines = [f"{self._describe(k)} eliminated in blocks" for k in self.chain]
        dense = [self._describe(k) for k in self.crossed]
        if self.n_population:
            dense.append(_count(self.n_population, "population column"))
        if dense:
            total = (
                f" ({self.n_dense:,} columns{self._describe_clusters()})" if self.crossed else ""
            )
            lines.append(", ".join(dense) + " dense" + total)
        lines += [f"{self._describe(k)} sampled" for k in self.sampled]
        return "; ".join([*lines, f"about {_round(self.flops)} flops per gradient"])

    def _describe_clusters(self) -> str:
        if not self.clusters:
            return ""
        groups = _count(len(self.clusters), "separate group")
        return f", {sum(self.clusters):,} of them in {groups}"

    def _describe(self, k: int) -> str:
        effects = _count(self.widths[k], "effect")
        return f"{self.names[k]}: {_count(self.levels[k], 'level')} x {effects}"


@dataclass(frozen=True)
class SparsePlan:
    """The same where some term is no grouping factor: one sparse factor of all effects."""

    names: tuple[str, ...]
    levels: tuple[int, ...]  # J of each term
    widths: tuple[int, ...]  # q of each
    related: tuple[bool, ...]  # whether its levels have a precision of their own
    nouns: tuple[str, ...]  # what its levels are called
    n_population: int
    entries: int  # of the factor
    n_dense: int  # columns of the largest dense block
    flops: float  # estimate for one value and gradient
    sampled: tuple[int, ...] = ()

    @property
    def order(self) -> tuple[int, ...]:
        """Positions of the terms, as effects are handed on: those of the caller."""
        return tuple(range(len(self.names)))

    def __str__(self) -> str:
        parts = [
            f"{name}: {_count(J, noun)}"
            + f" x {_count(q, 'effect')}" * (noun == "level")
            + ", related" * related
            for name, J, q, related, noun in zip(
                self.names, self.levels, self.widths, self.related, self.nouns, strict=True
            )
        ]
        if self.n_population:
            parts.append(_count(self.n_population, "population column"))
        return (
            f"{', '.join(parts)}: sparse precision, {self.entries:,} entries of the factor, "
            f"{self.n_dense:,} columns in its largest dense block; "
            f"about {_round(self.flops)} flops per gradient"
        )


def choose_plan(
    factors: Sequence[Factor],
    n_population: int,
    *,
    names: Sequence[str] | None = None,
    max_dense: int = MAX_DENSE,
) -> Plan:
    """Choose what is eliminated in blocks, what is dense, and what has to be sampled instead.

    The chain of nested factors with the most effects is eliminated in blocks. If the remaining
    effects and the population columns exceed `max_dense` columns, the largest remaining factors
    are marked as `sampled`, one after the other, until the dense block fits; the population
    columns are always integrated.
    """
    names = (
        tuple(names) if names is not None else tuple(f"factor {k + 1}" for k in range(len(factors)))
    )
    if len(names) != len(factors):
        raise ModelError(f"{len(names)} names were given for {len(factors)} grouping factors")
    levels = tuple(int(J) for _, _, J in factors)
    widths = tuple(_width(Z) for _, Z, _ in factors)
    chain = _heaviest_chain([refs for refs, _, _ in factors], levels, widths)
    sizes = [j * q for j, q in zip(levels, widths, strict=True)]
    crossed = sorted((k for k in range(len(factors)) if k not in chain), key=lambda k: -sizes[k])
    sampled = []
    while crossed and sum(sizes[k] for k in crossed) + n_population > max_dense:
        sampled.append(crossed.pop(0))
    n_rows = len(factors[0][0]) if factors else 0
    touched = {(a, b): min(n_rows, levels[a] * levels[b]) for a in chain for b in crossed}
    flops = estimate_flops(chain, crossed, levels, widths, n_population, touched)
    return Plan(
        names, levels, widths, chain, tuple(crossed), tuple(sorted(sampled)), n_population, flops
    )


def estimate_flops(
    chain: Sequence[int],
    crossed: Sequence[int],
    levels: Sequence[int],
    widths: Sequence[int],
    n_population: int,
    touched: dict[tuple[int, int], int],
    dense: float | None = None,
) -> float:
    """Floating-point operations of one value and gradient.

    `touched[a, b]` is the number of distinct pairs of a level of a and a level of b in the data.
    A block of q columns with r coupled rows costs about q^3 + 4 q^2 r + 3 q r^2: factor, solve,
    update, and the same backwards; the dense block of d columns costs d^3 (Cholesky d^3 / 3,
    inverse 2 d^3 / 3), or `dense` where that is known better.
    """
    total = 0.0
    above = sum(widths[k] for k in chain)
    for a in chain:
        q = widths[a]
        above -= q
        mean_crossed = sum(touched[a, b] * widths[b] for b in crossed) / levels[a]
        r = above + mean_crossed + n_population + 1
        total += levels[a] * (q**3 + 4 * q**2 * r + 3 * q * r**2)
    d = sum(levels[k] * widths[k] for k in crossed) + n_population + 1
    return total + (d**3 if dense is None else dense)


def _heaviest_chain(
    refs: Sequence[NDArray[np.integer]], levels: Sequence[int], widths: Sequence[int]
) -> tuple[int, ...]:
    """The chain of nested factors, finest first, with the most effects in all."""
    best: dict[int, tuple[int, tuple[int, ...]]] = {}
    coarse_first = sorted(range(len(refs)), key=lambda k: (levels[k], -k))
    for i, k in enumerate(coarse_first):
        above = max(
            (
                best[c]
                for c in coarse_first[:i]
                if parent_levels(refs[k], refs[c], levels[k]) is not None
            ),
            default=(0, ()),
        )
        best[k] = (above[0] + levels[k] * widths[k], (k, *above[1]))
    return max(best.values(), default=(0, ()))[1]


def _width(Z: Floats | int) -> int:
    return int(Z) if np.ndim(Z) == 0 else np.shape(Z)[1]


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _round(x: float) -> str:
    exponent = int(np.floor(np.log10(max(x, 1.0))))
    return f"{round(x / 10**exponent):d}e{exponent}"
