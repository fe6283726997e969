"""The inner search where the log density is not concave: heavy tails in small groups."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.joint.laplace import approximate
from mixedbayes.joint.scoring import Scoring
from mixedbayes.joint.search import start


def heavy_tails(seed, levels, rows, nu):
    rng = np.random.default_rng(seed)
    n = levels * rows
    g, x = np.repeat(np.arange(levels), rows), rng.standard_normal(n)
    y = 1 + 0.5 * x + 0.7 * rng.standard_normal(levels)[g] + rng.standard_t(nu, n)
    return pd.DataFrame({"y": y, "x": x, "g": g.astype(str)})


@pytest.fixture
def t_density(joint):
    def build(groups, *given):
        model = mb.Model(f"y ~ x + ({groups} | g)", heavy_tails(*given), family="student_t")
        return joint.density_of(model)

    return build


@pytest.mark.parametrize("groups", ["1", "x"])
def test_small_groups_with_heavy_tails_have_an_approximation(groups, t_density):
    near = approximate(t_density(groups, 0, 10, 5, 1.6))
    assert near.converged
    assert np.isfinite(near.mode).all()


@pytest.mark.parametrize("seed", range(4))
def test_search_ends_where_the_density_is_flat(seed, t_density):
    """From the centre, for small and large scales: no slope is left in units of the spread."""
    density = t_density("x", seed, 8, 6, 1.5)
    h = density.layout.n_hyper
    for log_scale in (-1.5, 0.0, 1.0):
        phi = start(density.layout)
        phi[-2:] = log_scale, np.log(1.5)
        at = Scoring(density).conditional(phi)
        _, gradient = density.logp_grad(np.concatenate([phi, at.effects]))
        assert gradient[h:] @ at.factor.solve(gradient[h:]) < 1e-3
