"""Draws of the linear predictor at new rows, a block of rows at a time.

Draws are the last dimension: a row's or a level's draws lie together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, Ints
from mixedbayes.design.values import label, listed
from mixedbayes.errors import DataError, ModelError
from mixedbayes.predict.beyond import Extension, aligned
from mixedbayes.predict.chains import MANY, LongChain
from mixedbayes.predict.rows import FactorRows, PredictionRows
from mixedbayes.predict.streams import level_stream
from mixedbayes.results.posterior import Posterior
from mixedbayes.terms.base import Term, need_independent, need_normal
from mixedbayes.terms.law import NORMAL, Law
from mixedbayes.terms.relation import Related

type Moving = tuple[str, GroupDesign]  # a parameter, and a factor with effects on it

MOST_EFFECTS = 200  # of a level, whose covariance in every draw is factored

# ---- new levels: effects drawn from the population ---------------------------------------------


def covariance_roots(post: Posterior, factor: str, parameter: str = "mu") -> Floats:
    """(q, d, S) R with R R' = Sigma, for every draw of Sigma, singular ones among them.

    R = D V sqrt(E) V' with D the sds and V E V' the correlation matrix, so that R is a smooth
    function of the parameters, and effects without correlation keep apart; d = q. Of effects that
    are correlated with those on other parameters these are the rows of the root of all d effects
    together, so that b = R u with the same u for each parameter. Of a long chain R is D times the
    Cholesky factor.
    """
    sd = post.sd(factor, parameter)  # (S, q)
    parameter = post.predictor(parameter).parameter
    across = post.design.joined(factor)
    if across is not None:
        root = (
            sd[:, :, None]
            * post.once(
                ("correlation root", factor), lambda: _root(post.stacked(names.cor(factor)))
            )[:, across.places[parameter]]
        )
    elif (g := post.group(factor, parameter)).correlated:
        if (q := len(g.terms)) > MOST_EFFECTS:
            raise ModelError(
                f"{factor} has {q:,} effects in each level, whose joint covariance this needs: it "
                f"is offered up to {MOST_EFFECTS}. predict() of these or new levels does without"
            )
        cor = post.cor(factor, parameter)
        chain = g.covariance.chain and q > MANY  # eigenvectors would take far longer
        root = sd[:, :, None] * (np.linalg.cholesky(cor) if chain else _root(cor))
    else:
        root = sd[:, :, None] * np.eye(sd.shape[1])
    return np.ascontiguousarray(root.transpose(1, 2, 0))


def _root(cor: Floats) -> Floats:
    """(S, d, d) V sqrt(E) V' of correlations V E V'."""
    values, vectors = np.linalg.eigh(cor)
    scaled = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return np.asarray(scaled @ vectors.transpose(0, 2, 1))


def new_effects(
    root: Floats, seed: int, factor: str, levels: Iterable[str], law: Law = NORMAL
) -> Floats:
    """(k, q, S) effects of k levels that were not seen: b = R_s u in every draw s, u of the law."""
    shape = root.shape[1:]
    z = np.stack([law.draw(shape, level_stream(seed, factor, text)) for text in levels])
    b = np.zeros((len(z), len(root), shape[1]))
    for j in range(shape[0]):
        b += root[:, j] * z[:, j, None]
    return b


def variance(root: Floats, Z: Floats) -> Floats:
    """(m, S) variance z' Sigma_s z of the effects' part of the linear predictor, for Z (m, q)."""
    total = np.zeros((len(Z), root.shape[2]))
    for j in range(root.shape[1]):
        total += (Z @ root[:, j]) ** 2
    return total


def _variance(term: FactorPart, rows: slice) -> Floats:
    """(r, S) of levels that have no name: those of one row are different ones."""
    found = variance(term.root, term.Z[rows])
    if term.weights is not None:
        found *= np.square(term.weights[rows]).sum(axis=1, keepdims=True)
    return found


def _covariance(a: FactorPart, b: FactorPart, rows: slice) -> Floats:
    """(r, S) covariance of what one factor adds to two predictors, with the same u in both."""
    total = np.zeros((len(a.Z[rows]), a.root.shape[2]))
    for j in range(a.root.shape[1]):
        total += (a.Z[rows] @ a.root[:, j]) * (b.Z[rows] @ b.root[:, j])
    if a.weights is not None and b.weights is not None:
        total *= (a.weights[rows] * b.weights[rows]).sum(axis=1, keepdims=True)
    return total


# ---- the linear predictor ----------------------------------------------------------------------


MOST_KEPT = 2**25  # numbers: effects of new levels that are kept, not drawn again in every block


@dataclass(frozen=True, eq=False)
class Known:
    """Levels beyond those of the fit whose effects are known by draws, such as conditioned ones."""

    levels: tuple[str, ...]
    effects: Floats  # (len(levels), q, S), and at the positions `beyond`
    beyond: tuple[float, ...] = ()  # at which the fit has no effects


@dataclass(frozen=True, eq=False)
class FactorPart:
    """What one grouping factor adds: z'b with b by level, or its variance where b has no level."""

    name: str  # as `Design.formulated` has it: the same where effects are correlated
    Z: Floats  # (m, q)
    codes: Ints | None  # (m, k) positions in `effects`, or -1 - j for the j-th of `unseen`
    unseen: tuple[str, ...]
    effects: Floats  # (u, q, S) of the levels that occur in the rows
    root: Floats  # (q, d, S), R R' = Sigma; no draws, (q, q, 0), where nothing is new
    law: Law
    weights: Floats | None = None  # (m, k) of a row's levels; None: each lies in one


