"""The joint posterior of one model: density and gradient, in theta or whitened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.axis import MOST
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Family
from mixedbayes.joint import loop
from mixedbayes.joint.coordinates import Coordinates
from mixedbayes.joint.data import RowData, compiled_of, row_data
from mixedbayes.joint.fill import too_many
from mixedbayes.joint.kernel import c_density, density
from mixedbayes.joint.layout import JointLayout
from mixedbayes.joint.operator import COLUMNS, DENSE, ONES
from mixedbayes.joint.sections import SECTIONS
from mixedbayes.joint.stacked import StackedLayout, stacked_rows, stacking_obstacle
from mixedbayes.priors.types import Priors
from mixedbayes.theta.record import Recorded, pack
from mixedbayes.theta.whitening import Whitening

# Coefficients and effects beside the largest factor's whose square is kept and multiplied.
LARGEST = 2000  # beyond it, L is kept where it is sparse


def obstacle(design: Design, family: Family, priors: Priors) -> str | None:
    """Why the compiled density cannot serve; None where it can."""
    if (said := unwritten(design, family, priors)) is not None:
        return said
    predictors = design.predictors
    across, size = {a.name for a in design.across}, lambda g: g.n_levels * len(g.terms)
    own = [size(g) for p in predictors for g in p.groups if g.name not in across]
    sizes = sorted([*own, *(size(a.effects) for a in design.across)])
    plain = max((size(g) for p in predictors for g in p.groups if not g.entangled), default=0)
    effects = sum(sizes) - plain
    coefficients = sum(len(p.terms) + p.intercept for p in predictors)
    return too_many(design, effects) if effects + coefficients > LARGEST else None


def unwritten(design: Design, family: Family, priors: Priors) -> str | None:
    """Why its coordinates or rows are none of the compiled ones, however many effects there are."""
    if compiled_of(family) is None:
        return f"the {family.name} family with {family.link.name} link is not compiled in"
    terms = [g for p in design.predictors for g in p.groups]
    unusual = next((g.unusual_law for g in terms if g.unusual_law), None)
    if unusual is not None:
        return (
            f"{unusual}, and the compiled density's coordinates and mode are those of normal "
            'effects; law="normal" is sampled there'
        )
    if design.residual is not None:
        return f"residuals are correlated, {design.residual.text}"
    for g in terms:
        if (k := len(g.covariance.at)) > MOST:
            return (
                f"{g.covariance.of} has {k:,} levels, whose dense covariance would be factored at "
                f"every step: more than {MOST}"
            )
    stacking = stacking_obstacle(design, family)
    if stacking is not None:
        return stacking
    every = priors.predictors
    stepped = [m.name for p in every for m in p.monotonic]
    if stepped and design.further:
        return f"the steps of {stepped[0]} are products of parameters, beside several formulas"
    assigned = [a for p in every for a in (p.intercept, *p.effects.values()) if a is not None]
    for a in assigned:
        if a.prior.support != "real":
            return f"{a.prior} of a coefficient is not on the whole real line"
    for name, a in priors.parameters.items():
        if name in family.vectors and a.prior.support != "real":
            return f"{a.prior} of {name} is not on the whole real line"
    return None


@dataclass(frozen=True, eq=False)
class JointDensity(Recorded):
    """log p(theta, y) at theta = mode + M z, with all its constants."""

    compiled: ClassVar[Any] = density
    as_c: ClassVar[Any] = c_density

    layout: JointLayout
    data: RowData
    coordinates: Coordinates
    sections: Mapping[str, Floats | Ints]  # of the model, whatever its coordinates
    whitening: Whitening
    watch: Callable[[], BaseException | None]  # by `Family.failure`

    @classmethod
    def of(cls, design: Design, family: Family, priors: Priors) -> JointDensity:
        """The density in theta itself, effects not centred."""
        data = row_data(design, family)
        design = priors.moved(design)
        if design.further:
            stacked = StackedLayout.of(design, family, priors)
            data = stacked_rows(data, stacked)
        layout = stacked if design.further else JointLayout(design, family, priors)
        shapes = [(s.n_levels, s.width) for s in layout.sampled]
        mixes = [s.root for s in layout.sampled]
        coordinates = Coordinates.plain(shapes, mixes)
        fixed = _model_sections(layout, data)
        q = 1 if layout.first is None else layout.first.width
        rest = layout.ndim - layout.n_hyper - layout.n_first
        whitening = Whitening.identity(layout.n_hyper, layout.n_first, q, rest)
        return cls(layout, data, coordinates, fixed, whitening, family.failure(design))

    def whitened(self, whitening: Whitening, coordinates: Coordinates) -> JointDensity:
        """The same density with the effects in these coordinates, whitened."""
        return replace(self, whitening=whitening, coordinates=coordinates)

    @cached_property
    def record(self) -> Ints:
        own = self.coordinates.sections() | self.whitening.sections()
        factors = self.sections["factors"].copy()
        at = place = 0
        for k in range(len(factors)):
            mix, share = self.coordinates.mix(k), self.coordinates.share(k)
            factors[k, -2:] = -1 if mix is None else at, -1 if share is None else place
            at += 0 if mix is None else mix.size
            place += 0 if share is None else share.size
        falls, place = np.zeros((0, 3), np.int64), 0
        for k, fall in enumerate(self.coordinates.falls):
            if fall is not None:
                falls = np.append(falls, [[k, fall.finer, place]], axis=0)
                place += 1 + len(fall.rates)
        return pack(SECTIONS, {**self.sections, **own, "factors": factors, "falls": falls})

    def logp_grad(self, z: Floats) -> tuple[float, Floats]:
        """As of all records; raises what compiled code cannot, see `Family.failure`."""
        found = super().logp_grad(z)
        error = self.watch()
        if error is not None:
            raise error
        return found

    @property
    def ndim(self) -> int:
        return self.layout.ndim


def _model_sections(layout: JointLayout, data: RowData) -> dict[str, Floats | Ints]:
    """Everything but coordinates and whitening."""
    mu, rows = layout.design.mu, data.rows
    n, p = len(rows), len(mu.terms)
    factors, blocks, refs, Z, at, pairs, squares = [], [], [], [], 0, 0, 0
    starts = zip(layout.variance_starts, layout.effect_starts, strict=True)
    place = 0
    for k, (one, (first, effect)) in enumerate(zip(layout.sampled, starts, strict=True)):
        q, there = one.width, one.there(rows)
        how = DENSE if one.dense else ONES if one.ones else COLUMNS
        many = 1 if one.refs is None else one.refs.shape[1]
        factors.append(
            (q, one.n_levels, squares, effect, how, place, at, pairs, many, there.start,
             there.stop, -1, -1)
        )  # fmt: skip
        blocks += one.record(layout.factors[k].record(first, squares))
        pairs += one.n_levels * q * q
        squares += q * q
        if one.refs is not None:
            refs.append(one.refs[rows[there]].ravel())
            place += refs[-1].size
        if how != ONES:
            Z.append(one.Z[rows[there]].ravel())
            at += Z[-1].size
    nests: list[tuple[int, ...]] = []
    maps: list[Ints] = [np.zeros(0, np.int64)]
    place = 0
    for link in layout.links:
        nests.append((link.finer, link.coarser, link.term, link.term_above, place))
        maps.append(link.above)
        place += len(link.above)
    k, vectors = layout.n_thresholds, layout.vectors
    ordered = [v.stop - v.start for name, v in vectors.items() if layout.in_order(name)]
    sizes = (
        layout.ndim,
        layout.n_hyper,
        n,
        p,
        mu.intercept,
        layout.level_at_zero,
        loop.address(data.density, data.front, len(layout.numbers)),
        layout.n_parameters,
        len(vectors),
        layout.own_parameters,
        k,
        layout.ndim - layout.coefficient_start - mu.intercept,
    )
    plain, steps = layout.stepped
    # The normal constants of the effects are part of the density, and the k! orders in which
    # independent draws become the same thresholds.
    constant = data.constant - 0.5 * np.log(2 * np.pi) * layout.n_effects
    constant += float(sum(special.gammaln(m + 1) for m in ordered))
    return {
        "sizes": np.array(sizes, np.int64),
        "factors": np.array(factors, np.int64).reshape(-1, 13),
        "blocks": np.array(blocks, np.int64),
        "refs": np.concatenate([np.zeros(0, np.int64), *refs]),
        "nests": np.array(nests, np.int64),
        "maps": np.concatenate(maps),
        "codes": layout.table.codes,
        "numbers": layout.table.numbers,
        "Z": np.concatenate([np.zeros(0), *Z]),
        "X": layout.columns(mu.X[rows]),
        "means": layout.centre.means,
        "plain": plain,
        "steps": steps,
        "offset": np.zeros(n) if mu.offset is None else mu.offset[rows],
        "y": data.y,
        "size": data.size,
        "extra": data.extra,
        "constant": np.array([constant]),
        "vectors": np.array(
            [i for name, v in vectors.items() for i in (v.stop - v.start, layout.in_order(name))],
            np.int64,
        ),
    }
