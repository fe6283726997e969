"""A Gaussian mixed model reduced to what its marginal likelihood needs.

    y = X beta + V v + sum_k Z_k b_k + e,   e ~ N(0, sigma^2 W^-1),
    b_kg = L_k u_kg,   u ~ N(0, I),   beta ~ N(prior_mean, prior_precision^-1)

beta and all b_k are integrated; v (coefficients that are sampled), L_k and sigma are arguments of
the density. The rows of data are read once, here; afterwards their number plays no role.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from mixedbayes.errors import DataError, ModelError
from mixedbayes.marginal.crossproducts import (
    Parts,
    Rows,
    accumulate_fronts,
    prepare_rows,
    sampled_products,
)
from mixedbayes.marginal.layout import pack, read_header, sections
from mixedbayes.marginal.plan import (
    MAX_DENSE,
    Factor,
    Floats,
    Ints,
    Plan,
    SparsePlan,
    choose_plan,
    estimate_flops,
)
from mixedbayes.marginal.structure import Structure, analyse


@dataclass(frozen=True, eq=False)
class Problem:
    """Cross-products and plan of elimination: everything that does not depend on the parameters.

    The parameter vector of the compiled kernel is (L_1 row by row, ..., L_K, sigma, v), the L_k in
    the caller's order of factors; `ints` and `floats` are its data (see `layout`).
    """

    sparse: ClassVar[bool] = False  # whether it is for `marginal.sparse`

    plan: Plan | SparsePlan
    n: int  # rows
    widths: tuple[int, ...]  # q of each integrated factor, the caller's order
    levels: tuple[int, ...]  # J of each
    n_population: int  # p
    n_sampled: int  # r, length of v
    ints: Ints
    floats: Floats
    beta_map: Floats  # (p, p): beta = beta_map @ (internal coefficients) + ...
    beta_fit: Floats  # (p,) least-squares fit in the internal basis
    # Numbers in the place of sigma: roots of the neighbours in chains of effects, those of the
    # residual's correlations, then sigma or the coefficients of its log.
    n_residual: int = 1
    # Of each factor how many of its levels are the effects of one, in a chain; (): one of all.
    chained: tuple[int, ...] = ()

    @property
    def header(self) -> Any:
        return read_header(self.ints)

    @property
    def sections(self) -> dict[str, np.ndarray]:
        """Views of all parts of `ints` and `floats` by name."""
        return sections(self.ints, self.floats)

    @property
    def n_parameters(self) -> int:
        """Length of the kernel's parameter vector."""
        return sum(q * q for q in self.widths) + self.n_residual + self.n_sampled

    def pack(self, L: Sequence[Floats], sigma: float | Floats, v: Floats | None = None) -> Floats:
        """The kernel's parameter vector; upper triangles of the L_k are ignored.

        Where the residual has more numbers than one, `sigma` are all of them.
        """
        if len(L) != len(self.widths):
            raise ModelError(f"{len(L)} factors L given for {len(self.widths)} grouping factors")
        v = np.zeros(0) if v is None else np.asarray(v, float).ravel()
        if v.size != self.n_sampled:
            raise ModelError(f"v has {v.size} values for {self.n_sampled} sampled coefficients")
        residual = np.atleast_1d(np.asarray(sigma, float))
        if residual.shape != (self.n_residual,):
            raise ModelError(f"{residual.size} numbers of the residual, not {self.n_residual}")
        parts = []
        for k, (factor, q) in enumerate(zip(L, self.widths, strict=True)):
            if np.shape(factor) != (q, q):
                raise ModelError(f"L[{k}] has shape {np.shape(factor)}, not {(q, q)}")
            parts.append(np.tril(factor).ravel())
        return np.concatenate([*parts, residual, v])

    def unpack(self, x: Floats) -> tuple[list[Floats], Any, Floats]:
        """L_1..L_K, sigma and v (or their gradients) from a parameter vector; see `pack`."""
        L, at = [], 0
        for q in self.widths:
            L.append(x[at : at + q * q].reshape(q, q))
            at += q * q
        end = at + self.n_residual
        return L, float(x[at]) if self.n_residual == 1 else x[at:end], x[end:]


