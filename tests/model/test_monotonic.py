"""Models with mo(x): densities by hand, priors, exact posteriors and their tables."""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.errors import ModelError, PriorError
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.setup import set_up
from mixedbayes.theta import simplex

LEVELS = ["low", "middle", "high", "top"]


def frame(rows=60, groups=6, seed=3):
    rng = np.random.default_rng(seed)
    codes, g = rng.permutation(np.arange(rows) % 4), np.arange(rows) % groups
    z = rng.normal(2, 1, rows)
    eta = 1 + np.array([0, 0.2, 1.4, 1.6])[codes] - 0.5 * z + 0.5 * rng.normal(size=groups)[g]
    return pd.DataFrame(
        {
            "y": eta + 0.6 * rng.normal(size=rows),
            "count": rng.poisson(np.exp(0.3 * eta)),
            "income": pd.Categorical([LEVELS[k] for k in codes], LEVELS, ordered=True),
            "code": codes,
            "z": z,
            "g": g,
        }
    )


def mo(codes, zeta):
    """As brms defines it."""
    return len(zeta) * np.array([zeta[:k].sum() for k in codes])


def log_dirichlet(zeta, alpha):
    return stats.dirichlet.logpdf(zeta, alpha)


# ---- numbers -------------------------------------------------------------------------------------


def test_points_and_steps_are_two_ways_to_say_the_same():
    rng = np.random.default_rng(1)
    point = np.concatenate([rng.normal(size=(5, 1)), rng.uniform(size=(5, 3))], axis=1)
    steps = simplex.steps(point)
    np.testing.assert_allclose(steps.mean(axis=1), point[:, 0])
    np.testing.assert_allclose(simplex.point(steps), point)
    b, zeta = simplex.divided(steps)
    np.testing.assert_allclose(b[:, None] * 4 * zeta, steps)
    np.testing.assert_allclose(simplex.shares(simplex.parts(zeta)), zeta)


def test_steps_of_zero_have_equal_shares():
    b, zeta = simplex.divided(np.zeros(3))
    assert b == 0
    np.testing.assert_allclose(zeta, 1 / 3)


@pytest.mark.parametrize("alpha", [1.0, (0.5, 2.0, 3.0)])
def test_the_shares_of_a_dirichlet_are_broken_off_independently(alpha):
    prior = mb.Dirichlet(alpha).of(3)
    rng = np.random.default_rng(2)
    z = np.stack([s.frozen().rvs(20_000, random_state=rng) for s in prior.shares], axis=1)
    zeta = simplex.shares(z)
    for k, margin in enumerate(prior.margins):
        assert stats.kstest(zeta[:, k], margin.cdf).pvalue > 1e-3
    expected = stats.dirichlet(prior.alpha).cov()
    np.testing.assert_allclose(np.cov(zeta.T), expected, atol=0.005)
    np.testing.assert_allclose(
        prior.logpdf(zeta[:9]), [log_dirichlet(x, prior.alpha) for x in zeta[:9]]
    )


# ---- densities -----------------------------------------------------------------------------------


