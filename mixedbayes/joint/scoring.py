"""Effects and coefficients for given variance parameters, by sparse Fisher scoring.

e is found where its log density given phi is highest; its precision there is H = A' W A + P, with A
the columns of u and of the coefficients, W the rows' information and P the priors' precision. What
belongs to further parameters of the family is found at its marginal mode; see `leverage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from mixedbayes.design.types import Floats, Ints
from mixedbayes.families.fronts import SAME
from mixedbayes.joint.columns import Columns, Lift, Rest
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.feasible import feasible_coefficients
from mixedbayes.joint.fill import filled
from mixedbayes.joint.leverage import left, leverages, scores
from mixedbayes.joint.prior_precision import prior_precision
from mixedbayes.theta.whitening import DENSEST, CholeskyFactor, Matrix, factorise

_SETTLED = 1e-6  # expected gain at which Fisher scoring stops
_ITERATIONS = 50
_APPROACHES = 8  # steps by the factor of the last search
_MEMORY = 5  # moves that correct the expected curvature, where it is far from the observed one
_LITTLE = 0.01  # gain of a step at which the search of a density with kinks stops
_DENSE = 200_000  # entries of columns of which a sparse matrix would cost more than it spares
_SHARE = 1e-4  # of the expected gain that a step must bring


@dataclass(frozen=True, eq=False)
class Conditional:
    """Effects and coefficients for given phi: their mode, precision, and log p(phi, y)."""

    effects: Floats  # (N,) u, not centred, then coefficients
    factor: CholeskyFactor
    information: Floats  # (m,) of each row about its linear predictor
    log_evidence: float


class _Moves:
    """The last moves, and by how much minus the gradient changed: L-BFGS on top of the factor.

    Nocedal (1980), doi:10.1090/S0025-5718-1980-0572855-7.
    """

    def __init__(self, most: int) -> None:
        self.most, self.pairs = most, list[tuple[Floats, Floats]]()

    def add(self, move: Floats, change: Floats) -> None:
        if self.most and move @ change > 1e-12:
            self.pairs = [*self.pairs, (move, change)][-self.most :]

    def step(self, factor: CholeskyFactor, gradient: Floats) -> Floats:
        step, shares = gradient, []
        for move, change in reversed(self.pairs):
            shares.append((move @ step) / (move @ change))
            step = step - shares[-1] * change
        step = factor.solve(step)
        for (move, change), share in zip(self.pairs, reversed(shares), strict=True):
            step = step + move * (share - (change @ step) / (move @ change))
        return step


class Scoring:
    """Fisher scoring of effects and coefficients, from wherever the last call ended."""

    def __init__(self, density: JointDensity) -> None:
        self.density, self.layout = density, density.layout
        layout, rows = self.layout, density.data.rows
        mu = layout.design.mu
        self.offset = np.zeros(len(rows)) if mu.offset is None else mu.offset[rows]
        self.fixed = layout.columns(mu.X[rows])
        self.X = self._with_steps(np.zeros(layout.n_hyper))[0]
        first, m = layout.first, len(rows)
        self.Z = np.zeros((m, 0)) if first is None else first.Z[rows, 0]
        self.refs: Ints = np.zeros(m, np.int64)
        if first is not None:
            assert first.refs is not None
            self.refs = first.refs[rows, 0]
        self.levels = self._levels()
        others = layout.sampled[int(first is not None) :]
        few = [s.columns(rows) for s in others if not s.dense]
        self.few = sparse.hstack(few, format="csr") if few else sparse.csr_array((m, 0))
        self.many = [s.Z[rows] for s in others if s.dense]
        self.large = layout.ndim - layout.n_hyper - layout.n_first > DENSEST
        if m * self.few.shape[1] <= _DENSE and not self.large:
            self.many.insert(0, self.few.toarray())
            self.few = sparse.csr_array((m, 0))
        self.rest = self._rest(self.X)
        # Where the rows' log density is not concave, plain steps can go to and fro. Behind a link
        # that is not the row density's own it need not be concave either.
        self.concave = density.data.density.concave and density.data.front is SAME
        self.smooth = density.data.density.smooth
        alone = layout.linked and not layout.family.by_response
        plain = self.concave and (alone or not layout.own_parameters)
        self.within = self._blocks() if self.large and filled(layout.design) else None
        self.memory = 0 if plain and self.within is None else _MEMORY
        self.origin = np.zeros(layout.ndim - layout.n_hyper)
        self.origin[layout.n_effects :] = feasible_coefficients(density, self.X, self.offset)
        self.start = self.origin
        self.last: CholeskyFactor | None = None  # where the last search ended

    def _blocks(self) -> Ints:
        """(D,) numbers of the levels of all factors but the first, and of each coefficient."""
        layout, found, many = self.layout, list[Ints](), 0
        others = layout.sampled[int(layout.first is not None) :]
        for own in others:
            found.append(many + np.repeat(np.arange(own.n_levels), own.width))
            many += own.n_levels
        rest = layout.ndim - layout.n_hyper - layout.n_effects
        return np.concatenate([*found, many + np.arange(rest)])

    def _with_steps(self, phi: Floats) -> tuple[Floats, Floats]:
        """(m, K + 1) columns of the coefficients, the intercept's first, and means of the others.

        That of a monotonic effect has the steps that the shares in phi give.
        """
        layout, A = self.layout, self.layout.steps(phi)
        ones = np.ones((len(self.fixed), int(layout.design.mu.intercept)))
        own = self.fixed if A is None else self.fixed @ A
        means = layout.centre.means
        return np.concatenate([ones, own], axis=1), means if A is None else means @ A

    def columns(self, phi: Floats) -> Columns:
        """The columns of u and of the coefficients, for the rows."""
        rest, means = self.rest, self.layout.centre.means
        if self.layout.monotonic:
            X, means = self._with_steps(phi)
            rest = self._rest(X)
        sd, W, parameters = self.layout.hyper(phi[None])
        roots = [s[0][:, None] * w[0] for s, w in zip(sd, W, strict=True)]
        given = [self.layout.given_further(k, w[0]) for k, w in enumerate(W)]
        own = self.Z @ roots[0] if self.layout.n_first else self.Z
        return Columns(
            own, self.refs, self.levels, rest, self._lift(roots), parameters, means, given
        )

    def _lift(self, roots: Sequence[Floats]) -> Lift:
        n, parts = self.layout.n_first, []
        for k, (span, S) in enumerate(zip(self.layout.spans(), roots, strict=True)):
            if span.start >= n:
                here = slice(span.start - n, span.stop - n)
                parts.append((here, self.density.coordinates.mix(k), S))
        return Lift(parts)

    def _rest(self, X: Floats) -> Rest:
        """Columns of all factors but the first, and of the coefficients."""
        dense = np.concatenate([*self.many, X], axis=1)
        if not self.large:
            return Rest(self.few, dense)
        both = sparse.csr_array(sparse.hstack([self.few, sparse.csr_array(dense)], format="csr"))
        return Rest(both, dense[:, :0], large=True)

    def _levels(self) -> sparse.csr_array:
        """(J, m) which rows are of each level of the first factor."""
        m, first = len(self.X), self.layout.first
        if first is None:
            return sparse.csr_array((0, m))
        shape = (m, first.n_levels)
        by_row = sparse.csr_array((np.ones(m), self.refs, np.arange(m + 1)), shape=shape)
        return sparse.csr_array(by_row.T)

    def turn(self, mixes: Sequence[Floats | None], turns: Sequence[Floats | None]) -> None:
        """Other mixes R V of the terms, from turns V (J, J) of those that there are."""
        coordinates = replace(self.density.coordinates, mixes=tuple(mixes))
        self.density = replace(self.density, coordinates=coordinates)
        self.start, self.last = self.start.copy(), None
        for span, V in zip(self.layout.spans(), turns, strict=True):
            if V is not None:
                self.start[span] = (V.T @ self.start[span].reshape(len(V), -1)).ravel()

    def conditional(self, phi: Floats) -> Conditional:
        """The mode of effects and coefficients given phi; LinAlgError where there is none.

        Where the log density is not concave or ends at a boundary, a search that takes too long
        or comes to the boundary ends at its highest point; the next one goes on from there.
        """
        columns, moves = self.columns(phi), _Moves(self.memory)
        e, value, gradient = self._first_point(phi)
        if self.last is not None and (not self.memory or self.within is not None):
            e, value, gradient = self._approached(phi, self.last, e, value, gradient)
        last = None
        for _ in range(_ITERATIONS):
            w, factor, leverage, tilt = self._around(columns, e)
            slope = gradient + tilt
            if last is not None:
                moves.add(e - last[0], last[1] - slope)
            step = moves.step(factor, slope)
            gain = float(slope @ step)
            if gain < max(_SETTLED, np.finfo(float).eps * w.sum()):  # below what rounding leaves
                break
            last = e, slope
            found = self._search(phi, e, value, tilt, step, gain)
            if found is None and not self.concave:
                break
            if found is None:
                raise np.linalg.LinAlgError("no step leads up")
            gained, (e, value, gradient) = found[1] - value, found
            if not self.smooth and gained < _LITTLE:
                w, factor, leverage, _ = self._around(columns, e)
                break
        else:
            if not self.memory:  # the expected information is far from the curvature here
                self.memory = _MEMORY
                return self.conditional(phi)
            if self.concave:
                raise np.linalg.LinAlgError("Fisher scoring did not settle")
            w, factor, leverage, _ = self._around(columns, e)
        self.start, self.last = e, factor
        if leverage is not None:
            w = left(w, leverage)
            factor = factorise(*self._precision(columns, w, e), self.within)
        log_2pi = 0.5 * len(e) * np.log(2 * np.pi)
        return Conditional(e, factor, w, value - factor.log_det + log_2pi)

    def _approached(
        self, phi: Floats, factor: CholeskyFactor, e: Floats, value: float, gradient: Floats
    ) -> tuple[Floats, float, Floats]:
        """The point after steps with a factor of nearby phi, which costs more than they do."""
        for _ in range(_APPROACHES):
            step = factor.solve(gradient)
            gain = float(gradient @ step)
            if gain < _SETTLED:
                break
            found = self._search(phi, e, value, 0.0, step, gain)
            if found is None:
                break
            e, value, gradient = found
        return e, value, gradient

    def _first_point(self, phi: Floats) -> tuple[Floats, float, Floats]:
        """Where the last search ended; the origin where the density is 0 there for this phi."""
        value, gradient = self._value(phi, self.start)
        if np.isfinite(value):
            return self.start, value, gradient
        return self.origin, *self._value(phi, self.origin)

    def _around(
        self, columns: Columns, e: Floats
    ) -> tuple[Floats, CholeskyFactor, Floats | None, Floats | float]:
        """The rows' information at e, the factor of H, leverages and what they add to the slope.

        No leverages where no parameter but the mean has a formula.
        """
        eta = self.offset + columns.eta(e)
        w = self._information(eta, columns.parameters)
        factor = factorise(*self._precision(columns, w, e), self.within)
        alone = self.layout.linked and not self.layout.family.by_response
        if not self.layout.own_parameters or alone:
            return w, factor, None, 0.0
        n = self.density.data.n_mean
        of_mean = self._of_mean(columns, w, e, factor)
        leverage = leverages(columns.own[:n], columns.refs[:n], columns.others(n), of_mean, w[:n])
        score = scores(self.layout, eta, columns.parameters, leverage)
        return w, factor, leverage, columns.back(score)

    def _of_mean(
        self, columns: Columns, w: Floats, e: Floats, factor: CholeskyFactor
    ) -> CholeskyFactor:
        """The factor of the precision of the mean's effects, given those on further parameters.

        It is a part of that of all, `factor`, where the two are not correlated a priori.
        """
        if all(own is None for own in columns.given):
            return factor
        alone = w.copy()
        alone[self.density.data.n_mean :] = 0.0
        blocks, couplings, corner = self._precision(columns, alone, e)
        n = columns.n_first
        for span, own in zip(self.layout.spans(), columns.given, strict=True):
            if own is not None and span.start < n:
                blocks = blocks + own
            elif own is not None:
                here, J = slice(span.start - n, span.stop - n), (span.stop - span.start) // len(own)
                corner[here, here] += np.kron(np.eye(J), own)
        return factorise(blocks, couplings, corner, self.within)

    def _value(self, phi: Floats, e: Floats) -> tuple[float, Floats]:
        value, gradient = self.density.logp_grad(np.concatenate([phi, e]))
        return value, gradient[len(phi) :]

    def _search(
        self, phi: Floats, e: Floats, value: float, tilt: Floats | float, step: Floats, gain: float
    ) -> tuple[Floats, float, Floats] | None:
        """A step that leads up, halved as often as needed; `gain` is its slope at the start.

        What leverages add is taken as linear, of slope `tilt`.
        """
        length, added = 1.0, float(np.sum(tilt * step))
        while length > 1e-8:
            there, slope = self._value(phi, e + length * step)
            rounding = 1e-9 * abs(value) + 1e-14 * abs(self.density.data.constant)
            if there + length * added >= value + _SHARE * length * gain - rounding:
                return e + length * step, there, slope
            length /= 2
        return None

    def _information(self, eta: Floats, parameters: Mapping[str, Floats]) -> Floats:
        with np.errstate(all="ignore"):
            each = self.layout.information(eta[None], parameters)[0]
        # Counts of 0 with an identity link leave mean^-1 at a mean near 0, where the density is
        # that of an exponential, of sd 1.
        most = 1.0 if self.layout.family.ends_at_zero else 1e18
        return self.density.data.size * np.clip(np.nan_to_num(each), 1e-12, most)

    def _precision(self, columns: Columns, w: Floats, e: Floats) -> tuple[Floats, Matrix, Matrix]:
        """H of u and coefficients: the first factor's blocks, couplings, and the others' corner."""
        layout = self.layout
        every = [columns.parameters[name][0] for name in layout.vectors]
        cuts = np.concatenate([np.zeros(0), *every])
        prior = prior_precision(layout, e[layout.n_effects :], cuts, columns.means)
        v, weighted = columns.own, columns.rest.weighted(w)
        corner = columns.rest.products(weighted)
        blocks = np.zeros((0, 1, 1))
        if columns.n_first:
            J, q = self.levels.shape[0], v.shape[1]
            blocks = np.empty((J, q, q))
            for i in range(q):
                for j in range(q):
                    blocks[:, i, j] = np.bincount(self.refs, w * v[:, i] * v[:, j], J) + (i == j)
        couplings = weighted.by_level(v, self.refs, self.levels)
        if layout.linked:
            apart = w * layout.shared
            couplings = couplings - self._shared(columns, apart, blocks, corner)
        corner = columns.lift.both(corner)
        n_rest = corner.shape[0] - len(prior)
        if isinstance(corner, np.ndarray):
            corner[:n_rest, :n_rest] += np.eye(n_rest)
            corner[n_rest:, n_rest:] += prior
        else:
            own = [sparse.eye_array(n_rest), sparse.csr_array(prior)]
            corner = sparse.csr_array(corner + sparse.block_diag(own, format="csr"))
        return blocks, columns.lift.of(couplings), corner

    def _shared(self, columns: Columns, w: Floats, blocks: Floats, corner: Matrix) -> Matrix:
        """What the w w' of `Family.linked_information` takes from H; returns that of couplings.

        It is U' U / size with U = sum_k w_k A_k, A_k the columns of the k-th predictor of the rows,
        w in units of size.
        """
        n = self.density.data.n_mean
        size, k = self.density.data.size, np.arange(len(w))
        add = sparse.csr_array((w / np.sqrt(size), (k % n, k)), (n, len(w)))
        own, rest = add @ columns.own, columns.rest.led(add)
        corner -= rest.products(rest)
        refs, levels = columns.refs[:n], columns.levels[:, :n]
        for i in range(own.shape[1]):
            for j in range(own.shape[1]):
                blocks[:, i, j] -= levels @ (own[:, i] * own[:, j])
        return rest.by_level(own, refs, levels)

    def factor(self, phi: Floats, at: Conditional, T: sparse.csr_array) -> CholeskyFactor:
        """The factor of T' H T; T takes each level of the first factor to itself in its block."""
        blocks, found, corner = self._precision(self.columns(phi), at.information, at.effects)
        couplings = sparse.csr_array(found)
        n, q = couplings.shape[0], blocks.shape[1]
        if len(blocks):
            place = np.arange(len(blocks) + 1)
            H11 = sparse.csr_array(sparse.bsr_array((blocks, place[:-1], place)))
        else:
            H11 = sparse.csr_array((0, 0))
        T11, T12, T22 = T[:n, :n], T[:n, n:], T[n:, n:]
        left = H11 @ T12 + couplings @ T22
        added = T12.T @ left + (couplings @ T22).T @ T12
        dense = isinstance(corner, np.ndarray)
        corner = T22.T @ (T22.T @ corner.T).T + (added.toarray() if dense else added)
        if len(blocks):
            own = sparse.bsr_array(T11, blocksize=(q, q)).data  # (J, q, q), sorted by level
            blocks = own.transpose(0, 2, 1) @ blocks @ own
        return factorise(blocks, sparse.csr_array(T11.T @ left), corner, self.within)
