"""Formulas for further parameters: their linear predictors below the mean's, as one design.

With formulas for k parameters of the family, row i of the data has k + 1 linear predictors; they
are rows i, n + i, 2 n + i, ... of one design, in which the columns and effects of a parameter are 0
in the rows of all others. Whatever deals with effects and coefficients then deals with those of all
parameters alike; the likelihood alone tells the rows apart. An intercept is one of the columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Across, Design, Floats, GroupDesign, LinearPredictor
from mixedbayes.families.base import Family
from mixedbayes.families.fronts import CODES, bits_of
from mixedbayes.families.responses import centres
from mixedbayes.joint.data import RowData
from mixedbayes.joint.layout import JointLayout
from mixedbayes.priors.placement import Centre, Cuts
from mixedbayes.priors.types import Assigned, PredictorPriors, Priors


@dataclass(frozen=True, eq=False)
class StackedLayout(JointLayout):
    """The layout of the stacked design; `named` gives the names of the design it comes from."""

    source: Design
    source_priors: Priors

    @classmethod
    def of(cls, design: Design, family: Family, priors: Priors) -> StackedLayout:
        """The layout of a design with formulas for further parameters."""
        pairs = _pairs(design, family, priors)
        columns = [
            centre.columns(p.X)
            for (p, _), centre in zip(pairs, _centres(pairs, family, priors), strict=True)
        ]
        if design.several is not None:
            columns = _centred_by_response(design, family, priors, pairs, columns)
        mu, stacked = _stacked(pairs, design.across, priors, columns)
        whole = replace(design, predictors=(mu,))
        return cls(whole, family, replace(priors, predictors=(stacked,)), design, priors)

    @cached_property
    def own(self) -> tuple[str, ...]:
        """Parameters with a formula, in the family's order."""
        return tuple(p for p in self.family.parameters if p in self.source.further)

    @property
    def _whole(self) -> Design:
        return self.source

    @property
    def own_parameters(self) -> int:
        bits = bits_of(len(self.numbers))
        return sum(
            CODES[type(self.family.parameter_link(p))] << bits * self.numbers.index(p)
            for p in self.own
        )

    @property
    def codes(self) -> tuple[int, ...]:
        """Of each of `numbers` the code of the link of its formula; 0 without one."""
        bits = bits_of(len(self.numbers))
        every = (self.own_parameters >> bits * k for k in range(len(self.numbers)))
        return tuple(code & (1 << bits) - 1 for code in every)

    @cached_property
    def linked(self) -> bool:
        if self.source.several is not None:
            return self.family.linked_rows(self.source) is not None
        return self.family.linked_information(np.zeros((1 + len(self.own), 1))) is not None

    @cached_property
    def shared(self) -> Floats | float:
        rows = self.family.linked_rows(self.source)
        return 1.0 if rows is None else rows.astype(np.float64).ravel()

    @cached_property
    def centre(self) -> Centre:
        """Of thresholds the means of the mean's columns; else zero."""
        mu = self.source.mu
        means = np.zeros(len(self.design.mu.terms))
        if self.thresholds is not None:
            means[: len(mu.terms)] = mu.means
        return Centre(means)

    @cached_property
    def cuts(self) -> dict[str, Cuts]:
        """Of all columns of the stacked design, of which only those that move thresholds count."""
        if self.source.several is not None:
            return {name: Cuts(self._placed(name)) for name in self.vectors}
        found, at = np.zeros((len(self.design.mu.terms), self.n_thresholds)), 0
        own = [p.parameter for p in self.source.moving[1:]]
        centres = _centres(self._parts, self.family, self.source_priors)
        for (predictor, _), centre in zip(self._parts, centres, strict=True):
            at += predictor.intercept
            here, p = slice(at, at + len(predictor.terms)), predictor.parameter
            at = here.stop
            if predictor is self._parts[0][0]:
                found[here] = centre.means[:, None]
            elif p in own:
                found[here, own.index(p)] = centre.means
        return {name: Cuts(found) for name in self.vectors}

    def _placed(self, name: str) -> Floats:
        """(p, k) the means that one of several vectors is looked at, of all stacked columns."""
        here = self.source_priors.cuts(name, self.source).means
        found, at = np.zeros((len(self.design.mu.terms), here.shape[1])), 0
        rows = _rows_of(self.source.moving)
        for predictor, _ in self._parts:
            at += predictor.intercept
            size = len(predictor.terms)
            if predictor.parameter in rows:
                found[at : at + size] = here[rows[predictor.parameter]]
            at += size
        return found

    def columns(self, X: Floats) -> Floats:
        """They are centred already, each predictor's in its own rows."""
        return X

    @cached_property
    def _parts(self) -> list[tuple[LinearPredictor, PredictorPriors]]:
        return _pairs(self.source, self.family, self.source_priors)

    def given_further(self, k: int, W: Floats) -> Floats | None:
        """(q, q) what is added to the prior precision of a factor's u by giving further effects.

        The k-th factor's effects are L u, W (q, q) the root of their correlations, those on the
        mean first. With those on further parameters given, b_f = L_fm u_m + L_ff u_f, u_m has the
        precision I + C'C, C = W_ff^-1 W_fm. None where effects are not correlated across
        parameters.
        """
        a = self.source.joined(self.groups[k].name)
        mean = self.source.mu.parameter
        if a is None or mean not in a.places:
            return None
        m = a.places[mean].stop
        C = np.linalg.solve(W[m:, m:], W[m:, :m])
        found = np.zeros_like(W)
        found[:m, :m] = C.T @ C
        return found

    def start(self) -> Floats:
        found = []
        for predictor, _ in self._parts:
            p, here = predictor.parameter, np.zeros(len(predictor.terms) + predictor.intercept)
            if self.source.several is not None:
                here = centres(self.source, self.family, p)
            elif predictor.intercept and predictor is self._parts[0][0]:
                here[0] = self.family.location(self.source)
            elif predictor.intercept:
                here[0] = self.family.link_scale(p, self.source)[0]
            found.append(here)
        return np.concatenate(found)

    def information(self, eta: Floats, parameters: Mapping[str, Floats]) -> Floats:
        """(S, n (k + 1)) of each row about its own predictor, for rows of size 1."""
        family, blocks = self.family, np.split(eta, len(self.own) + 1, axis=-1)
        if self.linked and not family.by_response:
            linked = family.linked_information(np.concatenate(blocks))
            return np.asarray(linked, float).reshape(1, -1)
        values = dict(parameters)
        for name, block in zip(self.own, blocks[1:], strict=True):
            values[name] = family.parameter_link(name).inverse(block, np)
        weights = self.source.weights
        # Where a weight divides the variance, it says nothing about how large that is.
        # Families of several responses have seen to it.
        alike = weights is None or family.repeats_rows or bool(family.by_response)
        size = 1.0 if alike else weights
        source, eta = self.source, blocks[0]
        found = [family.information_in(source, eta, values)]
        for p, own in zip(self.own, blocks[1:], strict=True):
            found.append(family.link_information(p, source, own, eta, values) / size)
        return np.concatenate([np.broadcast_to(f, blocks[0].shape) for f in found], axis=-1)

    def told(
        self, phi: Floats, effects: Sequence[Floats], coefficients: Floats
    ) -> dict[str, Floats]:
        out = super().told(phi, effects, coefficients)
        for a in self.source.across:
            sd, cor, b = (out.pop(f(a.name)) for f in (names.sd, names.cor, names.ranef))
            out |= self.source_priors.across_at_zero(a, sd, cor, b)
        beta, at = out.pop(names.fixef(), np.zeros((len(phi), 0))), 0
        for predictor, priors in self._parts:
            p, size = predictor.parameter, len(predictor.terms) + predictor.intercept
            own, at = beta[:, at : at + size], at + size
            slopes = own[:, predictor.intercept :]
            if predictor.terms:
                out[names.fixef(p)] = priors.fixef_at_zero(slopes)
            if predictor.intercept:
                centre = priors.centre(predictor)
                out[names.intercept(p)] = centre.intercept_at_zero(own[:, 0], slopes)
            for g in predictor.groups:
                if self.source.joined(g.name):
                    continue
                drawn = (f(g.name, p) for f in (names.sd, names.cor, names.ranef))
                out |= priors.at_zero({name: out[name] for name in drawn if name in out}, g.name)
        return out


