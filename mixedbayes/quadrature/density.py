"""The posterior with a factor's effects integrated out by quadrature: density and gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Family
from mixedbayes.joint.data import row_data
from mixedbayes.joint.layout import JointLayout
from mixedbayes.marginal.density import Affine, Surrogate
from mixedbayes.priors.types import Priors
from mixedbayes.quadrature import rows
from mixedbayes.quadrature.blocks import Blocks
from mixedbayes.quadrature.kernel import SECTIONS, address, c_density, density, marginal
from mixedbayes.quadrature.rule import Rule
from mixedbayes.theta.logpriors import Table
from mixedbayes.theta.record import Recorded, pack
from mixedbayes.theta.tails import TailTransform
from mixedbayes.theta.whitening import Whitening

_STEP = 0.01  # of the differences that say how modes move, in each coordinate's units


@dataclass(frozen=True, eq=False)
class Coordinates:
    """theta: variances, the family's parameters, the intercept at the columns' means, slopes."""

    joint: JointLayout

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
        """(d,) 1, but of a slope the change that moves eta by 1 where its column is one sd off."""
        X = self.joint.columns(self.joint.design.mu.X)
        sd = np.sqrt(np.mean(np.square(X), axis=0))
        found = np.ones(self.ndim)
        found[self.ndim - len(sd) :] = 1.0 / np.where(sd > 0, sd, 1.0)
        return found

    @property
    def sampled(self) -> tuple[()]:
        return ()


@dataclass(frozen=True, eq=False)
class QuadratureDensity(Recorded):
    """log p(theta, y), the effects of one factor integrated out by a rule.

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
    modes: Floats  # (q, J) of the groups' standardised effects, where their search starts
    centre: Floats = field(default_factory=lambda: np.zeros(0))  # (d,) theta where these are
    moves: Floats = field(default_factory=lambda: np.zeros(0))  # (d, q, J) and how they move
    units: Affine | None = None
    tails: TailTransform | None = None
    surrogate: Surrogate | None = None

    @classmethod
    def of(cls, design: Design, family: Family, priors: Priors, rule: Rule) -> QuadratureDensity:
        """The density of theta itself."""
        data = row_data(design, family)
        layout = JointLayout(priors.moved(design), family, priors)
        (g,), (factor,) = layout.groups, layout.factors
        refs = np.asarray(g.refs, np.int64)[data.rows]
        blocks = Blocks.of(refs, g.n_levels)
        order = blocks.rows
        own, mu = data.rows[order], layout.design.mu
        m = len(layout.numbers)
        sizes = (
            layout.n_hyper, m, len(g.terms), mu.intercept, layout.level_at_zero,
            rows.address(data.density, data.front, m), address(), data.density.n_kept,
        )  # fmt: skip
        sections: dict[str, Floats | Ints] = {
            "sizes": np.array(sizes, np.int64),
            "blocks": np.array(factor.record(0, 0), np.int64),
            "groups": blocks.groups,
            "firsts": blocks.firsts,
            "slots": blocks.slots,
            "codes": layout.table.codes,
            "numbers": layout.table.numbers,
            "Z": g.Z[own].T,
            "X": layout.columns(mu.X[own]).T,
            "means": layout.centre.means,
            "offset": np.zeros(len(own)) if mu.offset is None else mu.offset[own],
            "y": data.y[order],
            "size": data.size[order],
            "extra": data.extra.reshape(len(own), -1)[order],
            "constant": np.array([data.constant]),
        }
        modes = np.zeros((len(g.terms), g.n_levels))
        return cls(Coordinates(layout), sections, blocks, rule, modes)

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
        tails = self.tails or TailTransform.identity(self.ndim)
        own = {
            "nodes": self.rule.nodes.T, "ratios": self.rule.log_ratios, "modes": self.modes,
            "centre": self.centre, "moves": self.moves,
            "tails": tails.table[: self.layout.joint.n_hyper],
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