def test_the_joint_density_is_the_one_written_by_hand():
    data = frame()
    priors = {
        "Intercept": mb.Normal(0, 3), "fixef": {"mo(income)": mb.Normal(0.1, 2), "z": mb.Normal()},
        "simo_income": mb.Dirichlet([2, 1, 3]), "sigma": mb.Exponential(1), "sd": mb.Exponential(2),
    }  # fmt: skip
    model = mb.Model("y ~ mo(income) + z + (1 | g)", data, priors=priors)
    built = model.build(mb.Centered())
    logp = built.compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng = np.random.default_rng(5)
    zeta, b, slope, a = rng.dirichlet([1, 1, 1]), -0.8, 0.3, 0.4
    sd, sigma, u = 0.7, 1.3, rng.normal(size=6)
    at_means = a + (b * mo(data["code"], zeta) + slope * data["z"]).mean()
    log = np.log(zeta)
    free = {
        "mo_income": b, "simo_income_simplex__": log[:-1] - log.mean(), "fixef_z": slope,
        "Intercept_at_means": at_means, "sd_g_log__": np.log([sd]), "ranef_g": u[:, None],
        "sigma_log__": np.log(sigma),
    }  # fmt: skip
    eta = a + b * mo(data["code"], zeta) + slope * data["z"] + u[data["g"]]
    expected = (
        stats.norm.logpdf(a, 0, 3) + stats.norm.logpdf(b, 0.1, 2) + stats.norm.logpdf(slope)
        + log_dirichlet(zeta, [2, 1, 3]) + stats.expon.logpdf(sigma)
        + stats.expon.logpdf(sd, scale=0.5) + stats.norm.logpdf(u, 0, sd).sum()
        + stats.norm.logpdf(data["y"], eta, sigma).sum()
    )  # fmt: skip
    assert float(logp(free)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    "formula", ["y ~ mo(income) + z + (1 | g)", "y ~ z * mo(income) + (1 | g)"]
)
def test_the_marginal_density_is_the_one_written_by_hand(formula):
    data = frame()
    priors = {"fixef": mb.Normal(0.2, 1.5), "Intercept": mb.Normal(1, 4), "sd": mb.Exponential(1)}
    model = mb.Model(formula, data, priors=priors)
    setup = set_up(model.design, model.spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    rng = np.random.default_rng(7)
    blocks = len(model.design.mu.monotonic)
    for _ in range(3):
        theta = 0.5 * rng.normal(size=density.ndim)
        value, grad = density.logp_grad(theta)
        sd, sigma, rest = np.exp(theta[0]), np.exp(theta[1]), theta[2:]
        effects, jacobian = {}, theta[0] + theta[1]
        log_prior = stats.expon.logpdf(sd) + model.spec.priors.parameters["sigma"].prior.logpdf(
            sigma
        )
        mean = np.zeros(len(data))
        columns = [m.columns for m in model.design.mu.monotonic]
        order = sorted(k for own in columns for k in own)
        for own in columns:
            b, *t = rest[[order.index(k) for k in own]]
            z = special.expit(np.array(t))
            zeta = np.array([z[0], (1 - z[0]) * z[1], (1 - z[0]) * (1 - z[1])])
            # of shares by their logits: the two remainders, and the map of z to zeta
            jacobian += np.log(z * (1 - z)).sum() + np.log(1 - z[0])
            log_prior += stats.norm.logpdf(b, 0.2, 1.5) + log_dirichlet(zeta, [1, 1, 1])
            effects[own] = b * mo(data["code"], zeta)
        mean = effects[columns[0]] + (effects[columns[1]] * data["z"] if blocks == 2 else 0)
        y = data["y"] - mean - 1.0 - 0.2 * data["z"]
        same = (data["g"].to_numpy()[:, None] == data["g"].to_numpy()).astype(float)
        V = sigma**2 * np.eye(len(y)) + sd**2 * same + 16.0
        V += 2.25 * np.outer(data["z"], data["z"])
        expected = stats.multivariate_normal.logpdf(y, cov=V) + log_prior + jacobian
        assert value == pytest.approx(expected, abs=1e-8)
        step = 1e-5 * np.eye(len(theta))
        numeric = [(density.logp(theta + e) - density.logp(theta - e)) / 2e-5 for e in step]
        np.testing.assert_allclose(grad, numeric, rtol=2e-5, atol=2e-5)


def test_pymcs_marginal_model_has_the_same_density():
    data = frame()
    model = mb.Model("y ~ mo(income) * z + (1 | g)", data)
    built = model.build(mb.Marginal())
    logp = built.compile_logp(jacobian=False, mode="FAST_COMPILE")
    zeta, other = np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.3, 0.1])
    free = {
        "mo_income": 0.4, "simo_income_simplex__": np.log(zeta)[:-1] - np.log(zeta).mean(),
        "mo_income_z": -0.2, "simo_income_z_simplex__": np.log(other)[:-1] - np.log(other).mean(),
        "sd_g_log__": np.log([0.5]), "sigma_log__": np.log(0.8),
    }  # fmt: skip
    setup = set_up(model.design, model.spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    z = np.concatenate([simplex.parts(zeta), simplex.parts(other)])
    theta = np.array([np.log(0.5), np.log(0.8), 0.4, *special.logit(z[:2]), -0.2,
                      *special.logit(z[2:])])  # fmt: skip
    jacobian = np.log(0.5 * 0.8) + np.log(z * (1 - z)).sum() + np.log((1 - z[0]) * (1 - z[2]))
    assert density.logp(theta) - jacobian == pytest.approx(float(logp(free)), abs=1e-8)


# ---- priors --------------------------------------------------------------------------------------


def test_the_average_step_has_the_default_prior_of_numbered_levels():
    data = frame()
    steps = mb.Model("y ~ mo(income) + (1 | g)", data).spec.priors.mu.effects["mo(income)"].prior
    slope = mb.Model("y ~ code + (1 | g)", data).spec.priors.mu.effects["code"].prior
    assert (steps.mu, steps.sigma) == (0.0, pytest.approx(slope.sigma))


def test_one_step_has_the_prior_of_an_indicator_and_is_integrated():
    data = frame().assign(two=lambda d: d["code"] > 1)
    model = mb.Model("y ~ mo(two) + (1 | g)", data)
    plain = mb.Model("y ~ two + (1 | g)", data)
    assert model.priors["prior"].tolist() == plain.priors["prior"].tolist()
    assert set_up(model.design, model.spec.priors).population.sampled == ()


def test_the_effect_of_a_number_does_not_depend_on_its_origin():
    """Its prior is at the mean of the columns of mo(x):z, whatever the steps."""
    data = frame()
    one = mb.Model("y ~ mo(income) + z + mo(income):z", data).spec.priors.mu
    moved = data.assign(z=data["z"] + 1000)
    two = mb.Model("y ~ mo(income) + z + mo(income):z", moved).spec.priors.mu
    for name in ("z", "mo(income):z"):
        assert two.effects[name].prior.sigma == pytest.approx(one.effects[name].prior.sigma)


def test_priors_are_given_by_name():
    data = frame()
    priors = {"fixef": {"mo(income)": mb.StudentT(3, 0, 1)}, "simo_income": mb.Dirichlet(2)}
    table = mb.Model("y ~ mo(income) + z", data, priors=priors).priors
    found = dict(zip(table["parameter"] + table["term"], table["prior"], strict=True))
    assert found["fixefmo(income)"] == "StudentT(3, 0, 1)"
    assert found["simo_income"] == "Dirichlet(2, 2, 2)"


@pytest.mark.parametrize(
    ("priors", "said"),
    [
        ({"simo_income": mb.Dirichlet([1, 2])}, "simo_income: Dirichlet.* has 2 shares.* are 3"),
        ({"simo_income": mb.Normal()}, r"mb.Dirichlet\(1\).* each of the 3 steps"),
        ({"fixef": mb.Dirichlet(1)}, "shares that add up to 1, not of a single number"),
        ({"simo_z": mb.Dirichlet(1)}, "'simo_z' is not a parameter here.*simo_income"),
        ({"fixef": {"mo(income)[low to middle]": mb.Normal()}}, r"valid names: mo\(income\), z"),
    ],
)
def test_priors_that_do_not_fit_are_refused(priors, said):
    with pytest.raises(PriorError, match=said):
        mb.Model("y ~ mo(income) + z", frame(), priors=priors)


def test_prior_draws_have_the_moments_of_the_prior():
    model = mb.Model(
        "y ~ mo(income)", frame(),
        priors={"fixef": mb.Normal(1, 0.5), "simo_income": mb.Dirichlet([4, 2, 2])},
    )  # fmt: skip
    fixef = model.prior_predictive(draws=8000, seed=1)["prior"]["fixef"].to_numpy()[0]
    b, zeta = simplex.divided(fixef)
    assert b.mean() == pytest.approx(1, abs=0.03)
    assert b.std() == pytest.approx(0.5, rel=0.05)
    np.testing.assert_allclose(zeta.mean(axis=0), [0.5, 0.25, 0.25], atol=0.01)


# ---- posteriors ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    return mb.fit(
        "y ~ mo(income) * z + (1 | g)", frame(), seed=1, chains=2, draws=400, progress=False
    )


