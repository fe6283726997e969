"""Where the search begins, for links of means that must be positive."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.joint.laplace import approximate
from mixedbayes.joint.scoring import Scoring


def counts(n=60):
    rng = np.random.default_rng(3)
    x, g = rng.uniform(0.5, 2, n), np.arange(n) % 6
    t = rng.uniform(0, 30, n)
    y = rng.poisson(4 * x + rng.uniform(0, 4, 6)[g])
    return pd.DataFrame({"y": y, "x": x, "z": x - 3, "t": t, "g": g.astype(str)})


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ 0 + x + (1 | g)",
        "y ~ 0 + z + (1 | g)",
        "y ~ x + offset(t) + (1 | g)",
        "y ~ x + (1 | g)",
    ],
)
@pytest.mark.parametrize("family", [mb.Poisson, mb.NegativeBinomial])
def test_every_mean_is_possible_at_the_beginning(formula, family, joint):
    density = joint.density_of(mb.Model(formula, counts(), family=family(link=mb.Identity())))
    scoring = Scoring(density)
    theta = np.concatenate([np.zeros(density.layout.n_hyper), scoring.origin])
    assert np.isfinite(density.logp_grad(theta)[0])
    near = approximate(density)
    assert np.isfinite(density.logp_grad(np.zeros(density.ndim) + theta)[0])
    assert np.isfinite(near.mode).all()


def test_no_coefficients_may_make_all_means_possible(joint):
    data = counts().assign(z=lambda d: d.x - d.x.mean())
    model = mb.Model("y ~ 0 + z + (1 | g)", data, family=mb.Poisson(link=mb.Identity()))
    with pytest.raises(mb.SamplingError, match="identity link no coefficients give every row"):
        model.fit(seed=1, progress=False)