def stacked_rows(data: RowData, layout: StackedLayout) -> RowData:
    """The rows of the stacked design."""
    copies = 1 + len(layout.own)
    y, size, extra = (np.tile(v, copies) for v in (data.y, data.size, data.extra))
    rows = np.concatenate([data.rows + k * layout.source.n for k in range(copies)])
    return replace(data, y=y, size=size, extra=extra, rows=rows)


def stacking_obstacle(design: Design, family: Family) -> str | None:
    """Why a formula of its own cannot be compiled in; None where it can."""
    most = 1 << bits_of(len(family.parameters))
    for name in design.further:
        link = family.parameter_link(name)
        if CODES.get(type(link), most) >= most:
            return f"{name} has a formula of its own, with the {link.name} link"
    return None


def _pairs(
    design: Design, family: Family, priors: Priors
) -> list[tuple[LinearPredictor, PredictorPriors]]:
    """The mean's predictor and priors, then those of the parameters in the family's order."""
    own = [p for p in family.parameters if p in design.further]
    return [(design.mu, priors.mu), *((design.predictor(p), priors.predictor(p)) for p in own)]


def _centres(
    pairs: Sequence[tuple[LinearPredictor, PredictorPriors]], family: Family, priors: Priors
) -> list[Centre]:
    """Where each predictor's columns are centred.

    Those of the mean at their means where there are thresholds, and so those of one threshold,
    unless the user gave the thresholds' prior, which is at zero.
    """
    found = [own.centre(predictor) for predictor, own in pairs]
    name = family.thresholds
    if name is None:
        return found
    found[0] = Centre.of(pairs[0][0])
    for k, (predictor, _) in enumerate(pairs):
        if predictor.threshold is not None:
            found[k] = Centre.of(predictor, at_means=not priors.parameters[name].given)
    return found