def test_the_posterior_is_that_of_quadrature():
    """y ~ mo(x) with two steps: a grid of (b, share, sigma), the intercept integrated by hand."""
    data = frame(rows=30)
    data = data[data["code"] < 3]
    priors = {"Intercept": mb.Normal(0, 3), "fixef": mb.Normal(0, 1), "sigma": mb.Exponential(1)}
    fit = mb.fit("y ~ mo(code)", data, priors=priors, seed=2, draws=2000, chains=2, progress=False)
    b, p, s = np.linspace(-1.5, 2.5, 121), (np.arange(80) + 0.5) / 80, np.linspace(0.3, 2.5, 90)
    B, P, S = np.meshgrid(b, p, s, indexing="ij")
    code, n = data["code"].to_numpy(), len(data)
    steps = np.stack([np.zeros_like(B), 2 * B * P, 2 * B], axis=-1)
    rest = data["y"].to_numpy() - steps[..., code]
    total, square = rest.sum(axis=-1), (rest**2).sum(axis=-1)
    inside = S**2 + n * 9
    log = -0.5 * (square - 9 * total**2 / inside) / S**2 - (n - 1) * np.log(S)
    log += -0.5 * np.log(inside) - 0.5 * B**2 - S
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    table, shares = fit.fixef().set_index("term"), fit.parameters().set_index("element")
    found = {"b": table["mean"]["mo(code)"], "share": shares["mean"]["0 to 1"]}
    for name, grid in (("b", B), ("share", P)):
        mean = float((weight * grid).sum())
        sd = np.sqrt(float((weight * grid**2).sum()) - mean**2)
        assert float(found[name]) == pytest.approx(mean, abs=0.1 * sd)


