"""Is a predictor's slope within groups that between them? Mundlak's test.

The group mean m of the predictor is added to the model, by one step of generalised least squares
at the posterior mean. z = eta + score / W are working responses with information W (of a gaussian
model y itself) and V = W^-1 + Z Psi Z' their covariance. With

    P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1

the coefficient of m is m'P z / m'P m, of variance 1 / m'P m: the difference between the slopes
between and within groups.

Mundlak (1978), Econometrica 46, 69-85, doi:10.2307/1913646; Bell, Fairbrother & Jones (2019),
doi:10.1007/s11135-018-0802-x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from mixedbayes.checks.report import Finding
from mixedbayes.design.types import Floats, GroupDesign, LinearPredictor
from mixedbayes.families.limited import log_density
from mixedbayes.interrupts import later
from mixedbayes.numerics import woodbury
from mixedbayes.results.posterior import Posterior
from mixedbayes.terms.base import Term

stats = later("scipy.stats")

SMALL_P = 0.025  # of the smallest of all pairs of a predictor and a factor, times their number
FEWEST_LEVELS = 4
MOST_EFFECTS = 20_000
MOST_RELATED = 2_000  # effects of one factor whose levels are related
MOST_NUMBERS = 5e7  # rows x columns that are held
_VARIES = 1e-6  # share of a column's variance from which it varies within, or between
_NEW = 1e-6  # share of a mean's sum of squares that the model's columns leave
_NUMBERS = 2**27  # of covariances in all draws
_STEP = 1e-3  # of the differences in eta, in sds that the information makes


@dataclass(frozen=True, eq=False)
class Candidate:
    """A predictor that varies both within and between the levels of a factor."""

    term: str
    column: int  # of X
    group: GroupDesign
    mean: Floats  # (n,) of the row's level


def within_between(post: Posterior) -> Finding | None:
    """Slopes within and between groups; None where no predictor has both.

    None as well where the covariance V is too large, or effects are not normal.
    """
    design = post.design
    if design.residual is not None:  # of which V knows nothing
        return None
    found = candidates(design.mu)
    sizes = [(g, g.n_levels * len(g.terms)) for g in design.mu.groups]
    width = len(found) + len(design.mu.terms) + 2
    width += sum(size for g, size in sizes if g.joins or g.dense is not None)
    if not found or sum(size for _, size in sizes) > MOST_EFFECTS:
        return None
    if design.n * width > MOST_NUMBERS or any(g.joins and k > MOST_RELATED for g, k in sizes):
        return None
    if any(g.unusual_law for g, _ in sizes):
        return None
    table = mundlak(post, found)
    if not len(table):
        return None
    title, worst = "Within and between groups", table.iloc[0]
    if not worst["p"] < SMALL_P:
        said = (
            "Predictors that vary within and between groups have slopes alike in both (smallest "
            f"p = {worst['p']:.2g}, of {worst['term']} over {worst['group']}, limit {SMALL_P})."
        )
        return Finding(title, said, False, table)
    said = "; ".join(_slopes(row) for row in table[table["p"] < SMALL_P].to_dict("records"))
    x, g = worst["term"], worst["group"]
    code = ""
    if x.isidentifier() and g.isidentifier():
        code = f', data["{x}_mean"] = data.groupby("{g}")["{x}"].transform("mean")'
    said += (
        f". The model's one slope mixes the two: add the mean of {x} in each {g} as a predictor"
        f"{code}; the slope of {x} is then that within."
    )
    return Finding(title, said, True, table)


def _slopes(row: Mapping[Any, Any]) -> str:
    p = f"p = {row['p']:.2g}" if row["p"] > 1e-4 else "p < 0.0001"
    return (
        f"{row['term']} has the slope {row['within']:.3g} within {row['group']} and "
        f"{row['between']:.3g} between ({p}, limit {SMALL_P})"
    )


def candidates(predictor: LinearPredictor) -> list[Candidate]:
    """Main effects that vary both within and between the levels of a factor."""
    out = []
    for g in predictor.factors:
        if g.peculiarity:
            continue
        counts = g.counting(predictor.counts)
        n = np.bincount(g.refs, counts, g.n_levels)
        if np.sum(n > 0) < FEWEST_LEVELS:
            continue
        for k, term in enumerate(predictor.terms):
            x = predictor.X[:, k]
            total = x.var()
            counted = x if counts is None else x * counts
            mean = (np.bincount(g.refs, counted, g.n_levels) / np.where(n > 0, n, 1.0))[g.refs]
            between = mean.var()
            if ":" not in term and min(between, total - between) > _VARIES * total > 0:
                out.append(Candidate(term, k, g, mean))
    return out


def mundlak(post: Posterior, found: Sequence[Candidate]) -> pd.DataFrame:
    """Slopes within and between, by predictor and factor, the clearest difference first.

    Returns
    -------
    DataFrame
        group, term, within, between, difference, se, p (two-sided, of Student's t with as many
        degrees of freedom as the factor has levels less 2, times the number of rows of this
        table). A mean that the model has already is left out.
    """
    design = post.design
    z, information = working(post)
    M = np.column_stack([c.mean for c in found])
    M -= M.mean(axis=0)
    X = np.column_stack([np.ones(design.n), design.mu.X - design.mu.X.mean(axis=0)])
    A = np.column_stack([X, M, z])
    VA = woodbury.solve(information, _columns(post), A)
    p, k = X.shape[1], M.shape[1]
    scale = np.sqrt(np.einsum("np,np->p", X, VA[:, :p]))
    scale[scale == 0] = 1.0
    left = np.linalg.pinv(X.T @ VA[:, :p] / np.outer(scale, scale), hermitian=True, rcond=1e-10)
    left = left / np.outer(scale, scale)
    hat = left @ (X.T @ VA[:, p:])  # (p, k + 1) least squares of means and z on X
    whole = VA[:, p:].T @ A[:, p:]
    rest = whole - (VA[:, p:].T @ X) @ hat  # (k + 1, k + 1)
    rows = []
    for j, c in enumerate(found):
        d = rest[j, j]
        if not d > _NEW * whole[j, j]:
            continue
        difference = rest[j, k] / d
        within = hat[1 + c.column, k] - hat[1 + c.column, j] * difference
        se = 1 / np.sqrt(d)
        df = max(c.group.n_levels - 2, 1)
        rows.append(
            {
                "group": c.group.name,
                "term": c.term,
                "within": within,
                "between": within + difference,
                "difference": difference,
                "se": se,
                "p": 2 * stats.t.sf(abs(difference) / se, df),
            }
        )
    table = pd.DataFrame(rows)
    if len(table):
        table["p"] = np.minimum(table["p"] * len(table), 1.0)
        table = table.sort_values("p", kind="stable", ignore_index=True)
    return table


def working(post: Posterior) -> tuple[Floats, Floats]:
    """(n,) working responses without the offset, and their information, at the posterior mean."""
    design, family = post.design, post.family
    parameters = {name: v.mean(axis=0, keepdims=True) for name, v in post.parameters().items()}
    for name in design.further:
        eta = _mean_predictor(post, name)[None]
        parameters[name] = family.parameter_link(name).inverse(eta, np)
    eta = _mean_predictor(post, "mu")[None]

    def density(at: Floats) -> Floats:
        return log_density(
            family, design.y, family.inverse(at, np), parameters, weights=design.weights,
            trials=design.trials, limits=design.limits,
        )  # fmt: skip

    with np.errstate(all="ignore"):
        found = family.design_information(eta, parameters, design)
        information = np.broadcast_to(found, eta.shape)[0]
        step = _STEP / np.sqrt(information)
        score = (density(eta + step) - density(eta - step))[0] / (2 * step)
        z = eta[0] + score / information
    known = np.isfinite(z) & (information > 0)
    offset = 0.0 if design.mu.offset is None else design.mu.offset
    return np.where(known, z, eta[0]) - offset, np.where(known, information, 0.0)


def _mean_predictor(post: Posterior, parameter: str) -> Floats:
    """(n,) posterior mean of a linear predictor."""
    intercept, slopes = post.intercept(parameter), post.fixef(parameter)
    return post.predictor(parameter).eta(
        intercept.mean(), slopes.mean(axis=0), lambda g: post.ranef(g.name, parameter).mean(axis=0)
    )


def _columns(post: Posterior) -> sparse.csc_matrix:
    """(n, sum J q) sparse Z Psi^(1/2) of all terms, smooths among them, side by side."""
    groups = post.design.mu.groups
    columns = [_scaled(g, _root(_mean_covariance(post, g))) for g in groups]
    return sparse.hstack(columns, format="csc")


def _mean_covariance(post: Posterior, g: Term) -> Floats:
    """(q, q) mean over the draws; over some of them where effects are very many."""
    q = len(g.terms)
    if post.n_draws * q**2 <= _NUMBERS:
        return np.asarray(post.cov(g.name).mean(axis=0))
    some = np.linspace(0, post.n_draws - 1, max(_NUMBERS // q**2, 1)).astype(int)
    sd, cor = post.sd(g.name)[some], g.every_cor(post.cor_numbers(g.name)[some])
    return np.asarray(np.mean(cor * sd[:, :, None] * sd[:, None, :], axis=0))


def _scaled(g: Term, L: Floats) -> sparse.csc_matrix:
    """(n, J q) sparse Z Psi^(1/2); of related levels with a root of their covariance."""
    J = g.n_levels
    between = sparse.csr_array(g.mixed(np.eye(J))) if g.joins else sparse.eye_array(J)
    return sparse.csc_matrix(g.operator() @ sparse.kron(between, sparse.csr_array(L)))


def _root(cov: Floats) -> Floats:
    """(q, q) L with L L' = cov, also where a standard deviation is 0."""
    values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.maximum(values, 0.0))
