"""The posterior with a factor's effects integrated out by quadrature: density and gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Family
from mixedbayes.families.links import Identity
from mixedbayes.joint.data import row_data
from mixedbayes.joint.layout import JointLayout
from mixedbayes.joint.search import start
from mixedbayes.joint.stacked import StackedLayout
from mixedbayes.marginal.density import Affine, Surrogate
from mixedbayes.priors.placement import Placement
from mixedbayes.priors.types import Priors
from mixedbayes.quadrature import rows
from mixedbayes.quadrature.blocks import Blocks
from mixedbayes.quadrature.hierarchy import Hierarchy
from mixedbayes.quadrature.kernel import address, c_density, density, marginal
from mixedbayes.quadrature.nested import address as nested_address
from mixedbayes.quadrature.obstacle import concave
from mixedbayes.quadrature.rule import Rule
from mixedbayes.quadrature.sections import SECTIONS
from mixedbayes.quadrature.stepped import address as stepped_address
from mixedbayes.terms.roots import HEAD
from mixedbayes.theta.logpriors import Table
from mixedbayes.theta.record import Recorded, pack
from mixedbayes.theta.tails import TailTransform
from mixedbayes.theta.whitening import Whitening

_STEP = 0.01  # of the differences that say how modes move, in each coordinate's units
_DIFFERENCE = 1e-4  # of the differences of rows' slopes, in scales of their predictor
_NO_STEPS = np.zeros(0, np.int64)
_OF_RESPONSES = 0.1  # scale of a predictor in the response's units, of most responses' spread


@dataclass(frozen=True, eq=False)
class Coordinates:
    """theta: variances, the family's parameters, the intercept at the columns' means, slopes.

    Thresholds are the last of the family's parameters, as `joint.layout` has them.
    """

    joint: JointLayout
    scales: Floats  # (N,) what is a large change of the predictor, by row of the stacked design

    @property
    def ndim(self) -> int:
        return self.joint.ndim - self.joint.n_effects

    @property
    def n_parameters(self) -> int:
        """All of them, as `marginal.mode` counts: there are no sampled effects."""
        return self.ndim

    @property
    def table(self) -> Table:
        return self.joint.table

    @property
    def coefficients(self) -> tuple[()]:
        """None whose units follow from a `Problem`."""
        return ()

    @cached_property
    def units(self) -> Floats:
        """(d,) 1, but of a coefficient the change that moves eta by its scale where its column is
        one sd off.
        """
        joint = self.joint
        X = joint.columns(joint.design.mu.X)
        if (A := joint.steps(start(joint))) is not None:  # at equal shares
            X = X @ A
        if joint.design.mu.intercept:
            X = np.column_stack([np.ones(len(X)), X])
        sd = np.sqrt(np.mean(np.square(X / self.scales[:, None]), axis=0))
        found = np.ones(self.ndim)
        found[self.ndim - len(sd) :] = 1.0 / np.where(sd > 0, sd, 1.0)
        return found

    @property
    def placed(self) -> Mapping[str, Placement]:
        """Of factors of the mean whose priors are on effects of replaced columns."""
        joint = self.joint
        priors = joint.source_priors if isinstance(joint, StackedLayout) else joint.priors
        return priors.mu.placed

    def roots(self, phi: Floats) -> Floats:
        """(S, q, q) of the covariance of all effects of a level, given phi (S, h)."""
        sds, Ws, _ = self.joint.hyper(phi)
        q, place = sum(f.q for f in self.joint.factors), 0
        found = np.zeros((len(phi), q, q))
        for sd, W in zip(sds, Ws, strict=True):
            own = slice(place, place + sd.shape[-1])
            found[:, own, own], place = sd[..., None] * W, own.stop
        return found

    def split(self, b: Floats) -> list[Floats]:
        """Of each factor the effects (..., q) among all of a level."""
        return np.split(b, np.cumsum([f.q for f in self.joint.factors])[:-1], axis=-1)

    @property
    def sampled(self) -> tuple[()]:
        return ()


@dataclass(frozen=True, eq=False)
class QuadratureDensity(Recorded):
    """log p(theta, y), the effects of one factor integrated out by a rule.

    Those on further parameters as well, which are one vector with the others of their level; or
    those of factors one within the other, see `messages`.

    With `tails` it is the density of t, theta = tails.phi(t), with `units` that of eta, t = mode +
    C eta, and with a `surrogate` its gradient near the mode is the surrogate's, all as in
    `marginal.density.MarginalDensity`.
    """

    compiled: ClassVar[Any] = density
    as_c: ClassVar[Any] = c_density
    problem: ClassVar[None] = None  # what `marginal.mode` would start from

    layout: Coordinates
    sections: Mapping[str, Floats | Ints]  # of the model
    blocks: Blocks
    rule: Rule
    # (q, J) of the groups' standardised effects, where their search starts; of nested factors
    # (1, J), of all levels in the order of `tree`
    modes: Floats
    tree: Hierarchy | None = None
    centre: Floats = field(default_factory=lambda: np.zeros(0))  # (d,) theta where these are
    moves: Floats = field(default_factory=lambda: np.zeros(0))  # (d, q, J) and how they move
    units: Affine | None = None
    tails: TailTransform | None = None
    surrogate: Surrogate | None = None

    @classmethod
    def of(cls, design: Design, family: Family, priors: Priors, rule: Rule) -> QuadratureDensity:
        """The density of theta itself."""
        data, moved = row_data(design, family), priors.moved(design)
        layout, codes = JointLayout(moved, family, priors), None
        if design.further:
            layout = StackedLayout.of(moved, family, priors)
            codes = layout.codes
        codes = codes or (0,) * len(layout.numbers)
        tree = None if design.further else Hierarchy.of(layout.groups, data.rows)
        mu, J = layout.design.mu, layout.groups[0].n_levels
        if tree is None:
            blocks = Blocks.of(np.asarray(layout.groups[0].refs, np.int64)[data.rows], J)
        else:
            blocks = tree.blocks
        order = blocks.rows
        own, P = data.rows[order], len(mu.X) // design.n
        every = np.concatenate([own + k * design.n for k in range(P)])  # of the stacked design
        groups = layout.groups if tree is None else layout.groups[:1]
        Z = np.concatenate([g.Z[every] for g in groups], axis=1)
        scales = np.ones(P * design.n)
        scales[: design.n] = _scales(design, family)
        ordered = any(map(layout.in_order, layout.vectors))
        # independent draws become the same thresholds in so many orders
        orders = math.lgamma(layout.n_thresholds + 1) if ordered else 0.0
        plain, steps = layout.stepped if layout.monotonic else (_NO_STEPS, _NO_STEPS)
        acting = np.flatnonzero(Z.reshape(P, -1).any(axis=1))
        sizes = (
            layout.n_hyper, layout.n_parameters, Z.shape[1], mu.intercept, layout.level_at_zero,
            rows.address(data.density, data.front, codes), address(),
            0 if any(codes) else data.density.n_kept, concave(design, family),
            0 if tree is None else nested_address(),
            layout.n_thresholds, ordered, stepped_address() if layout.monotonic else 0,
        )  # fmt: skip
        sections: dict[str, Floats | Ints] = {
            "sizes": np.array(sizes, np.int64),
            "blocks": np.array(_side_by_side(layout), np.int64),
            "groups": blocks.groups,
            "firsts": blocks.firsts,
            "slots": blocks.slots,
            "codes": layout.table.codes,
            "numbers": layout.table.numbers,
            "Z": Z.T,
            "X": layout.columns(mu.X[every]).T,
            "means": layout.centre.means,
            "offset": np.zeros(len(every)) if mu.offset is None else mu.offset[every],
            "acting": acting,
            "steps": _DIFFERENCE * scales[every],
            "plain": plain,
            "stepped": steps,
            **(Hierarchy.NONE if tree is None else tree.sections()),
            "y": data.y[order],
            "size": data.size[order],
            "extra": data.extra.reshape(len(own), -1)[order],
            "constant": np.array([data.constant + orders]),
        }
        modes = np.zeros((Z.shape[1], J) if tree is None else (1, tree.n_levels))
        return cls(Coordinates(layout, scales), sections, blocks, rule, modes, tree)

    @property
    def ndim(self) -> int:
        return self.layout.ndim

    @cached_property
    def whitening(self) -> Whitening:
        return self.units.whitening if self.units else Whitening.identity(0, 0, 1, self.ndim)

    def logp(self, theta: Floats) -> float:
        """Log density at theta (ndim,) alone."""
        return self._evaluate(theta, np.empty(0))

    @cached_property
    def record(self) -> Ints:
        near = self.surrogate or Surrogate.none()
        tails = self.tails or TailTransform.identity()
        own = {
            "nodes": self.rule.nodes.T, "ratios": self.rule.log_ratios, "modes": self.modes,
            "centre": self.centre, "moves": self.moves,
            "tails": tails.table,
            "terms": near.terms, "coefficients": near.coefficients,
            "square": np.array([near.radius**2]),
        }  # fmt: skip
        return pack(SECTIONS, {**self.sections, **own, **self.whitening.sections()})

    def groups(self, theta: Floats) -> tuple[Floats, Floats]:
        """log p(y_j) (J,) at theta (d,), without tails and units, and the modes (q, J) of u."""
        each, found = np.empty(self.modes.shape[1]), np.empty(self.modes.size)
        marginal(np.ascontiguousarray(theta, float), np.empty(0), each, found, self.record)
        return each, found.reshape(self.modes.shape)

    def started(self, theta: Floats) -> QuadratureDensity:
        """The same with searches for the groups' modes that start near those at theta."""
        _, modes = self.groups(theta)
        here = replace(self, modes=modes, moves=np.zeros(0))
        steps = _STEP * np.diag(self.layout.units)
        moves = [
            (here.groups(theta + e)[1] - here.groups(theta - e)[1]) / (2 * e.sum()) for e in steps
        ]
        return replace(here, centre=theta, moves=np.stack(moves))

    def by(self, rule: Rule) -> QuadratureDensity:
        """The same by another rule."""
        return replace(self, rule=rule)


def _scales(design: Design, family: Family) -> Floats:
    """(n,) a large change of the mean's predictor: 1, unless it has the response's units."""
    found = np.ones(design.n)
    if not isinstance(family.link, Identity):
        return found
    every = design.several
    places = [slice(None)] if every is None else [every.at(k) for k in range(len(every.parts))]
    for own in places:
        y = design.y[own][np.isfinite(design.y[own])]
        low, high = np.quantile(y, [0.25, 0.75]) if y.size else (0.0, 0.0)
        spread = (high - low) or (np.ptp(y) if y.size else 0.0)
        found[own] = _OF_RESPONSES * spread if spread > 0 else 1.0
    return found


def _side_by_side(layout: JointLayout) -> list[int]:
    """The blocks that `terms.roots` reads, the roots of all factors along one diagonal."""
    found: list[int] = []
    q, place = sum(f.q for f in layout.factors), 0
    for factor, first in zip(layout.factors, layout.variance_starts, strict=True):
        record, at = factor.record(first, 0), 0
        while at < len(record):
            k = record[at + 2]
            own = slice(at + HEAD, at + HEAD + k)
            record[at + 5], record[own] = q, [place + i for i in record[own]]
            at += HEAD + 3 * k
        found += record
        place += factor.q
    return found