@dataclass(frozen=True, eq=False)
class Predictor:
    """eta = Intercept + X fixef + offset + sum_k Z_k b_k, per posterior draw."""

    intercept: Floats  # (S,)
    fixef: Floats  # (S, p)
    X: Floats  # (m, p)
    offset: Floats | None  # (m,)
    terms: tuple[FactorPart, ...]
    seed: int

    def eta(self, rows: slice) -> Floats:
        """(r, S) linear predictor; effects that have no level count zero."""
        out = self.intercept + self.X[rows] @ self.fixef.T
        if self.offset is not None:
            out += self.offset[rows, None]
        for term in self.terms:
            if term.codes is not None:
                _add(term, rows, term.codes[rows], self.seed, out)
        return out

    @property
    def integrates(self) -> bool:
        """Whether there are effects that have no level."""
        return any(t.codes is None for t in self.terms)

    def variance(self, rows: slice) -> Floats | None:
        """(r, S) variance of the effects that have no level; None where there are none."""
        parts = [_variance(t, rows) for t in self.terms if t.codes is None]
        return sum(parts[1:], parts[0]) if parts else None

    def covariance(self, other: Predictor, rows: slice) -> Floats | None:
        """(r, S) covariance with such effects on another predictor; None where there is none."""
        pairs = [(a, b) for a in self.terms for b in other.terms if a.name == b.name]
        parts = [_covariance(a, b, rows) for a, b in pairs if a.codes is b.codes is None]
        return sum(parts[1:], parts[0]) if parts else None


def predictor_roots(predictors: Sequence[Predictor], rows: slice) -> list[list[Floats | None]]:
    """L (r, S) of the effects that have no level: they add sum_{j<=i} L_ij z_j to predictor i.

    z are independent standard normal numbers, one for each predictor. L_ij is None where predictor
    i has no such effect, and where its effects are not correlated with those on j.
    """
    out: list[list[Floats | None]] = []
    for i, own in enumerate(predictors):
        row: list[Floats | None] = []
        left = own.variance(rows)
        for j, other in enumerate(predictors[:i]):
            both = None if left is None else own.covariance(other, rows)
            for k in range(j):  # what z_k has given both of them
                a, b = row[k], out[j][k]
                if a is not None and b is not None:
                    both = -a * b if both is None else both - a * b
            above = out[j][j]
            if both is None or above is None or left is None:
                row.append(None)
                continue
            found = np.divide(both, above, out=np.zeros_like(both), where=above > 0)
            row.append(found)
            left = left - np.square(found)
        row.append(None if left is None else np.sqrt(np.maximum(left, 0.0)))
        out.append(row)
    return out


