"""Log densities of some rows with the group effects that go with them integrated out.

Where there is no closed form, in each posterior draw
log p(y_g | theta) = log of the integral over u of exp(f(u)) / (2 pi)^(D/2), with
f(u) = sum over rows of log p(y_i | eta_i + z_i' L u, theta) - u'u / 2. Of few effects it is made by
adaptive Gauss-Hermite quadrature: the nodes are placed at the mode of f in units of its curvature
there (Pinheiro & Bates 1995, doi:10.1080/10618600.1995.10474663). Of more, effects are proposed
about the mode and the integral is their mean weight, whose Pareto k tells how far to trust it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy import special

from mixedbayes.design.limits import limits_of
from mixedbayes.design.types import Floats, GroupDesign, Ints, Residual
from mixedbayes.families.limited import log_density
from mixedbayes.names import MU
from mixedbayes.numerics import markov, woodbury
from mixedbayes.predict.importance import smooth
from mixedbayes.predict.linear import Moving, covariance_roots
from mixedbayes.predict.newton import Given, LogDensity, directions, peak, propose
from mixedbayes.predict.streams import seed_of, stream
from mixedbayes.results.chains import Chain
from mixedbayes.results.correlated import white, whitened
from mixedbayes.results.fitted import linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior

_BLOCK = 2**22  # numbers handled at a time, to bound memory

type Block = tuple[str, GroupDesign, int]  # a parameter, a factor of it, and one of its levels


@dataclass(frozen=True, eq=False)
class RowsOfBlocks:
    """Some rows, all effects but those of some levels in `eta`.

    parameters
        The predictors that have effects of these levels: "mu" first, then perhaps others.
    eta
        (S, m) of each.
    columns
        Of each block: its predictor's position, Z (m, q), zero in rows of other levels, the
        factor's root (S, q, d), and where its u are among all D. Blocks of one level whose effects
        are correlated across parameters have the same u.
    """

    post: Posterior
    rows: Ints
    parameters: tuple[str, ...]
    eta: tuple[Floats, ...]
    columns: tuple[tuple[int, Floats, Floats, int], ...]

    @classmethod
    def of(cls, post: Posterior, blocks: Sequence[Block], rows: Ints) -> RowsOfBlocks:
        first = post.design.mu.parameter  # that of a category, where there is none of a mean
        blocks = [(MU if p == first else p, g, level) for p, g, level in blocks]
        parameters = tuple(dict.fromkeys([MU, *(p for p, _, _ in blocks)]))
        eta = tuple(still(post, blocks, rows, p).T for p in parameters)
        columns, size = [], 0
        places: dict[tuple[str, int], int] = {}
        for p, g, level in blocks:
            root = _root(post, g.name, p)
            place = places.setdefault((post.design.formulated(p, g.name), level), size)
            columns.append((parameters.index(p), _column(g, level, rows), root, place))
            size += root.shape[2] if place == size else 0
        return cls(post, rows, parameters, eta, tuple(columns))

    @property
    def size(self) -> int:
        """D, the number of effects."""
        return max((at + L.shape[2] for _, _, L, at in self.columns), default=0)

    def given(self, draws: Ints) -> Given:
        """The rows in some draws."""
        A = [np.zeros((len(draws), len(self.rows), self.size)) for _ in self.parameters]
        for k, Z, L, at in self.columns:
            A[k][:, :, at : at + L.shape[2]] += Z @ L[draws]
        return Given(self._density(draws), [eta[draws] for eta in self.eta], A)

    def blocks(self) -> Iterator[Ints]:
        """Draws, some at a time."""
        s = self.post.n_draws
        step = max(1, _BLOCK // (self.size * max(self.size, len(self.rows))))
        for start in range(0, s, step):
            yield np.arange(start, min(start + step, s))

    def _density(self, draws: Ints) -> LogDensity:
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
        limits = limits_of(design, rows)

        def density(eta: Floats, *others: Floats) -> Floats:
            parameters = dict(still)
            for name, own in zip(moving, others, strict=True):
                parameters[name] = family.parameter_link(name).inverse(own, np)
            mu = family.inverse(eta, np)
            return log_density(
                family, design.y[rows], mu, parameters,
                weights=weights, trials=trials, limits=limits,
            )  # fmt: skip

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


def _root(post: Posterior, group: str, parameter: str) -> Floats:
    """(S, q, d) L with L L' the covariance of a factor's effects, see `covariance_roots`."""
    return post.once(
        ("root", parameter, group),
        lambda: covariance_roots(post, group, parameter).transpose(2, 0, 1),
    )


NODES = {1: 15, 2: 9, 3: 7}  # per dimension, by number of effects
PROPOSALS = 32  # in each draw, where there are more effects
INTEGRALS = 11  # purpose of the stream of random numbers
FEW_EFFECTS = 6  # of levels whose integrals are taken together
MOST_EFFECTS = 200  # of a level, those of nested factors among them


def group_obstacle(post: Posterior, name: str) -> str | None:
    """Why the effects of one factor cannot be integrated out, and what to do; None if they can."""
    own = post.design.residual
    if own is not None:
        return _correlated_obstacle(post, own, name)
    target = post.design.factor(name)
    if post.closed_form and not target.entangled:
        moving = _moving(post, target)
        q = max(len(g.terms) for _, g in moving)
        chain = len(moving) == 1 and q > MOST_EFFECTS and _chain(post, target, moving[0][0])
        if q <= MOST_EFFECTS or chain:
            return None
        return (
            f"a level has {q:,} effects, and {MOST_EFFECTS} are the most that are integrated out "
            "together; use target='observation'"
        )
    every = (g.peculiarity for p in post.predictors for g in p.factors)
    if odd := target.entangled or next((reason for reason in every if reason), ""):
        return f"{odd}; use target='observation'"
    moving = _moving(post, target)
    most = sum(int(_levels_within(g, target).max()) * len(g.terms) for _, g in moving)
    if most <= MOST_EFFECTS:
        return None
    inner = [g.name for parameter, g in moving if parameter == MU and g is not target]
    remedy = f"use target={inner[-1]!r}" if inner else "use target='observation'"
    return (
        f"a level of {target.name} has up to {most:,} effects, those of factors nested in it among "
        f"them, and {MOST_EFFECTS} are the most that are integrated out together; {remedy}"
    )


def _correlated_obstacle(post: Posterior, own: Residual, name: str) -> str | None:
    """The same where residuals are correlated: with the rows of a level all of their groups."""
    factors = {g.name: g for g in post.design.factors}
    target = factors.get(name)
    for g in (g for p in post.predictors for g in p.factors):
        if reason := g.peculiarity:
            return f"{reason}; use target='observation'"
        if g.name in factors and any(p.parameter != MU for p in post.predictors if g in p.factors):
            return f"{g.name} has effects on sigma as well; use target='observation'"
    refs = own.refs if target is None else target.refs
    pairs = len({(int(a), int(b)) for a, b in zip(own.refs, refs, strict=True)})
    if pairs > len(own.levels):
        return (
            f"residuals are {own.text}, correlated across levels of {name}; use target={own.name!r}"
        )
    return None


def of_levels(post: Posterior, name: str, levels: Ints | None = None) -> Integrated:
    """`integrated` of a factor, by name, or of the groups of residuals that are correlated."""
    own = post.design.residual
    if own is None or name in {g.name for g in post.design.factors}:
        return integrated(post, post.design.factor(name), levels)
    levels = np.arange(len(own.levels)) if levels is None else levels
    found = [whitened(post, np.flatnonzero(own.refs == k))[1].sum(axis=1) for k in levels]
    return Integrated(np.column_stack(found), np.full(len(levels), -np.inf))


def _moving(post: Posterior, target: GroupDesign) -> list[Moving]:
    """The factors whose effects go with a level of the target: itself, and those nested in it.

    Terms that are no grouping factors are given, as crossed factors are.
    """
    return [
        (predictor.parameter, g)
        for predictor in post.predictors
        for g in predictor.factors
        if not g.entangled and g.parents(target) is not None
    ]


def _levels_within(fine: GroupDesign, coarse: GroupDesign) -> Ints:
    """(J,) how many levels of `fine`, which lie within these, each level of `coarse` has."""
    parents = fine.parents(coarse)
    assert parents is not None
    return np.bincount(parents[np.unique(fine.refs)], minlength=coarse.n_levels)


def by_group(post: Posterior, target: GroupDesign, levels: Ints | None = None) -> Floats:
    """(S, J) log density of each level's rows, its effects integrated out."""
    return integrated(post, target, levels).log_density