def build_problem(
    y: Floats,
    X: Floats,
    factors: Sequence[Factor],
    *,
    weights: Floats | None = None,
    offset: Floats | None = None,
    prior_mean: Floats,
    prior_precision: Floats,
    X_sampled: Floats | None = None,
    sampled_factors: Sequence[Factor] = (),
    names: Sequence[str] | None = None,
    max_dense: int = MAX_DENSE,
    of_rows: tuple[int, float] | None = None,
    apart: Parts | None = None,
) -> Problem:
    """Read the data once and keep their cross-products.

    Parameters
    ----------
    y, offset : (n,)
    X : (n, p)
        Population columns that are integrated, the constant one among them if there is one.
    factors : sequence of (refs (n,), Z (n, q), J)
        Integrated group effects; none for a plain regression.
    weights : (n,), positive
        The residual variance of row i is sigma^2 / weights[i].
    prior_mean, prior_precision : (p,), (p, p)
        Normal prior of beta. Rows of zeros in the precision are flat directions: the density is
        then with respect to Lebesgue measure in them, and log|P0| that of the other rows.
    X_sampled, sampled_factors
        Columns (n, rx), and factors on their original scale, whose coefficients are not
        integrated: v = (coefficients of X_sampled, effects of each sampled factor level by level).
    names
        Of `factors`, for the plan.
    max_dense
        Largest dense block; beyond it `choose_plan` names the factors to sample.
    of_rows
        For how many rows these stand, and the sum of the logarithms of their weights: `weights` are
        then those by which the rows here count in cross-products, some of them perhaps 0, or
        negative.
    apart
        Where rows take part in the levels of some of `factors` alone, Z being 0 in those of others.

    Raises
    ------
    DataError
        Arrays of different length, codes outside 0..J-1, values that are not finite, weights that
        are not positive.
    ModelError
        A prior precision that is not positive definite, or a dense block beyond `max_dense`.
    """
    y, X = np.asarray(y, np.float64), as_matrix(X)
    factors = [as_factor(f) for f in factors]
    sampled_factors = [as_factor(f) for f in sampled_factors]
    X_sampled = np.empty((len(y), 0)) if X_sampled is None else as_matrix(X_sampled)
    weights = None if weights is None else np.asarray(weights, np.float64)
    positive = of_rows is None
    check_rows(y, X, [*factors, *sampled_factors], weights, offset, X_sampled, positive=positive)
    plan = choose_plan(factors, X.shape[1], names=names, max_dense=max_dense)
    _check_dense(plan, max_dense)
    if offset is not None:
        y = y - np.asarray(offset, np.float64)
    ordered = [factors[k] for k in plan.order]
    structure = analyse(ordered, len(plan.chain), X.shape[1])
    apart = None if apart is None else apart.ordered(plan.order)
    data = prepare_rows(y, X, ordered, weights, X_sampled, sampled_factors, apart)
    precision = np.asarray(prior_precision, np.float64).reshape(X.shape[1], X.shape[1])
    mean = np.asarray(prior_mean, np.float64).reshape(X.shape[1])
    ints, floats = _pack(data, structure, plan, mean, precision, of_rows)
    n = len(y) if of_rows is None else of_rows[0]
    return Problem(
        _with_exact_flops(plan, structure), n, plan.widths, plan.levels, X.shape[1],
        int(read_header(ints).r), ints, floats, data.map_x.backward, data.fit_x,
    )  # fmt: skip


def _pack(
    data: Rows,
    s: Structure,
    plan: Plan,
    mean: Floats,
    precision: Floats,
    of_rows: tuple[int, float] | None,
) -> tuple[Ints, Floats]:
    p, rx = data.X.shape[1], data.X_sampled.shape[1]
    products, vy = sampled_products(data, s.var0)
    starts = np.concatenate([[0], np.cumsum([q * q for q in plan.widths])])
    sizes, longest = np.diff(s.off), np.diff(s.off) // np.repeat(s.q, s.levels)
    counts = {
        "K": len(s.q), "n_chain": s.n_chain, "p": p, "r": vy.size, "rx": rx, "D": s.n_dense,
        "n_effects": int(s.var0[-1]), "n_rows": int(longest.max(initial=1)),
        "n_front": int(sizes.max(initial=1)), "n_blocks": s.blk_fac.size,
        "n_clusters": s.clu_ptr.size - 1,
    }  # fmt: skip
    ints = {
        "q": s.q, "levels": s.levels, "node0": s.node0, "var0": s.var0, "col": s.col,
        "l0": starts[list(plan.order)], "t0": np.cumsum(s.q**2) - s.q**2, "off": s.off,
        "parent": s.parent, "blk_ptr": s.blk_ptr, "blk_fac": s.blk_fac, "blk_col": s.blk_col,
        "blk_row": s.blk_row, "blk_up": s.blk_up, "clu_ptr": s.clu_ptr, "met_ptr": s.met_ptr,
        "met": s.met, "v_ptr": products.indptr,
        "v_idx": products.indices,
    }  # fmt: skip
    back, forward = data.map_x.backward, data.map_x.forward
    floats = {
        "constants": np.zeros(2),
        "T": np.concatenate([[], *(m.forward.ravel() for m in data.maps)]),
        "XX": np.zeros((p + 1) ** 2), "P0": back.T @ precision @ back,
        "m0": forward @ mean - data.fit_x, "R": data.share, "TV": data.map_s.forward,
        "v0": data.fit_s, "vy": vy, "v_val": products.data,
    }  # fmt: skip
    flat_ints, flat_floats = pack(counts, ints, floats, int(s.off[-1]))
    views = sections(flat_ints, flat_floats)
    XX, log_weights = accumulate_fronts(data, s, views["fronts"])
    n, log_weights = (data.n, log_weights) if of_rows is None else of_rows
    views["XX"][:] = XX
    log_basis = np.linalg.slogdet(forward)[1] if p else 0.0
    constant = 0.5 * (log_weights + log_det_precision(precision)) - log_basis
    views["constants"][:] = constant - 0.5 * n * np.log(2 * np.pi), n
    return flat_ints, flat_floats