def test_what_was_simulated_is_found(fitted):
    table = fitted.comparisons({"income": ("low", "high")})
    assert float(table["lower"].iloc[0]) < 1.4 < float(table["upper"].iloc[0])
    assert fitted.converged or fitted.diagnostics().table["rhat"].astype(float).max() < 1.05


def test_tables_have_the_average_step_and_the_shares(fitted):
    slopes = fitted.idata["posterior"]["fixef"].to_numpy().reshape(-1, 7)
    names = fitted.idata["posterior"]["term"].to_numpy().tolist()
    own = [k for k, name in enumerate(names) if name.startswith("mo(income)[") and ":" not in name]
    b, zeta = simplex.divided(slopes[:, own])
    table = fitted.fixef().set_index("term")
    assert table.index.tolist() == ["Intercept", "mo(income)", "z", "mo(income):z"]
    assert float(table["mean"]["mo(income)"]) == pytest.approx(b.mean())
    shares = fitted.parameters()
    shares = shares[shares["parameter"] == "simo_income"]
    assert shares["element"].tolist() == ["low to middle", "middle to high", "high to top"]
    np.testing.assert_allclose(shares["mean"].astype(float), zeta.mean(axis=0))
    draws = fitted.parameters(draws=True)["simo_income"]
    np.testing.assert_allclose(draws.sum("mo_income_step"), 1)
    np.testing.assert_allclose(draws.to_numpy().reshape(-1, 3), zeta)
    free = fitted.idata["posterior"]
    np.testing.assert_allclose(free["mo_income"].to_numpy().ravel(), b)


def test_all_steps_of_a_draw_have_one_sign(fitted):
    slopes = fitted.idata["posterior"]["fixef"].to_numpy().reshape(-1, 7)
    for m in fitted.model.design.mu.monotonic:
        signs = np.sign(slopes[:, list(m.columns)])
        assert (np.abs(signs.sum(axis=1)) == len(m.columns)).all()


def test_statements_know_the_effect_and_its_shares(fitted):
    table = fitted.hypothesis("mo(income) > 0", "simo_income[middle to high] > 1 / 3")
    prior = table["prior_probability"].astype(float)
    assert prior.iloc[0] == pytest.approx(0.5, abs=0.01)
    assert prior.iloc[1] == pytest.approx(stats.beta(1, 2).sf(1 / 3), abs=0.01)


def test_comparisons_are_those_of_levels(fitted):
    table = fitted.comparisons({"income": "sequential"}, at={"z": 0.0})
    means = fitted.idata["posterior"]["fixef"].mean(("chain", "draw")).to_numpy()[:3]
    np.testing.assert_allclose(table["mean"].astype(float), means, rtol=1e-10)
    with pytest.raises(ModelError, match="income is a category and has no slope; comparisons"):
        fitted.slopes("income")


def test_numbers_inside_mo_are_levels_to_questions():
    fit = mb.fit("y ~ mo(code)", frame(), seed=1, chains=2, draws=100, progress=False)
    table = fit.comparisons("code")
    assert table["code"].tolist() == ["1 - 0", "2 - 0", "3 - 0"]
    with pytest.raises(ModelError, match="code is a category and has no slope"):
        fit.slopes("code")


