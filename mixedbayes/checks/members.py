"""Some rows and the group effects that go with them, in every posterior draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats, GroupDesign, Ints
from mixedbayes.predict.newton import Density, Given
from mixedbayes.results.fitted import linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior

MU = "mu"
_BLOCK = 2**22  # numbers handled at a time, to bound memory

Moving = tuple[str, GroupDesign]  # a predictor's parameter, and a factor of it
Block = tuple[str, GroupDesign, int]  # that, and one of its levels


@dataclass(frozen=True, eq=False)
class Members:
    """Some rows, all effects but those of some levels in `eta`.

    parameters
        The predictors that have effects of these levels: "mu" first, then perhaps others.
    eta
        (S, m) of each.
    columns
        Of each block: its predictor's position, Z (m, q), zero in rows of other levels, and the
        factor's root (S, q, q).
    """

    post: Posterior
    rows: Ints
    parameters: tuple[str, ...]
    eta: tuple[Floats, ...]
    columns: tuple[tuple[int, Floats, Floats], ...]

    @classmethod
    def of(cls, post: Posterior, blocks: Sequence[Block], rows: Ints) -> Members:
        parameters = tuple(dict.fromkeys([MU, *(p for p, _, _ in blocks)]))
        eta = tuple(still(post, blocks, rows, p).T for p in parameters)
        columns = tuple(
            (parameters.index(p), _column(g, level, rows), roots(post, g.name, p))
            for p, g, level in blocks
        )
        return cls(post, rows, parameters, eta, columns)

    @property
    def size(self) -> int:
        """D, the number of effects."""
        return sum(Z.shape[1] for _, Z, _ in self.columns)

    def given(self, draws: Ints) -> Given:
        """The rows in some draws."""
        A = [np.zeros((len(draws), len(self.rows), self.size)) for _ in self.parameters]
        at = 0
        for k, Z, L in self.columns:
            A[k][:, :, at : at + Z.shape[1]] = Z @ L[draws]
            at += Z.shape[1]
        return Given(self._density(draws), [eta[draws] for eta in self.eta], A)

    def blocks(self) -> Iterator[Ints]:
        """Draws, some at a time."""
        s = self.post.n_draws
        step = max(1, _BLOCK // (self.size * max(self.size, len(self.rows))))
        for start in range(0, s, step):
            yield np.arange(start, min(start + step, s))

    def _density(self, draws: Ints) -> Density:
        """log p(y_i | eta_i, ...) as a function of eta (s, m) of every predictor that moves."""
        design, family, rows = self.post.design, self.post.family, self.rows
        moving = self.parameters[1:]
        still = {
            name: values[draws]
            for name, values in row_parameters(self.post, rows).items()
            if name not in moving
        }
        weights = None if design.weights is None else design.weights[rows]
        trials = None if design.trials is None else design.trials[rows]

        def density(eta: Floats, *others: Floats) -> Floats:
            parameters = dict(still)
            for name, own in zip(moving, others, strict=True):
                parameters[name] = family.parameter_link(name).inverse(own, np)
            mu = family.inverse(eta, np)
            return family.log_density(
                design.y[rows], mu, parameters, weights=weights, trials=trials
            )

        return density


def blocks_within(moving: Sequence[Moving], rows: Ints) -> list[Block]:
    """Every level of some factors that these rows belong to."""
    return [(p, g, int(level)) for p, g in moving for level in np.unique(g.refs[rows])]


def still(post: Posterior, blocks: Sequence[Block], rows: Ints, parameter: str = MU) -> Floats:
    """(m, S) the linear predictor of some rows without the effects of these blocks."""
    levels: dict[str, list[int]] = {}
    for p, g, level in blocks:
        if p == parameter:
            levels.setdefault(g.name, []).append(level)
    eta = linear_predictor(post, rows, parameter, without=levels)
    for name, moving in levels.items():
        g = post.group(name, parameter)
        stay = np.flatnonzero(~np.isin(g.refs[rows], moving))
        if len(stay):
            b, at = post.ranef(name, parameter), rows[stay]
            eta[stay] += np.einsum("mq,smq->ms", g.Z[at], b[:, g.refs[at]])
    return eta


def columns(blocks: Sequence[Block], rows: Ints) -> Floats:
    """(m, D) columns of the blocks' effects, side by side."""
    return np.concatenate([_column(g, level, rows) for _, g, level in blocks], axis=1)


def _column(g: GroupDesign, level: int, rows: Ints) -> Floats:
    """(m, q) Z, zero in rows of other levels."""
    return np.where(g.refs[rows, None] == level, g.Z[rows], 0.0)


def roots(post: Posterior, group: str, parameter: str = MU) -> Floats:
    """(S, q, q) L with L L' the covariance of a factor's effects."""
    return post.once(("root", parameter, group), lambda: root(post.cov(group, parameter)))


def root(cov: Floats) -> Floats:
    """(S, q, q) L with L L' = cov, also where a standard deviation is 0."""
    values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