def _with_exact_flops(plan: Plan, s: Structure) -> Plan:
    order = plan.order
    touched = {(order[a], order[b]): len(keys) for (a, b), (keys, _) in s.pairs.items()}
    flops = estimate_flops(
        plan.chain, plan.crossed, plan.levels, plan.widths, plan.n_population, touched,
        s.dense_flops,
    )  # fmt: skip
    return replace(plan, flops=flops, clusters=tuple(np.diff(s.clu_ptr).tolist()))


def log_det_precision(precision: Floats) -> float:
    """log|P0| of the rows that are not zero."""
    if not np.allclose(precision, precision.T, rtol=1e-10, atol=0):
        raise ModelError("the prior precision of the population effects is not symmetric")
    proper = precision.any(axis=0)
    block = precision[np.ix_(proper, proper)]
    scale = np.sqrt(np.abs(np.diagonal(block)))
    try:
        factor = np.linalg.cholesky(block / np.outer(scale, scale)) if scale.all() else None
    except np.linalg.LinAlgError:
        factor = None
    if factor is None:
        raise ModelError(
            "the prior precision of the population effects is not positive definite "
            f"({precision.shape[0]} columns, {int((~proper).sum())} of them flat); "
            "use rows of zeros for flat directions"
        )
    return 2 * float(np.log(np.diagonal(factor)).sum() + np.log(scale).sum())


def as_matrix(X: Floats) -> Floats:
    X = np.asarray(X, np.float64)
    return X[:, None] if X.ndim == 1 else X


def as_factor(factor: Factor) -> Factor:
    refs, Z, J = factor
    return np.asarray(refs), as_matrix(Z), int(J)


def check_rows(y, X, factors, weights, offset, X_sampled, *, positive=True) -> None:
    named = {"y": y, "X": X, "X_sampled": X_sampled, "weights": weights, "offset": offset}
    for k, (refs, Z, J) in enumerate(factors):
        named[f"Z of factor {k + 1}"] = Z
        if len(refs) != len(y):
            raise DataError(f"factor {k + 1} has codes for {len(refs)} rows of {len(y)}")
        if len(refs) and (refs.min() < 0 or refs.max() >= J):
            raise DataError(f"factor {k + 1} has codes {refs.min()} to {refs.max()} for {J} levels")
    for name, values in named.items():
        if values is None:
            continue
        if len(values) != len(y):
            raise DataError(f"{name} has {len(values)} rows, y has {len(y)}")
        if not np.isfinite(np.sum(values)):
            bad = int((~np.isfinite(values)).sum())
            raise DataError(f"{name} has {bad} values that are not finite")
    if positive and weights is not None and not (weights > 0).all():
        raise DataError(f"{int((weights <= 0).sum())} of {len(weights)} weights are not positive")


def _check_dense(plan: Plan, max_dense: int) -> None:
    if plan.sampled:
        names = ", ".join(plan.names[k] for k in plan.sampled)
        columns = plan.n_dense + sum(plan.levels[k] * plan.widths[k] for k in plan.sampled)
        raise ModelError(
            f"integrating all factors needs a dense block of {columns:,} columns, more than "
            f"{max_dense:,}; sample the effects of {names} instead"
        )