def test_log_priors_are_those_of_the_effect_and_of_all_shares(fitted):
    from mixedbayes.checks.sensitivity import log_prior
    from mixedbayes.results.own_priors import AVERAGE, SHARE, quantities

    post, priors = fitted.posterior, fitted.model.spec.priors
    others = [q for q in quantities(post) if q.kind not in (AVERAGE, SHARE)]
    assert {q.kind for q in others} == {"intercept", "fixef", "sd", "family"}
    total = sum(q.prior.logpdf(q.placed) for q in others)
    slopes = fitted.idata["posterior"]["fixef"].to_numpy().reshape(-1, 7)
    for m in priors.mu.monotonic:
        b, zeta = simplex.divided(slopes[:, list(m.effect.columns)])
        total = total + m.average.prior.logpdf(b) + np.log(2)  # Gamma(3): uniform on the simplex
        assert (zeta > 0).all()
    np.testing.assert_allclose(log_prior(post), total)
    alone = mb.Model("y ~ z + (1 | g)", frame())
    assert len(alone.priors) == len(fitted.model.priors) - 4


def test_files_keep_everything(fitted, tmp_path):
    fitted.save(tmp_path / "fit.nc")
    again = mb.load(tmp_path / "fit.nc")
    assert again.fixef().equals(fitted.fixef())
    assert again.parameters().equals(fitted.parameters())


def test_several_formulas_are_left_to_pymc_and_say_so():
    model = mb.Model(["count ~ mo(income)", "shape ~ z"], frame(), family="negative_binomial")
    said = " ".join(str(model).split())
    assert "the steps of mo(income) are products of parameters, beside several formulas" in said


def test_code_for_others():
    model = mb.Model(
        "y ~ z + mo(income) + (1 | g)", frame(), priors={"simo_income": mb.Dirichlet([2, 1, 1])}
    )
    code = model.code("brms")
    assert "y ~ 1 + z + mo(income) + (1 | g)" in code
    assert 'set_prior("dirichlet(c(2, 1, 1))", class = "simo", coef = "moincome1")' in code
    assert 'class = "b", coef = "moincome")' in code
    assert 'factor(data$income, levels = c("low", "middle", "high", "top"), ordered = TRUE)' in code
    for package in ("lme4", "bambi", "pymc"):
        with pytest.raises(ModelError, match=r"monotonic|mo\(\)"):
            model.code(package)
    with pytest.raises(ModelError, match=r"Bambi has no mo\(\)"):
        model.to_bambi()
    with pytest.raises(ModelError, match=r"default prior of z is about .* give priors of your own"):
        mb.Model("y ~ z * mo(income)", frame()).code("brms")


def test_the_equation_says_what_the_effect_is():
    from mixedbayes.report.equations import model_equations
    from mixedbayes.report.mathml import mathml

    model = mb.Model("y ~ mo(income) * z + (1 | g)", frame())
    latex = model_equations(model.spec)
    assert r"3 \textstyle\sum_{k \le \mathrm{income}_i} \zeta" in latex
    assert r"\textstyle\sum_k \zeta" in latex
    assert "<math" in mathml(latex)


def test_counts_are_fitted_with_effects_of_one_sign():
    rng = np.random.default_rng(8)
    data = frame(rows=400, groups=8)
    data["count"] = rng.poisson(np.exp(0.5 - 0.4 * np.array([0, 1, 1.2, 3])[data["code"]]))
    fit = mb.fit(
        "count ~ mo(income) + (1 | g)", data, family="poisson", seed=1, chains=2, draws=400,
        progress=False,
    )  # fmt: skip
    b = fit.fixef().set_index("term").loc["mo(income)"]
    assert float(b["lower"]) < -0.4 < float(b["upper"])
    shares = fit.parameters()
    assert float(shares["mean"].iloc[2]) > float(shares["mean"].iloc[1])


def test_steps_of_sigma_have_no_closed_form():
    model = mb.Model(["y ~ z + (1 | g)", "sigma ~ mo(income)"], frame())
    said = model.spec.closed_form_obstacle
    assert said == "the steps of mo(income) in the formula of sigma are products of parameters"