def _rows_of(moving: Sequence[LinearPredictor]) -> dict[str, slice]:
    """Where the columns of each predictor that moves thresholds are among those of all."""
    ends = np.cumsum([0, *(len(p.terms) for p in moving)])
    return {p.parameter: slice(*ends[k : k + 2]) for k, p in enumerate(moving)}


def _centred_by_response(
    design: Design,
    family: Family,
    priors: Priors,
    pairs: Sequence[tuple[LinearPredictor, PredictorPriors]],
    columns: Sequence[Floats],
) -> list[Floats]:
    """Columns that move the thresholds of a response, centred where these are looked at."""
    every, rows = design.several, _rows_of(design.moving)
    assert every is not None
    found = [X.copy() for X in columns]
    for name in family.vectors:
        means = priors.cuts(name, design).means
        at = every.at(every.vectors.index(name))
        for X, (p, _) in zip(found, pairs, strict=True):
            if p.parameter in rows:
                own = means[rows[p.parameter]]
                X[at] -= own[:, 0] if p.threshold is None else own.sum(axis=1)
    return found


def _stacked(
    pairs: Sequence[tuple[LinearPredictor, PredictorPriors]],
    across: Sequence[Across],
    priors_of: Priors,
    columns: Sequence[Floats],
) -> tuple[LinearPredictor, PredictorPriors]:
    """One predictor for the rows of all, and its priors."""
    rows, together = [p.parameter for p, _ in pairs], {a.name for a in across}
    copies, n = len(pairs), len(pairs[0][0].X)
    blocks, terms, groups, offset = [], [], [], np.zeros(copies * n)
    fixef: list[Assigned] = []
    sd, cor, group_terms = {}, {}, {}
    for k, (predictor, priors) in enumerate(pairs):
        p = predictor.parameter
        ones = np.ones((n, int(predictor.intercept)))
        blocks.append(np.concatenate([ones, columns[k]], axis=1))
        terms += [f"{p} {t}" for t in (names.INTERCEPT,) * predictor.intercept + predictor.terms]
        if priors.intercept is not None:
            fixef.append(priors.intercept)
        fixef += priors.fixef
        for g in predictor.groups:
            if g.name in together:
                continue
            groups.append(_spread(g, p, k, copies, n))
            name = groups[-1].name
            sd[name], group_terms[name] = priors.sd[g.name], groups[-1].sd_terms
            if g.name in priors.cor:
                cor[name] = priors.cor[g.name]
        if predictor.offset is not None:
            offset[k * n : (k + 1) * n] = predictor.offset
    for a in across:
        groups.append(_spread_across(a, rows, n))
        joined = priors_of.joined(a)
        sd[a.name], cor[a.name] = joined.sd[a.name], joined.cor[a.name]
        group_terms[a.name] = groups[-1].terms
    X = np.zeros((copies * n, len(terms)))
    at = 0
    for k, block in enumerate(blocks):
        X[k * n : (k + 1) * n, at : at + block.shape[1]] = block
        at += block.shape[1]
    mu = LinearPredictor("mu", False, tuple(terms), X, tuple(groups), offset)
    return mu, PredictorPriors(
        "mu", None, True, tuple(terms), tuple(fixef), group_terms, sd, cor
    )  # fmt: skip


def _spread(g: GroupDesign, parameter: str, k: int, copies: int, n: int) -> GroupDesign:
    """A factor of the k-th predictor over the rows of all."""
    rows = np.tile(np.arange(n), copies)
    own = g.take(rows).masked(np.arange(copies * n) // n == k)
    terms = tuple(f"{parameter} {t}" for t in g.terms)
    return replace(own, name=names.prefix(parameter) + g.name, terms=terms)


def _spread_across(a: Across, rows: Sequence[str], n: int) -> GroupDesign:
    """A factor whose effects are correlated across parameters, over the rows of all of these."""
    Z = np.zeros((len(rows) * n, len(a.terms)))
    for p, own in a.members:
        k = rows.index(p)
        Z[k * n : (k + 1) * n, a.places[p]] = own.Z
    terms = tuple(f"{p} {t}" for p, own in a.members for t in own.terms)
    there = a.effects.take(np.tile(np.arange(n), len(rows)))
    return replace(there, terms=terms, Z=Z)