@dataclass(frozen=True, eq=False)
class Integrated:
    """Log density of levels' rows, and Pareto k of the integrals that are importance sampled."""

    log_density: Floats  # (S, J)
    pareto_k: Floats  # (J,); -inf where the integral is exact or by quadrature


def integrated(post: Posterior, target: GroupDesign, levels: Ints | None = None) -> Integrated:
    """Rows of each level together, its effects and those of nested factors integrated out.

    In closed form where there is one, by quadrature of up to three effects, else by importance
    sampling. Effects of crossed factors are given. `levels` are the positions of some levels, all
    by default.
    """
    levels = np.arange(target.n_levels) if levels is None else levels
    order = np.argsort(target.refs, kind="stable")
    ends = np.cumsum(np.bincount(target.refs, minlength=target.n_levels))
    every = np.split(order, ends[:-1])
    return _by_rows(post, target, [every[level] for level in levels])


def _by_rows(post: Posterior, target: GroupDesign, levels: Sequence[Ints]) -> Integrated:
    """For the rows of each level, or some of them."""
    moving = _moving(post, target)
    asked = [(blocks_within(moving, rows), rows) for rows in levels]
    found = integrals(post, asked)
    density = np.column_stack([d for d, _ in found]) if found else np.empty((post.n_draws, 0))
    return Integrated(density, np.array([k for _, k in found]))