def predictor(
    post: Posterior,
    rows: PredictionRows,
    seed: int,
    known: Mapping[str, Known],
    parameter: str = "mu",
) -> Predictor:
    """Put draws and rows together; only effects of levels that occur are read.

    Raises
    ------
    ModelError
        Rows have levels of the fit, and only summaries of their effects were kept.
    """
    terms = tuple(
        _term(post, factor, known.get(factor.name), parameter, seed) for factor in rows.factors
    )
    intercept, fixef = post.intercept(parameter), post.fixef(parameter)
    return Predictor(intercept, fixef, rows.X, rows.offset, terms, seed)


def _term(
    post: Posterior, factor: FactorRows, known: Known | None, parameter: str, seed: int
) -> FactorPart:
    name = post.design.formulated(parameter, factor.name)
    codes, unseen = factor.codes, factor.unseen
    g = post.group(factor.name, parameter)
    before = () if known is None else known.beyond
    others = (*before, *(v for v in factor.beyond if v not in before))
    Z = aligned(factor.Z, factor.beyond, others)
    q = Z.shape[1]
    effects = np.zeros((0, q, post.n_draws))

    if others and g.related_to is not None:
        raise ModelError(
            "a prediction at positions where the fit has no effects is not offered here: "
            f"{g.related}"
        )

    long = LongChain.of(post, g, parameter)

    def extended(b: Floats, given: tuple[float, ...], texts: Sequence[str]) -> Floats:
        wanted = others[len(given) :]
        if long is not None:
            return long.extended(b, given, wanted, seed, name, texts)
        return Extension.of(post, g, parameter, wanted, given).effects(b, seed, name, texts)

    def roots() -> Floats:
        root = covariance_roots(post, factor.name, parameter)
        return Extension.of(post, g, parameter, others).roots(root) if others else root

    if codes is None:
        need_normal([g], what := "a prediction of levels that are not named")
        if g.related_to is None:
            need_independent([g], what)
        if long is not None:
            collapsed, root = long.collapsed(Z)
            return FactorPart(name, collapsed, None, (), effects, root, g.law, factor.weights)
        root = roots() * np.sqrt(typical_variance(g))
        return FactorPart(name, Z, None, (), effects, root, g.law, factor.weights)
    seen = codes >= 0
    if seen.any():
        levels, at = np.unique(codes[seen], return_inverse=True)
        codes = codes.copy()
        codes[seen] = at
        own = post.ranef(factor.name, parameter)[:, levels]
        effects = np.ascontiguousarray(own.transpose(1, 2, 0))
        if others:
            texts = [label(g.levels[k]) for k in levels]
            effects = extended(effects, (), texts)
    if known is not None:
        codes, unseen = _found(codes, unseen, known.levels, len(effects))
        there = known.effects
        if len(others) > len(before):
            there = extended(there, before, known.levels)
        effects = np.concatenate([effects, there])
    if not (codes < 0).any():
        root = np.zeros((q, q, 0))
        return FactorPart(name, Z, codes, unseen, effects, root, g.law, factor.weights)
    if long is not None:
        drawn = long.anew(seed, name, unseen)
        if others:
            drawn = long.extended(drawn, (), others, seed, name, unseen)
        codes = np.where(codes < 0, len(effects) - 1 - codes, codes)
        effects, root = np.concatenate([effects, drawn]), np.zeros((q, q, 0))
        return FactorPart(name, Z, codes, (), effects, root, g.law, factor.weights)
    law = post.law(factor.name, parameter)
    root = roots()
    if g.related_to is not None:
        drawn = _related(
            post, g, g.related_to, factor, unseen, root, law, parameter, name, seed, known
        )
        codes = np.where(codes < 0, len(effects) - 1 - codes, codes)
        effects = np.concatenate([effects, drawn])
        return FactorPart(name, Z, codes, (), effects, root, law, factor.weights)
    need_independent([g], "a prediction of new levels", normal=False)
    if len(unseen) * root[0].size <= MOST_KEPT:
        drawn = new_effects(root, seed, name, unseen, law)
        effects = np.concatenate([effects, drawn])
        codes = np.where(codes < 0, len(effects) - len(unseen) - 1 - codes, codes)
    return FactorPart(name, Z, codes, unseen, effects, root, law, factor.weights)


