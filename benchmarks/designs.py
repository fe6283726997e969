"""Small designs whose posteriors are hard to sample, simulated anew for every seed.

Few levels of an outer factor, standard deviations near zero, correlations near +-1, factors nested
three deep, counts whose spread is almost that of a Poisson.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

Make = Callable[[np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class Design:
    """A formula, or several, and data for it."""

    formula: str | list[str]
    make: Make
    family: str = "gaussian"


def _response(rng: np.random.Generator, eta: np.ndarray, family: str) -> np.ndarray:
    """y at the predictor eta; residual sd 1, shape 200, 4 trials, thresholds -1, 0.5, 1.5."""
    if family == "poisson":
        return rng.poisson(np.exp(eta))
    if family == "negative_binomial":
        return rng.poisson(np.exp(eta) * rng.gamma(200, 1 / 200, eta.size))
    if family == "gamma":
        return rng.gamma(4, np.exp(eta) / 4)
    if family == "student_t":
        return eta + rng.standard_t(4, eta.size)
    if family == "cumulative":
        latent = eta + rng.logistic(size=eta.size)
        return 1 + np.searchsorted([-1, 0.5, 1.5], latent)
    if family in ("bernoulli", "binomial"):
        return rng.binomial(1 if family == "bernoulli" else 4, 1 / (1 + np.exp(-eta)))
    return eta + rng.standard_normal(eta.size)


def _levels(
    rng: np.random.Generator, levels: int, rows: int, sds: Sequence[float], cor: float, family: str
) -> pd.DataFrame:
    """One factor g with effects of the intercept and of x; where there are more sds, of z."""
    g = np.repeat(np.arange(levels), rows)
    names = ("x", "z")[: max(1, len(sds) - 1)]
    X = np.column_stack([np.ones(g.size), *(rng.standard_normal(g.size) for _ in names)])
    C = np.full((len(sds), len(sds)), cor)
    np.fill_diagonal(C, 1.0)
    b = rng.multivariate_normal(np.zeros(len(sds)), C, levels, check_valid="ignore") * sds
    eta = 0.5 + 0.5 * X[:, 1] + np.sum(X[:, : len(sds)] * b[g], axis=1)
    columns = dict(zip(names, X[:, 1:].T, strict=True))
    return pd.DataFrame({"y": _response(rng, eta, family), **columns, "g": g, "n": 4})


def _nested(
    rng: np.random.Generator, sizes: Sequence[int], sds: Sequence[float], family: str
) -> pd.DataFrame:
    """Factors a, b, c within one another; `sizes` are levels within each and rows at the end."""
    places = np.indices(sizes).reshape(len(sizes), -1)
    eta = np.full(places.shape[1], 0.5)
    for k, sd in enumerate(sds):
        level = np.ravel_multi_index(tuple(places[: k + 1]), tuple(sizes[: k + 1]))
        eta += sd * rng.standard_normal(level.max() + 1)[level]
    x = rng.standard_normal(eta.size)
    columns = dict(zip("abc", places[: len(sds)], strict=False))
    return pd.DataFrame({"y": _response(rng, eta + 0.3 * x, family), "x": x, **columns})


def _crossed(
    rng: np.random.Generator, sizes: tuple[int, int], rows: int, sds: tuple[float, float],
    family: str,
) -> pd.DataFrame:  # fmt: skip
    """Factors a and b, each combination `rows` times."""
    a, b, _ = np.indices((*sizes, rows)).reshape(3, -1)
    eta = sds[0] * rng.standard_normal(sizes[0])[a] + sds[1] * rng.standard_normal(sizes[1])[b]
    x = rng.standard_normal(eta.size)
    return pd.DataFrame({"y": _response(rng, eta + 0.5 * x, family), "x": x, "a": a, "b": b})


def _growth(rng: np.random.Generator) -> pd.DataFrame:
    """27 children at ages 8, 10, 12, 14 of two sexes, as Potthoff & Roy (1964) measured them."""
    child = np.repeat(np.arange(27), 4)
    age, boy = np.tile([8.0, 10, 12, 14], 27), child < 16
    b = rng.multivariate_normal([0, 0], [[5.8, -0.29], [-0.29, 0.033]], 27)
    y = np.where(boy, 16.3 + 0.78 * age, 17.4 + 0.48 * age) + b[child, 0] + b[child, 1] * age
    y += 1.31 * rng.standard_normal(y.size)
    return pd.DataFrame({"y": y, "age": age, "sex": np.where(boy, "m", "f"), "child": child})


def _spread(rng: np.random.Generator) -> pd.DataFrame:
    """Residual sd exp(0.3 x)."""
    data = _levels(rng, 8, 12, (0.5,), 0.0, "gaussian")
    residual = np.exp(0.3 * data["x"]) * rng.standard_normal(len(data))
    g = rng.standard_normal(8)[data["g"]]
    return data.assign(y=0.5 * data["x"] + 0.5 * g + residual)


def _one(
    formula: str, levels: int, rows: int, *sds: float, cor: float = 0.0, family: str = "gaussian"
) -> Design:
    return Design(formula, partial(_levels, levels=levels, rows=rows, sds=sds, cor=cor,
                                   family=family), family)  # fmt: skip


def _inside(formula: str, sizes: Sequence[int], *sds: float, family: str = "gaussian") -> Design:
    return Design(formula, partial(_nested, sizes=sizes, sds=sds, family=family), family)


def _across(sizes: tuple[int, int], rows: int, *sds: float, family: str = "gaussian") -> Design:
    make = partial(_crossed, sizes=sizes, rows=rows, sds=sds, family=family)
    return Design("y ~ x + (1 | a) + (1 | b)", make, family)


ONE, SLOPE, DEEP = "y ~ x + (1 | g)", "y ~ x + (x | g)", "y ~ x + (1 | a/b/c)"
TRIALS = "y | trials(n) ~ x + (x | g)"

DESIGNS: Mapping[str, Design] = {
    "three_levels": _one(ONE, 3, 10, 0.5),
    "five_levels": _one(ONE, 5, 6, 1.0),
    "eight_pairs": _one(ONE, 8, 2, 0.3),
    "zero_five": _one(ONE, 5, 10, 0.0),
    "zero_eight": _one("y ~ 1 + (1 | g)", 8, 5, 0.0),
    "slopes_four": _one(SLOPE, 4, 10, 0.5, 0.3),
    "slopes_cor_plus": _one(SLOPE, 8, 10, 1.0, 0.7, cor=0.98),
    "slopes_cor_minus": _one(SLOPE, 6, 15, 1.0, 0.7, cor=-0.98),
    "slopes_zero": _one(SLOPE, 8, 8, 0.7, 0.0),
    "slopes_all_zero": _one(SLOPE, 6, 8, 0.0, 0.0),
    "slopes_two": _one("y ~ x + z + (x + z | g)", 8, 12, 0.7, 0.5, 0.0, cor=0.5),
    "slopes_apart": _one("y ~ x + (x || g)", 6, 8, 0.5, 0.0),
    "wards": _inside("y ~ 1 + (1 | a/b)", (25, 4, 10), 0.75, 1.0),
    "nested_few": _inside("y ~ x + (1 | a/b)", (3, 4, 5), 0.7, 0.5),
    "nested_deep": _inside(DEEP, (5, 3, 3, 3), 0.7, 0.5, 0.5),
    "nested_zero": _inside(DEEP, (4, 3, 4, 2), 0.5, 0.0, 0.5),
    "crossed_few": _across((4, 6), 3, 0.7, 0.5),
    "crossed_zero": _across((3, 8), 2, 0.0, 0.5),
    "crossed_two_three": _across((2, 3), 5, 0.7, 0.5),
    "crossed_two_zero": _across((2, 3), 5, 0.0, 0.0),
    "growth": Design("y ~ age * sex + (age | child)", _growth),
    "sigma_formula": Design([ONE, "sigma ~ x"], _spread),
    "student_five": _one(ONE, 5, 12, 0.5, family="student_t"),
    "bernoulli_zero": _one(ONE, 8, 10, 0.0, family="bernoulli"),
    "binomial_cor": _one(TRIALS, 8, 10, 1.0, 0.6, cor=0.95, family="binomial"),
    "poisson_five": _one(ONE, 5, 8, 0.0, family="poisson"),
    "poisson_many": _one(SLOPE, 300, 5, 0.6, 0.3, family="poisson"),
    "bernoulli_many": _one(ONE, 300, 5, 1.2, family="bernoulli"),
    "bernoulli_slopes_many": _one(SLOPE, 300, 5, 1.2, 0.6, family="bernoulli"),
    "poisson_slopes": _one(SLOPE, 8, 8, 0.6, 0.3, cor=-0.9, family="poisson"),
    "negbin_eight": _one(ONE, 8, 8, 0.5, family="negative_binomial"),
    "negbin_slopes": _one(SLOPE, 8, 10, 0.6, 0.0, family="negative_binomial"),
    "negbin_deep": _inside(DEEP, (6, 3, 3, 3), 0.5, 0.3, 0.2, family="negative_binomial"),
    "gamma_five": _one(ONE, 5, 8, 0.3, family="gamma"),
    "crossed_gamma": _across((3, 4), 4, 0.5, 0.3, family="gamma"),
    "crossed_bernoulli": _across((3, 5), 6, 0.7, 0.5, family="bernoulli"),
    "crossed_poisson": _across((2, 3), 6, 0.5, 0.0, family="poisson"),
    "nested_poisson": _inside("y ~ x + (1 | a/b)", (3, 4, 5), 0.7, 0.5, family="poisson"),
    "nested_poisson_two": _inside("y ~ x + (1 | a/b)", (2, 5, 4), 0.7, 0.5, family="poisson"),
    "ordered_eight": _one(ONE, 8, 12, 0.5, family="cumulative"),
}  # fmt: skip