def integrals(
    post: Posterior, asked: Sequence[tuple[Sequence[Block], Ints]]
) -> list[tuple[Floats, float]]:
    """(S,) log density of some rows, the effects of some levels integrated out, and Pareto k."""
    if post.closed_form:
        return [(density, -np.inf) for density, _ in in_closed_form(post, asked)]
    exact = post.design.residual is not None
    return [(_exact if exact else _numeric)(post, blocks, rows) for blocks, rows in asked]


def in_closed_form(
    post: Posterior, asked: Sequence[tuple[Sequence[Block], Ints]], each: bool = False
) -> list[tuple[Floats, Floats | None]]:
    """The density of some rows (S,) and, for `each`, of every one given the others (S, m).

    Levels that share the few factors whose effects are integrated out are taken together.
    """
    out: list[tuple[Floats, Floats | None]] = [(np.empty(0), None)] * len(asked)
    alike: dict[tuple[str, ...], list[int]] = {}
    for at, (blocks, rows) in enumerate(asked):
        if _whole(post, blocks, rows):
            alike.setdefault(tuple(g.name for _, g, _ in blocks), []).append(at)
        elif each and _in_chain(post, blocks):
            out[at] = markov.each_row(*_chained(post, blocks, rows))
        elif each:
            r, AL, w = _columns_of(post, blocks, rows)
            out[at] = woodbury.each_row(r, AL, w, post.residual_scale**2)
        else:
            out[at] = _exact(post, blocks, rows)[0], None
    for names_of, chosen in alike.items():
        chosen.sort(key=lambda at: len(asked[at][1]))  # groups of one size are quicker
        size = np.cumsum([len(asked[at][1]) for at in chosen]) * post.n_draws // _BLOCK
        for part in np.unique(size):
            some = [at for at, own in zip(chosen, size, strict=True) if own == part]
            _of_alike(post, names_of, [asked[at][1] for at in some], each, some, out)
    return out


def _of_alike(
    post: Posterior,
    factors: Sequence[str],
    levels: Sequence[Ints],
    each: bool,
    places: Sequence[int],
    out: list[tuple[Floats, Floats | None]],
) -> None:
    """Levels of which each has rows of its own, put in their places."""
    design, rows = post.design, np.concatenate(levels)
    ends = np.cumsum([len(own) for own in levels])
    r = design.y[rows, None] - linear_predictor(post, rows, without=factors)
    columns = [
        (post.group(name).Z[rows], _root(post, name, MU).transpose(1, 2, 0)) for name in factors
    ]
    weights = np.ones(len(rows)) if design.weights is None else design.weights[rows]
    variance = np.broadcast_to(post.residual_scale**2, (post.n_draws,))
    starts = ends - [len(own) for own in levels]
    whole, alone = woodbury.of_groups(r, columns, weights, variance, starts, each)
    for at, density, start, end in zip(places, whole, starts, ends, strict=True):
        out[at] = density, None if alone is None else alone[start:end].T


def _whole(post: Posterior, blocks: Sequence[Block], rows: Ints) -> bool:
    """Whether the rows all belong to every one of these levels, which have few effects."""
    if sum(len(g.terms) for _, g, _ in blocks) > FEW_EFFECTS or not len(rows):
        return False
    same = all((g.refs[rows] == level).all() for _, g, level in blocks)
    return same and not _in_chain(post, blocks)


def integral(post: Posterior, blocks: Sequence[Block], rows: Ints) -> tuple[Floats, float]:
    """`integrals` of one."""
    return integrals(post, [(blocks, rows)])[0]


