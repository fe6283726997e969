"""Residuals of new rows given known ones of the same group, in every draw.

With e those that are known and e' those that are not, in units of their sds, R their correlations
and K = R_e'e R_ee^-1,

    e' = K e + C z,    C C' = R_e'e' - K R_ee',    z ~ N(0, I).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.residual import Residual

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]
type Draws = Mapping[str, Floats]  # (S, ...) by the name of the parameter

_NUMBERS = 2e7  # in the matrices that are solved at once


def joined(known: Residual, new: Residual) -> Residual:
    """The rows of both in one structure, first the known ones; levels of one label are one."""
    levels = known.levels.append(new.levels)
    codes, levels = pd.factorize(np.asarray(levels, object))
    refs = np.concatenate([codes[known.refs], codes[len(known.levels) + new.refs]])
    arms = None
    if known.arms is not None and new.arms is not None:
        arms = np.concatenate([known.arms, new.arms])
    structure, positions, places = _placed(known, new, refs)
    return replace(
        known, structure=structure, positions=positions, refs=refs, places=places,
        levels=pd.Index(levels), arms=arms,
    )  # fmt: skip


def _placed(
    known: Residual, new: Residual, refs: Ints
) -> tuple[Covariance, tuple[object, ...], Ints]:
    """Structure at the positions of both, these, and the place of each row."""
    own = known.structure
    if not own.of:  # rows of a group are numbered, those that are new after the others
        places = pd.Series(refs).groupby(refs).cumcount().to_numpy()
        T = max(int(places.max()) + 1, known.n_positions, new.n_positions)
        return own.placed(range(T), ""), tuple(range(1, T + 1)), places
    if known.positions == new.positions:
        return own, known.positions, np.concatenate([known.places, new.places])
    keys: list[Sequence[Any]] = [known.structure.at, new.structure.at]
    if own.exchangeable:  # no order, so that labels tell positions apart
        keys = [known.positions, new.positions]
    said = dict(zip(keys[0], known.positions, strict=True))
    said |= dict(zip(keys[1], new.positions, strict=True))
    every = list(said) if own.exchangeable else sorted(said)
    place = {key: k for k, key in enumerate(every)}
    of_known, of_new = (np.array([place[key] for key in each]) for each in keys)
    at = range(len(every)) if own.exchangeable else every
    places = np.concatenate([of_known[known.places], of_new[new.places]])
    return own.placed(at, own.of), tuple(said[key] for key in every), places


@dataclass(frozen=True, eq=False)
class _Case:
    """Groups that have known rows and new ones at the same positions."""

    arm: int
    places: Ints  # (k + w,) of the known rows that are read, then of the new ones
    known: Ints  # (G, k) rows
    new: Ints  # (G, w) rows, numbered among the new ones


@dataclass(frozen=True, eq=False)
class Given:
    """New rows of which some have known rows in their group.

    own
        The structure of all rows, the known ones first.
    count
        How many are known.
    draws
        Of the parameters of the correlations.
    standardised
        (S, k) residuals of some of the known rows in units of their sds.
    """

    own: Residual
    count: int
    draws: Draws
    standardised: Callable[[Ints], Floats]

    @property
    def n(self) -> int:
        """How many rows are new."""
        return len(self.own.refs) - self.count

    @property
    def n_draws(self) -> int:
        return len(next(iter(self.draws.values())))

    @property
    def carried(self) -> NDArray[np.bool_]:
        """(m,) whether a new row depends on known ones: at the position of none of these."""
        return self._in_known_group & ~self.repeated

    @property
    def repeated(self) -> NDArray[np.bool_]:
        """(m,) whether a row of the new one's group is known at its position."""
        wide = self.own.refs * self.own.n_positions + self.own.places
        return np.isin(wide[self.count :], wide[: self.count])

    @property
    def _in_known_group(self) -> NDArray[np.bool_]:
        return np.isin(self.own.refs[self.count :], self.own.refs[: self.count])

    def single(self, rows: Ints) -> tuple[Floats, Floats]:
        """Mean and sd (S, r) of some new rows, each given the known ones; 0 and 1 without such."""
        S = self.n_draws
        mean, sd = np.zeros((S, len(rows))), np.ones((S, len(rows)))
        there = rows[self.carried[rows]]
        at = np.full(self.n, -1)
        at[rows] = np.arange(len(rows))
        for some, case, m, V in self._solved(there):
            place = np.arange(S)[some, None, None], at[case.new]
            mean[place] = m
            sd[place] = np.sqrt(np.maximum(np.diagonal(V, axis1=1, axis2=2), 0.0))[:, None]
        return mean, sd

    def together(self, z: Floats) -> Floats:
        """(S, m) residuals of the new rows from independent standard normal z.

        Those that do not depend on known rows are left as they are in z.
        """
        out = z.copy()
        for some, case, m, V in self._solved(np.flatnonzero(self.carried)):
            values, vectors = np.linalg.eigh(V)
            C = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None]) @ np.swapaxes(vectors, 1, 2)
            place = np.arange(len(z))[some, None, None], case.new
            out[place] = m + z[place] @ C
        return out

    def _solved(self, rows: Ints) -> Iterator[tuple[slice, _Case, Floats, Floats]]:
        """Draws, groups, and mean (s, G, w) and covariance (s, w, w) of their new rows there."""
        S = self.n_draws
        for case in self._cases(rows):
            k, (G, w) = case.known.shape[1], case.new.shape
            size = (w + k) * (w + k + G)
            if self.own.structure.equal:
                size = w * (w + G) + k * G
            step = max(1, int(_NUMBERS // size))
            e = self.standardised(case.known.ravel()).reshape(S, G, k)
            order = np.argsort(case.places, kind="stable")
            back = np.argsort(order)
            for start in range(0, S, step):
                some = slice(start, min(start + step, S))
                own = {name: x[some] for name, x in self.draws.items()}
                if self.own.structure.equal:
                    rho = self.own.of_arm(own, case.arm)[:, :1, None]
                    share = rho / (1 + (k - 1) * rho)  # of the sum of the known ones
                    mean = share * e[some].sum(axis=2, keepdims=True)
                    V = rho * (1 - k * share) + (1 - rho) * np.eye(w)
                    yield some, case, np.broadcast_to(mean, (len(V), G, w)), V
                    continue
                R = self.own.among(own, case.arm, case.places[order])[:, back[:, None], back]
                K = np.swapaxes(np.linalg.solve(R[:, :k, :k], R[:, :k, k:]), 1, 2)
                yield some, case, e[some] @ np.swapaxes(K, 1, 2), R[:, k:, k:] - K @ R[:, :k, k:]

    def _cases(self, rows: Ints) -> list[_Case]:
        """These new rows, those of groups alike together."""
        refs, places, arm = self.own.refs, self.own.places, self.own.arm_of_row
        order = np.lexsort((places[: self.count], refs[: self.count]))
        starts = np.searchsorted(refs[order], np.arange(refs.max() + 2))
        new = rows[np.argsort(refs[self.count + rows], kind="stable")]
        cuts = np.flatnonzero(np.diff(refs[self.count + new])) + 1
        found: dict[tuple[int, int, bytes], list[tuple[Ints, Ints]]] = {}
        for own in np.split(new, cuts) if len(new) else []:
            group = refs[self.count + own[0]]
            known = order[starts[group] : starts[group + 1]]
            if self.own.structure.chain:
                known = known[_next_to(places[known], places[self.count + own])]
            at = np.concatenate([places[known], places[self.count + own]]).astype(np.int64)
            key = int(arm[self.count + own[0]]), len(known), at.tobytes()
            found.setdefault(key, []).append((known, own))
        out = []
        for (a, k, text), pairs in found.items():
            step, at = max(1, int(_NUMBERS // (self.n_draws * k))), np.frombuffer(text, np.int64)
            for start in range(0, len(pairs), step):
                some = pairs[start : start + step]
                rows_of = [np.stack([pair[i] for pair in some]) for i in range(2)]
                out.append(_Case(a, at, *rows_of))
        return out


def _next_to(known: Ints, new: Ints) -> Ints:
    """Which of the ascending places are next to new ones: all others add nothing to a chain."""
    after = np.searchsorted(known, new)
    found = np.unique(np.concatenate([after - 1, after]))
    return found[(found >= 0) & (found < len(known))]