def typical_variance(g: Term) -> float:
    """Of a level that is not named: the mean over the levels of a known relation."""
    return 1.0 if g.related_to is None else float(np.mean(g.related_to.diagonal))


def _related(
    post: Posterior,
    g: Term,
    relation: Related,
    factor: FactorRows,
    unseen: tuple[str, ...],
    root: Floats,
    law: Law,
    parameter: str,
    name: str,
    seed: int,
    known: Known | None,
) -> Floats:
    """(k, q, S) effects of levels that the relation has: given those known, or all anew."""
    at = related_places(relation, g.name, unseen)
    if factor.anew:
        return _mix(relation.anew(at), new_effects(root, seed, name, unseen, law))
    if not law.normal:
        need_independent([g], "a prediction of new levels that are related to those of the fit")
    mean, C = given_related(post, relation, at, factor.name, parameter, known)
    return mean + _mix(C, new_effects(root, seed, name, unseen, law))


def related_places(relation: Related, factor: str, texts: Sequence[str]) -> Ints:
    """Where levels are in a known relation; DataError where it lacks some."""
    places = {label(level): k for k, level in enumerate(relation.relation.levels.tolist())}
    if strange := [text for text in texts if text not in places]:
        raise DataError(
            f"{relation.name} lacks {len(strange):,} of the levels of {factor} in these rows: "
            f"{listed(strange)}; their relation to those of the fit is not known. Add them to "
            f'{relation.name} and fit again, or ask for groups="average"'
        )
    return np.array([places[text] for text in texts], np.int64)


def given_related(
    post: Posterior,
    relation: Related,
    at: Ints,
    factor: str,
    parameter: str,
    known: Known | None = None,
) -> tuple[Floats, Floats]:
    """Mean (k, q, S) of the effects of levels at these places given those of the fit, and C (k, k).

    They are mean + sum_j C_kj R u_j, with R the root of the covariance of a level's effects. Levels
    that are `known` count as those of the fit.
    """
    b = post.ranef(factor, parameter).transpose(1, 2, 0)
    if known is not None:
        more = related_places(relation, factor, known.levels)
        relation = replace(relation, at=np.concatenate([relation.at, more]))
        b = np.concatenate([b, known.effects])
    W, C = relation.given(at)
    return _mix(W, b), C


def _mix(weights: Floats, b: Floats) -> Floats:
    """(k, q, S) sums over levels of b (J, q, S)."""
    return np.tensordot(weights, b, axes=1)


def _found(
    codes: Ints, unseen: tuple[str, ...], levels: tuple[str, ...], first: int
) -> tuple[Ints, tuple[str, ...]]:
    """Codes where unseen labels that are known have a position, from `first` on."""
    place = {text: first + k for k, text in enumerate(levels)}
    left = tuple(text for text in unseen if text not in place)
    place |= {text: -1 - k for k, text in enumerate(left)}
    out, drawn = codes.copy(), codes < 0
    if drawn.any():
        out[drawn] = np.array([place[text] for text in unseen])[-1 - codes[drawn]]
    return out, left


def _add(term: FactorPart, rows: slice, codes: Ints, seed: int, out: Floats) -> None:
    """Add z'b to out (r, S). Rows one by one, so that no effects are copied."""
    Z, weights = term.Z[rows], None if term.weights is None else term.weights[rows]
    own = codes >= 0
    for row, k in zip(*np.nonzero(own), strict=True):
        z = Z[row] if weights is None else Z[row] * weights[row, k]
        out[row] += z @ term.effects[codes[row, k]]
    if own.all():
        return
    which, at = np.unique(-1 - codes[~own], return_inverse=True)
    labels = [term.unseen[k] for k in which]
    drawn = new_effects(term.root, seed, term.name, labels, term.law)
    for row, k, level in zip(*np.nonzero(~own), at, strict=True):
        z = Z[row] if weights is None else Z[row] * weights[row, k]
        out[row] += z @ drawn[level]