def _numeric(post: Posterior, blocks: Sequence[Block], rows: Ints) -> tuple[Floats, float]:
    """By quadrature, or by importance sampling of more effects than that can take."""
    given = RowsOfBlocks.of(post, blocks, rows)
    if given.size in NODES:
        return log_integral(given.given(np.arange(post.n_draws))), -np.inf
    rng = stream(seed_of(post, None), INTEGRALS, int(rows[0]))
    z = directions(rng, post.n_draws, PROPOSALS, given.size)
    ratio = np.concatenate([propose(given.given(at), z[at]).log_ratio for at in given.blocks()])
    density = special.logsumexp(ratio, axis=1) - np.log(PROPOSALS)
    return density, smooth((ratio - density[:, None]).ravel()).pareto_k


def _exact(post: Posterior, blocks: Sequence[Block], rows: Ints) -> tuple[Floats, float]:
    """In closed form.

    With A the columns of the effects in the rows, Psi = L L' their covariance and r the residual
    given everything else, r ~ N(0, A Psi A' + sigma^2 W^-1), or with the residuals' covariance in
    the place of sigma^2 W^-1. Effects in a chain are integrated out one after another, beside few
    others.
    """
    design = post.design
    if _in_chain(post, blocks):
        return markov.log_density(*_chained(post, blocks, rows)), -np.inf
    r, AL, weights = _columns_of(post, blocks, rows)
    if design.residual is not None or design.further:
        r, AL, log_root = white(post, rows, r, AL)
        one = np.ones(post.n_draws)
        found = woodbury.given(r, AL, np.ones(len(rows)), one)
        return found.log_density - log_root, -np.inf
    return woodbury.given(r, AL, weights, post.residual_scale**2).log_density, -np.inf


def _columns_of(
    post: Posterior, blocks: Sequence[Block], rows: Ints
) -> tuple[Floats, Floats, Floats]:
    """r (S, m), A L (S, m, D) and weights (m,)."""
    weights = post.design.weights
    return (
        post.design.y[rows] - still(post, blocks, rows).T,
        columns(blocks, rows) @ _joint(post, blocks),
        np.ones(len(rows)) if weights is None else weights[rows],
    )


def _in_chain(post: Posterior, blocks: Sequence[Block]) -> bool:
    """Whether the effects of one of these levels are a chain, and those of no other are."""
    if post.design.residual is not None or post.design.further:
        return False
    return sum(_chain(post, g, p) is not None for p, g, _ in blocks) == 1


def _chained(post: Posterior, blocks: Sequence[Block], rows: Ints) -> tuple[Any, ...]:
    """What `markov` takes of rows, the effects of one of whose levels are in a chain."""
    beside: list[Floats] = []
    for p, g, level in blocks:
        chain, Z = _chain(post, g, p), _column(g, level, rows)
        if chain is None:
            beside.append(Z @ _root(post, g.name, p))
            continue
        sd, place, links = post.sd(g.name, p), chain.place[rows], chain.links
        z = sd[:, chain.order[:1]] * np.where(g.refs[rows] == level, chain.column[rows], 0.0)
        beside.append(Z[:, chain.others] * sd[:, None, chain.others])
    weights = post.design.weights
    return (
        post.design.y[rows] - still(post, blocks, rows).T, z, place,
        np.ones(len(rows)) if weights is None else weights[rows],
        np.broadcast_to(post.residual_scale**2, (post.n_draws,)), links,
        np.concatenate(beside, axis=2),
    )  # fmt: skip


def _chain(post: Posterior, g: GroupDesign, parameter: str) -> Chain | None:
    return post.once(("chain", parameter, g.name), lambda: Chain.of(post, g, parameter))


def _joint(post: Posterior, blocks: Sequence[Block]) -> Floats:
    """(S, D, D) block-diagonal root of the blocks' covariance."""
    factors = [_root(post, g.name, p) for p, g, _ in blocks]
    size = sum(f.shape[-1] for f in factors)
    joint, at = np.zeros((post.n_draws, size, size)), 0
    for f in factors:
        q = f.shape[-1]
        joint[:, at : at + q, at : at + q] = f
        at += q
    return joint


def log_integral(given: Given) -> Floats:
    """(S,) log p(y_g | theta), at most three effects integrated out by quadrature."""
    at = peak(given)
    q = given.size
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES[q])
    terms = []
    for chosen in product(range(len(nodes)), repeat=q):
        z = nodes[list(chosen)]
        shift = np.log(weights[list(chosen)]).sum() + 0.5 * z @ z
        terms.append(given.value(at.mode + at.root @ z) + shift)
    return special.logsumexp(terms, axis=0) + at.log_det - 0.5 * q * np.log(2 * np.pi)
