"""Effects correlated across parameters: PyMC's density and the compiled one, names, priors."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.joint.coordinates import Coordinates
from mixedbayes.joint.density import JointDensity
from mixedbayes.model.coords import dims_of
from mixedbayes.model.free import free_variables

FORMULAS = [
    "y ~ x + (x | p | g) + (0 + z | q | g)",
    "nu ~ 1 + (1 | q | g)",
    "sigma ~ x + (x | p | g) + (1 | h)",
]


@pytest.fixture(scope="module")
def data():
    rng, n = np.random.default_rng(6), 48
    return pd.DataFrame(
        {
            "y": rng.normal(2, 1, n),
            "x": rng.normal(3, 1, n),
            "z": rng.normal(size=n),
            "g": [f"a {k}.1" for k in np.arange(n) % 8],
            "h": np.arange(n) % 6,
        }
    )


def log_density(model, formulation, named, free):
    """PyMC's, at (...) draws of one point of the named parameters."""
    pymc = model.build(formulation)
    function = pymc.compile_logp(jacobian=False, mode="FAST_COMPILE")
    values = {}
    for v in pymc.free_RVs:
        derived = free.get(v.name)
        x = derived.function(*(named[of] for of in derived.of)) if derived else named[v.name]
        value = pymc.rvs_to_values[v]
        transform = pymc.rvs_to_transforms[v]
        values[value.name] = (
            x[0] if transform is None
            else transform.forward(np.asarray(x[0]), *v.owner.inputs).eval(mode="FAST_COMPILE")
        )  # fmt: skip
    return float(function(values))


def test_pymc_has_the_compiled_density(data):
    """At one point, constants included, centred and not."""
    model = mb.Model(FORMULAS, data, family="student_t")
    plain = JointDensity.of(model.design, model.family, model.spec.priors)
    layout = plain.layout
    theta = 0.3 * np.random.default_rng(1).normal(size=layout.ndim) + 0.1
    named = layout.named(theta[None], Coordinates.plain(
        [(g.n_levels, len(g.terms)) for g in layout.groups]
    ))  # fmt: skip
    assert set(named) == set(dims_of(model.spec))
    free = free_variables(model.spec)
    sds, Ws, _ = layout.hyper(theta[None, : layout.n_hyper])
    # d sd / d log sd, and of z = tanh t the derivative of (z + 1) / 2
    log_slope = sum(np.log(sd).sum() for sd in sds)
    cor = named["cor_g_at_means"]
    (a,) = model.design.across
    assert a.blocks == ((0, 1, 4, 5), (2, 3))
    for block in a.blocks:
        W = np.linalg.cholesky(cor[0][np.ix_(block, block)])
        for i in range(1, len(block)):
            left = 1 - np.concatenate([[0], np.cumsum(W[i, :i] ** 2)])
            z2 = W[i, :i] ** 2 / left[:-1]
            log_slope += np.log((1 - z2) / 2).sum()
    expected = plain.logp_grad(theta)[0] - log_slope
    assert log_density(model, mb.NonCentered(), named, free) == pytest.approx(expected, rel=1e-10)
    for g, sd, W in zip(layout.groups, sds, Ws, strict=True):  # p(b) = p(u) / |L|
        expected -= g.n_levels * np.linalg.slogdet(sd[0][:, None] * W[0])[1]
    assert log_density(model, mb.Centered(), named, free) == pytest.approx(expected, rel=1e-10)


def test_one_formulation_for_all_parameters(data):
    model = mb.Model(FORMULAS, data, family="student_t")
    assert model.formulation.engine.name == "joint"
    assert list(model.formulation.groups) == ["g", "sigma_h"]
    own = mb.Model(FORMULAS, data, family="student_t", formulation={"g": mb.Centered()})
    assert own.formulation.groups == {"g": mb.Centered(), "sigma_h": mb.NonCentered()}
    with pytest.raises(mb.ModelError, match=r"'sigma_g' is not a grouping factor.*\(g, sigma_h\)"):
        mb.Model(FORMULAS, data, family="student_t", formulation={"sigma_g": mb.Centered()})
    with pytest.raises(mb.ModelError, match=r"Marginal\(\) is not exact here: .*student_t"):
        mb.Model(FORMULAS, data, family="student_t", formulation=mb.Marginal())


