"""Every parameter of the model as one unconstrained vector theta, and back.

theta holds, in this order: for each grouping factor the coordinates of its standard deviations and
of its partial correlations; those of the shares of monotonic effects' steps; the family's
parameters; the effects x of each term, see `groups`; the intercept at
the columns' means, and the population effects, of a monotonic one the average step. Thresholds, at
the columns' means as well, take the intercept's place; they are the last of the family's
parameters, and `ordered` has the coordinates of those that increase.

`coordinates` says how the variance parameters and effects are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, GroupDesign, Ints
from mixedbayes.families.base import Family
from mixedbayes.joint.coordinates import Coordinates, deviations
from mixedbayes.joint.ordered import increasing
from mixedbayes.joint.sampled import Sampled, in_order
from mixedbayes.numerics import correlation
from mixedbayes.priors.factor import FactorParameters
from mixedbayes.priors.placement import Centre, Cuts
from mixedbayes.priors.types import MonotonicPrior, Priors
from mixedbayes.theta import logpriors, simplex
from mixedbayes.theta.logpriors import Coordinate, Table, apply_links

# Levels of a factor whose common part is known with the intercept. An InstEval-like bernoulli model
# had 1,678 effective draws a second of a core with 15, 1,377 with 50.
FEW = 15


@dataclass(frozen=True, eq=False)
class Link:
    """The same effect of a factor and of a coarser one that contains its levels."""

    finer: int  # positions among the layout's groups
    coarser: int
    term: int  # positions among their terms
    term_above: int
    above: Ints  # (J,) the coarser factor's level of each level of the finer one


@dataclass(frozen=True, eq=False)
class JointLayout:
    """What each coordinate of theta means; see the module."""

    design: Design  # with the columns of those effects that the priors are about
    family: Family
    priors: Priors

    @cached_property
    def groups(self) -> tuple[GroupDesign, ...]:
        """Terms with effects, see `sampled`."""
        return tuple(s.term for s in self.sampled)

    @cached_property
    def sampled(self) -> tuple[Sampled, ...]:
        """The effects of each term, see `in_order`."""
        return tuple(in_order(self.design.mu.groups))

    @cached_property
    def first(self) -> Sampled | None:
        """The factor whose levels are independent of each other given all other effects.

        None where they have something in the intercept's coordinate, given which they are not.
        """
        if not self.sampled or not self.sampled[0].plain or self.with_intercept(0):
            return None
        return self.sampled[0]

    def with_intercept(self, k: int) -> bool:
        """Whether the intercept's coordinate has something of the k-th factor's effects."""
        own = self.sampled[k]
        if not self.design.mu.intercept or not own.common:
            return False
        few = own.n_levels <= FEW and not any(link.finer == k for link in self.links)
        return own.root is not None or few

    @property
    def n_first(self) -> int:
        """Number of its effects, which come first."""
        return 0 if self.first is None else self.first.size

    @cached_property
    def factors(self) -> tuple[FactorParameters, ...]:
        return tuple(FactorParameters.of(g, self.priors.mu) for g in self.groups)

    @cached_property
    def table(self) -> Table:
        """Priors of the coordinates that are not effects: variances, parameters, coefficients."""
        return logpriors.tabulate([*self._hyper, *self._coefficients])

    @cached_property
    def _hyper(self) -> list[Coordinate]:
        found = [c for f in self.factors for _, c in f.coordinates()]
        for m in self.monotonic:
            shares = m.dirichlet.shares
            found += [logpriors.coordinate(s, positive=False, where=m.name) for s in shares]
        for name in self.parameters:
            prior, labels = self.priors.parameters[name].prior, self._labels(name)
            positive = labels is None and not self.family.parameter(name).real
            one = logpriors.coordinate(prior, positive=positive, where=name)
            found += [one] * (1 if labels is None else len(labels))
        return found

    @property
    def parameters(self) -> tuple[str, ...]:
        """The family's parameters that are coordinates, thresholds last."""
        found = self.family.estimated(self._whole)
        return tuple(sorted(found, key=lambda name: name in self.family.vectors))

    @property
    def _whole(self) -> Design:
        """The design with the formulas of further parameters."""
        return self.design

    @property
    def numbers(self) -> tuple[str, ...]:
        """The family's parameters that the rows read as numbers, those with a formula as well."""
        there = {*self.parameters, *self._whole.further} - {*self.family.vectors}
        return tuple(p for p in self.family.parameters if p in there)

    @property
    def own_parameters(self) -> int:
        """`bits_of` bits for each of `numbers`: the link of its formula; see `loop`."""
        return 0

    @property
    def linked(self) -> bool:
        """Whether a row's predictors share their information; see `Family.linked_information`."""
        return False

    @property
    def shared(self) -> Floats | float:
        """1 in the rows whose predictors share their information, else 0."""
        return 1.0

    def given_further(self, k: int, W: Floats) -> Floats | None:
        """What giving further parameters' effects adds to the precision of a factor's others."""
        return None

    def start(self) -> Floats:
        """Coefficients where the response is at its centre in every row."""
        found = np.zeros(len(self._coefficients))
        if self.design.mu.intercept:
            found[0] = self.family.location(self.design)
        return found

    def information(self, eta: Floats, parameters: Mapping[str, Floats]) -> Floats:
        """(S, n) of each row about its linear predictor, for rows of size 1."""
        return self.family.information_in(self.design, eta, parameters)

    def _labels(self, name: str) -> tuple[str, ...] | None:
        return self.family.labels(name, self.design)

    @property
    def thresholds(self) -> str | None:
        """The family's parameter that takes the intercept's place; None of several responses."""
        return self.family.thresholds

    @cached_property
    def vectors(self) -> dict[str, slice]:
        """Where the thresholds of each vector are among all thresholds."""
        found, at = {}, 0
        for name in self.parameters:
            if name in self.family.vectors:
                found[name] = slice(at, at + len(self._labels(name) or ()))
                at = found[name].stop
        return found

    @property
    def n_thresholds(self) -> int:
        return max((here.stop for here in self.vectors.values()), default=0)

    def in_order(self, name: str) -> bool:
        """Whether the thresholds of a vector increase."""
        return self.family.parameter(name).ordered

    @property
    def thresholds_at_means(self) -> bool:
        """Whether the thresholds' prior is at the columns' means: a default one."""
        return self.thresholds is not None and not self.priors.parameters[self.thresholds].given

    @property
    def level_at_zero(self) -> bool:
        """Whether the intercept's prior, or that of thresholds, is about columns of 0: a given one.

        The coordinate is at the columns' means: such a prior couples it with the slopes.
        """
        if self.thresholds is not None:
            return not self.thresholds_at_means
        return self.design.mu.intercept and not self.priors.mu.intercept_at_means

    @property
    def n_parameters(self) -> int:
        """Coordinates of the family's parameters."""
        return len(self.parameters) - len(self.vectors) + self.n_thresholds

    @cached_property
    def _coefficients(self) -> list[Coordinate]:
        mu, found = self.priors.mu, []
        if mu.intercept is not None:
            prior = mu.intercept.prior
            found.append(logpriors.coordinate(prior, positive=False, where=names.INTERCEPT))
        for term, a in mu.effects.items():
            found.append(logpriors.coordinate(a.prior, positive=False, where=f"fixef[{term}]"))
        return found

    @property
    def monotonic(self) -> tuple[MonotonicPrior, ...]:
        """Effects of which theta has the average step and the shares behind its steps."""
        return self.priors.mu.monotonic

    @cached_property
    def share_starts(self) -> tuple[int, ...]:
        """First coordinate of each monotonic effect's shares."""
        sizes = [len(m.effect.steps) - 1 for m in self.monotonic]
        first = sum(f.size for f in self.factors)
        return tuple(int(i) for i in np.cumsum([first, *sizes[:-1]])[: len(sizes)])

    def steps(self, phi: Floats) -> Floats | None:
        """(..., p, K) what coefficients of columns are of population effects; None: themselves."""
        if not self.monotonic:
            return None
        h = self.n_hyper
        table = Table(self.table.codes[:h], self.table.numbers[:h])
        x, _ = apply_links(table, np.asarray(phi, float))
        mu = self.priors.mu
        effects = list(mu.effects)
        out = np.zeros((*x.shape[:-1], len(mu.terms), len(effects)))
        for k in mu.plain:
            out[..., k, effects.index(mu.terms[k])] = 1.0
        for m, at in zip(self.monotonic, self.share_starts, strict=True):
            D = len(m.effect.steps)
            zeta = simplex.shares(x[..., at : at + D - 1])
            out[..., list(m.effect.columns), effects.index(m.name)] = D * zeta
        return out

    @property
    def stepped(self) -> tuple[Ints, Ints]:
        """Column and population effect, of those that are one another's; and of each monotonic
        effect the number D of its steps, which effect it is, the coordinate of its first share, and
        its D columns.
        """
        mu = self.priors.mu
        effects = list(mu.effects)
        plain = [(k, effects.index(self.design.mu.terms[k])) for k in mu.plain]
        steps = [
            i
            for m, at in zip(self.monotonic, self.share_starts, strict=True)
            for i in (len(m.effect.columns), effects.index(m.name), at, *m.effect.columns)
        ]
        return np.array(plain, np.int64).reshape(-1, 2), np.array(steps, np.int64)

    @property
    def n_hyper(self) -> int:
        """Variances, correlations and the family's parameters: the first coordinates."""
        return len(self._hyper)

    @cached_property
    def variance_starts(self) -> tuple[int, ...]:
        """First coordinate of each factor's standard deviations."""
        sizes = [f.size for f in self.factors]
        return tuple(int(i) for i in np.cumsum([0, *sizes[:-1]])[: len(sizes)])

    @cached_property
    def effect_starts(self) -> tuple[int, ...]:
        """First coordinate of each factor's effects, level by level."""
        sizes = [s.size for s in self.sampled]
        return tuple(int(i) for i in np.cumsum([self.n_hyper, *sizes[:-1]])[: len(sizes)])

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Nested factors, the finer before the coarser.

        The coarser one's levels may be related, and may be the same: given its effects those of the
        finer one are independent of each other.
        """
        found: list[Link] = []
        for k, own in enumerate(self.sampled):
            for above in range(k + 1, len(self.sampled) if own.plain and own.bundle == 1 else 0):
                fine, coarse, other = own.term, self.groups[above], self.sampled[above]
                one = other.refs is not None and other.refs.shape[1] == 1 and other.bundle == 1
                fewer = coarse.n_levels < fine.n_levels or other.root is not None
                codes = fine.parents(coarse) if one and fewer else None
                shared = [t for t in fine.terms if t in coarse.terms]
                if codes is not None:
                    found += [
                        Link(k, above, fine.terms.index(t), coarse.terms.index(t), codes)
                        for t in shared
                    ]
        return tuple(found)

    def spans(self) -> list[slice]:
        """Where each factor's effects are among all effects."""
        return [
            slice(at - self.n_hyper, at - self.n_hyper + s.size)
            for s, at in zip(self.sampled, self.effect_starts, strict=True)
        ]

    @property
    def n_effects(self) -> int:
        return sum(s.size for s in self.sampled)

    @property
    def coefficient_start(self) -> int:
        """Coordinate of the intercept at the means, if there is one; then the slopes."""
        return self.n_hyper + self.n_effects

    @property
    def ndim(self) -> int:
        return self.coefficient_start + len(self._coefficients)

    @cached_property
    def centre(self) -> Centre:
        """Of the columns: their means where there is an intercept or the like."""
        mu = self.design.mu
        return Centre.of(mu, at_means=mu.intercept or self.thresholds is not None)

    @cached_property
    def cuts(self) -> dict[str, Cuts]:
        """Where the thresholds of each vector are looked at: as the columns are centred."""
        return {name: Cuts(self.centre.means[:, None]) for name in self.vectors}

    def columns(self, X: Floats) -> Floats:
        """(n, p) the population part's columns as the coordinates are about them."""
        return self.centre.columns(X)

    def hyper(self, phi: Floats) -> tuple[list[Floats], list[Floats], dict[str, Floats]]:
        """Of phi (..., h): sd (..., q) and W (..., q, q) of each factor, family's parameters."""
        h = self.n_hyper
        table = Table(self.table.codes[:h], self.table.numbers[:h])
        x, left = apply_links(table, np.asarray(phi, float))
        sd: list[Floats] = []
        W: list[Floats] = []
        for s, f, at in zip(self.sampled, self.factors, self.variance_starts, strict=True):
            here = slice(at, at + f.size)
            own_sd, own_W = f.roots(x[..., here], left[..., here])
            sd.append(s.sds(own_sd))
            W.append(s.roots(own_W))
        own = x[..., h - self.n_parameters :]
        single = [name for name in self.parameters if name not in self.vectors]
        values = {name: own[..., i] for i, name in enumerate(single)}
        every = own[..., len(single) :]
        for name, here in self.vectors.items():
            values[name] = increasing(every[..., here]) if self.in_order(name) else every[..., here]
        return sd, W, values

    def effects(self, theta: Floats, coordinates: Coordinates) -> list[Floats]:
        """b (S, J, q) of each factor from theta (S, d)."""
        return self._effects(theta, coordinates)[0]

    def _effects(self, theta: Floats, coordinates: Coordinates) -> tuple[list[Floats], Floats]:
        """b (S, J, q) of each factor, and (S,) what the intercept's coordinate has of them."""
        sds, Ws, _ = self.hyper(coordinates.tails.phi(theta[:, : self.n_hyper]))
        out: list[Floats] = [np.zeros(0)] * len(self.groups)
        common = np.zeros((len(self.groups), len(theta)))
        for k, (s, at) in reversed(
            list(enumerate(zip(self.sampled, self.effect_starts, strict=True)))
        ):
            J, q = s.n_levels, s.width
            above = np.zeros((len(theta), J, q))
            for link in self.links:
                if link.finer == k:
                    above[:, :, link.term] += out[link.coarser][:, link.above, link.term_above]
            x = theta[:, at : at + J * q].reshape(-1, J, q)
            K, scores = coordinates.known(k, sds)
            out[k] = deviations(x, above, sds[k][:, :, None] * Ws[k], K, scores)
            share = coordinates.share(k)
            if share is not None:
                common[k] = out[k][:, :, 0] @ share
            out[k] = coordinates.in_rows(k, out[k])
        for own, b in zip(common, out, strict=True):
            b[:, :, 0] += own[:, None]
        return [s.told(b) for s, b in zip(self.sampled, out, strict=True)], common.sum(axis=0)

    def named(self, theta: Floats, coordinates: Coordinates) -> dict[str, Floats]:
        """Draws (S, ...) of every named parameter from theta (S, d)."""
        phi = coordinates.tails.phi(theta[:, : self.n_hyper])
        effects, common = self._effects(theta, coordinates)
        coefficients = theta[:, self.coefficient_start :]
        if coordinates.shares:
            coefficients = np.column_stack([coefficients[:, 0] - common, coefficients[:, 1:]])
        return self.told(phi, effects, coefficients)

    def told(
        self, phi: Floats, effects: Sequence[Floats], coefficients: Floats
    ) -> dict[str, Floats]:
        """The same from phi (S, h), b (S, J, q) of each factor, and intercept and slopes (S, p)."""
        sds, Ws, parameters = self.hyper(phi)
        out: dict[str, Floats] = dict(parameters)
        for g, sd, W, b in zip(self.groups, sds, Ws, effects, strict=True):
            own = {names.sd(g.name): g.told_sd(sd), names.ranef(g.name): b}
            if g.correlated:
                own[names.cor(g.name)] = g.told_cor(correlation.matrix(W))
            out |= self.priors.mu.at_zero(own, g.name)
        mu = self.design.mu
        beta = coefficients[:, int(mu.intercept) :]
        A = self.steps(phi)
        beta = beta if A is None else np.einsum("spk,sk->sp", A, beta)
        if mu.terms:
            out[names.fixef()] = self.priors.mu.coefficients_at_zero(beta)
        if mu.intercept:
            out[names.intercept()] = self.centre.intercept_at_zero(coefficients[:, 0], beta)
        for name, cuts in self.cuts.items():
            out[name] = cuts.thresholds_at_zero(out[name], beta)
        return out
