"""Correlated residuals: draws by name, and back, for every structure and with arms."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.terms.registry import RESIDUALS
from mixedbayes.terms.residual import Residual

STRUCTURES = RESIDUALS
POSITIONS = (2.0, 4.0, 6.0, 8.0)


def residual(name, arms=0):
    structure = STRUCTURES[name].placed(POSITIONS, "week")
    by = ("drug", tuple("abc"[:arms])) if arms else ("", ())
    return Residual(
        f"{name}(week | id)",
        "id",
        structure,
        (2, 4, 6, 8),
        np.repeat(np.arange(6), 4),
        np.tile(np.arange(4), 6),
        pd.RangeIndex(6),
        np.repeat(np.arange(6) % arms, 4) if arms else None,
        *by,
    )


def drawn(own, shape, rng):
    """Numbers z (..., A, m) under the default priors."""
    priors = {s: own.structure.default()[0] for s in own.symbols}
    z = [number.draw(int(np.prod(shape)) * own.n_arms, rng) for number in own.parameters(priors)]
    return np.stack(z, axis=-1).reshape(*shape, own.n_arms, -1)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
@pytest.mark.parametrize("arms", [0, 2, 3])
@pytest.mark.parametrize("name", STRUCTURES)
def test_draws_have_their_dimensions_and_are_read_back(name, arms, shape):
    own = residual(name, arms)
    z = drawn(own, shape, np.random.default_rng(1))
    draws = own.named(z)
    assert list(draws) == list(own.symbols)
    for symbol, value in draws.items():
        sizes = [len(own.coords[d]) for d in own.dims[symbol]]
        assert value.shape == (*shape, *sizes)
    R, W = own.correlations(draws), own.structure.root(z, 4)
    assert R.shape == (*shape, own.n_arms, 4, 4)
    np.testing.assert_allclose(R, W @ np.swapaxes(W, -1, -2), atol=1e-12)
    np.testing.assert_allclose(own.numbers(draws), z, rtol=1e-6, atol=1e-7)


def test_a_step_is_the_greatest_that_all_distances_share():
    R = residual("ar1").correlations({"rho": 0.5})
    np.testing.assert_allclose(R[0, 0], [1, 0.5, 0.25, 0.125])


def test_names_are_those_of_the_field():
    assert residual("ou").symbols == ("range",)
    assert residual("toep").dims == {"rho": ("lag",)}
    assert residual("us", 2).dims == {"rho": ("drug", "position", "position_bis")}
    assert residual("us", 2).coords["drug"] == ["a", "b"]
    assert residual("toep").coords == {"lag": ["2", "4", "6"]}
    assert isinstance(residual("ar1").structure.default()[0], mb.LKJ)