def test_an_id_in_one_formula_is_no_id(data):
    """The same density, names and priors as without it; and a note."""
    plain, marked = (
        mb.Model([f"y ~ x + (x {bar} g)", "sigma ~ x + (1 | g)"], data) for bar in ("|", "| p |")
    )
    assert not marked.design.across
    assert dims_of(plain.spec) == dims_of(marked.spec)
    pd.testing.assert_frame_equal(plain.spec.priors.table(), marked.spec.priors.table())
    densities = [JointDensity.of(m.design, m.family, m.spec.priors) for m in (plain, marked)]
    theta = 0.2 * np.random.default_rng(1).normal(size=densities[0].ndim)
    assert densities[0].logp_grad(theta)[0] == densities[1].logp_grad(theta)[0]
    assert [n for n in marked.design.notes if n not in plain.design.notes] == [
        "the id p of effects over g stands in one formula alone: it correlates them with no others"
    ]
    assert mb.Model("y ~ x + (x | p | g)", data).formulation.engine.name == "marginal"


def test_prior_draws_of_the_combined_matrix(data):
    """Each correlation under LKJ(eta) of k effects: (r + 1) / 2 ~ Beta(eta + k / 2 - 1)."""
    formulas = ["y ~ x + (1 + x | p | g)", "sigma ~ 1 + (1 | p | g)"]
    model = mb.Model(formulas, data, priors={"cor": {"g": mb.LKJ(1.5)}})
    prior = model.prior_predictive(draws=2000, seed=3)["prior"].to_dataset()
    cor = prior["cor_g"]
    assert cor.dims == ("chain", "draw", "g_effect", "g_effect_bis")
    assert list(cor["g_effect"].values) == ["Intercept", "x", "sigma_Intercept"]
    values = cor.to_numpy()[0]
    np.testing.assert_allclose(values, values.transpose(0, 2, 1))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        law = stats.beta(2.0, 2.0, loc=-1, scale=2)
        assert stats.kstest(values[:, i, j], law.cdf).pvalue > 0.001
    # effects have these correlations: u = L^-1 b are independent
    sd = np.concatenate([prior["sd_g"].to_numpy()[0], prior["sd_sigma_g"].to_numpy()[0]], axis=1)
    b = np.concatenate(
        [prior["ranef_g"].to_numpy()[0], prior["ranef_sigma_g"].to_numpy()[0]], axis=2
    )
    L = sd[:, :, None] * np.linalg.cholesky(values)
    u = np.linalg.solve(L, b.transpose(0, 2, 1)).transpose(0, 2, 1).reshape(-1, 3)
    np.testing.assert_allclose(np.cov(u.T), np.eye(3), atol=5 / np.sqrt(len(u)) * 1.5)


def test_priors_of_the_correlations(data):
    formulas = ["y ~ x + (x | p | g) + (x | h)", "sigma ~ x + (x | p | g) + (x | h)"]
    priors = mb.Model(formulas, data).spec.priors
    table = priors.table().set_index("parameter")
    assert table.loc["cor_g", "prior"] == "LKJ(2)"
    assert "cor_sigma_g" not in table.index
    assert "cor_sigma_h" in table.index
    assert table.loc["cor_g", "derived_from"].endswith("at the predictors' means")
    every = mb.Model(formulas, data, priors={"cor": mb.LKJ(3)}).spec.priors
    assert every.across["g"].given
    assert every.mu.cor["h"].given
    assert not every.predictor("sigma").cor["h"].given
    # given, they are at zero, and so are the sds beside them
    assert not every.mu.placed
    assert set(every.predictor("sigma").placed) == {"h"}
    one = mb.Model(formulas, data, priors={"cor": {"g": mb.LKJ(3)}}).spec.priors
    assert one.across["g"].given
    assert not one.mu.cor["h"].given
    for given, said in (
        ({"sigma": {"cor": {"g": mb.LKJ(3)}}}, r"sigma: .* over g are correlated .*\{'cor': \{'g'"),
        ({"cor": {"k": mb.LKJ(3)}}, r"cor: 'k' is not a parameter here: valid names: g, h"),
        ({"cor": {"g": mb.Normal(0, 1)}}, r"cor_g: a correlation's prior is LKJ"),
    ):
        with pytest.raises(mb.PriorError, match=said):
            mb.Model(formulas, data, priors=given)


def test_names_that_would_be_used_twice(data):
    formulas = ["y ~ 1 + (1 | p | g)", "sigma ~ 1 + (1 | p | g) + (1 | g_effect)"]
    with pytest.raises(mb.DataError, match="would both be called 'g_effect'"):
        mb.Model(formulas, data.assign(g_effect=data["h"]))
    assert names.effect_dim("a:b c") == "a_b_c_effect"
