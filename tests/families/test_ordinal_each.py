"""Ordered categories and others without an order, row by row, beside their sums over all rows."""

import numpy as np
import pytest

from mixedbayes.families.fronts import SAME
from mixedbayes.families.registry import FAMILIES, family_from_names
from mixedbayes.joint.loop import loop_of
from mixedbayes.quadrature.rows import rows_of

ORDINAL = [name for name, kind in FAMILIES.items() if kind().thresholds]
CUTS = {
    "usual": np.array([-1.0, 0.2, 0.7, 2.5]),
    "close": np.array([-1.0, -1.0 + 1e-5, 0.7, 0.7 + 1e-3]),
    "far": np.array([-60.0, -20.0, 25.0, 600.0]),
}
CASES = [
    (name, link, cuts)
    for name in ORDINAL
    for link in ("logit", "probit", "cloglog")
    for cuts in CUTS
    if (link, cuts) != ("cloglog", "far")  # exp(600) is a probability of 0 for some rows
]
N, FIRST = 40, 3  # rows, of which the first ones are those of other levels


def each_row(density, eta, y, size, extra, parameters, codes=()):
    """log p of rows, its slopes by the predictors and by the parameters; and the values alone."""
    rows, k, none = rows_of(density, SAME, codes), len(parameters), np.empty(0)
    value, slope, d = np.empty(N), np.empty(eta.size), np.empty(N * k)
    pad = [np.concatenate([np.zeros(FIRST * (x.size // N)), x]) for x in (y, size, extra)]
    given = FIRST, np.ascontiguousarray(eta), *pad, parameters, none
    rows(*given, value, slope, d)
    alone = np.empty(N)
    rows(*given, alone, none, none)
    return value, slope, d.reshape(N, k), alone


def whole(density, eta, y, size, extra, parameters, own=0, m=0):
    slope, d = np.empty(eta.size), np.zeros(len(parameters))
    total = loop_of(density, SAME, m)(own, eta, y, size, extra, parameters, slope, d)
    return total, slope, d


def compared(density, *given, codes=(), own=0, rtol=1e-9):
    value, slope, d, alone = each_row(density, *given, codes)
    total, by_eta, by_parameters = whole(density, *given, own, len(codes))
    np.testing.assert_array_equal(value, alone)
    assert value.sum() == pytest.approx(total, rel=1e-11)
    np.testing.assert_allclose(slope, by_eta, rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(d.sum(axis=0), by_parameters, rtol=rtol, atol=1e-9)


def some_rows(seed=1):
    rng = np.random.default_rng(seed)
    return 2.0 * rng.normal(size=N), (np.arange(N) % 5).astype(float), rng.uniform(0.5, 2, N)


@pytest.mark.parametrize(("name", "link", "cuts"), CASES)
def test_rows_add_up_to_the_loop(name, link, cuts):
    eta, y, size = some_rows()
    density = family_from_names(name, link).row_density
    compared(density, eta, y, size, np.zeros(N), CUTS[cuts])


@pytest.mark.parametrize(
    ("name", "codes"), [("cumulative", (1,)), ("sratio", (2,) * 4), ("acat", (1, *(2,) * 4))]
)
def test_rows_with_numbers_of_their_own(name, codes):
    """A discrimination, and what moves each threshold."""
    eta, y, size = some_rows()
    more = 0.1 * np.random.default_rng(2).normal(size=N * len(codes))
    density = FAMILIES[name]().row_density
    own = sum(code << 3 * k for k, code in enumerate(codes))
    given = np.concatenate([eta, more]), y, size, np.zeros(N), CUTS["usual"]
    compared(density, *given, codes=codes, own=own)


@pytest.mark.parametrize("K", [3, 5])
def test_categories_without_an_order(K):
    eta, _, _ = some_rows()
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 4, (N, K)).astype(float)
    every = np.concatenate([eta, 3.0 * rng.normal(size=N * (K - 2))])
    codes = (2,) * (K - 2)
    own = sum(code << 3 * k for k, code in enumerate(codes))
    given = every, np.zeros(N), counts.sum(axis=1), counts.ravel(), np.zeros(0)
    compared(FAMILIES["categorical"]().row_density, *given, codes=codes, own=own)


@pytest.mark.parametrize("name", ORDINAL)
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_what_is_said_of_concavity(name, link):
    """Of every category in the predictor: known where it holds, refuted where it is not said.

    Thresholds that need not increase may lie anywhere.
    """
    family, t = family_from_names(name, link), np.linspace(-5, 5, N)
    density, bends = family.row_density, []
    for cuts in (CUTS["usual"], np.array([3.8, -4.0, -1.6, -3.6]))[: 1 if family.ordered else 2]:
        for k in np.arange(5.0):
            given = t, np.full(N, k), np.ones(N), np.zeros(N), cuts
            bends.append(np.diff(each_row(density, *given)[1]).max())
    assert (max(bends) < 1e-9) == density.concave
