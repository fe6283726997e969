"""Gaussian models: large crossed ones, and effects that leave hardly anything of the response."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb

RNG = np.random.default_rng(1)
G = np.repeat(np.arange(24), 10)
X = RNG.normal(size=G.size)
LEVEL, SLOPE = RNG.normal(size=24)[G], RNG.normal(size=24)[G]
NOISE = RNG.normal(size=G.size)
CLOSE = {
    "intercepts and x": ("y ~ x + (1 | g)", LEVEL + 2 * X),
    "lines": ("y ~ x + (x | g)", LEVEL + SLOPE * X),
    "x": ("y ~ x + (1 | g)", 3 * X + 1),
    "lines, 1e-7": ("y ~ x + (x | g)", LEVEL + SLOPE * X + 1e-7 * NOISE),
    "levels, 1e-9": ("y ~ 1 + (1 | g)", LEVEL + 1e-9 * NOISE),
    "nested, 1e-9": ("y ~ 1 + (1 | h/g)", LEVEL + 1e-9 * NOISE),
    "large, 1e-7": ("y ~ 1 + (1 | g)", 1e6 * (LEVEL + 1e-7 * NOISE)),
}


def fit(formula, y, **given):
    data = pd.DataFrame({"y": y, "x": X, "g": G, "h": G // 4})
    return mb.fit(formula, data, seed=1, progress=False, draws=300, chains=2, **given)


@pytest.mark.parametrize("case", CLOSE)
def test_a_response_that_the_effects_determine_is_an_error(case):
    said = r"hardly changes within|is given (exactly|nearly) by"
    with pytest.raises((mb.DataError, mb.SamplingError), match=said):
        fit(*CLOSE[case])


@pytest.mark.parametrize("case", CLOSE)
def test_the_sampler_says_so_where_the_data_were_not_asked(case):
    """With a prior of the user's own for sigma the response is not looked at beforehand."""
    with pytest.raises(mb.SamplingError, match="hardly changes within a level of") as error:
        fit(*CLOSE[case], priors={"sigma": mb.HalfNormal(1)})
    assert "Remedy" in str(error.value)


@pytest.mark.parametrize("noise", [1e-5, 1e-3])
def test_little_noise_is_found(noise):
    found = fit("y ~ x + (x | g)", LEVEL + SLOPE * X + noise * NOISE)
    assert found.diagnostics().divergences == 0
    sigma = float(found.idata.posterior["sigma"].mean())
    assert sigma == pytest.approx(noise, rel=0.15)


@pytest.fixture(scope="module")
def ratings():
    """Raters and items in crossed pairs, and three sites."""
    rng = np.random.default_rng(5)
    n, sizes, sds = 3000, {"rater": 120, "item": 90, "site": 3}, (0.6, 0.4, 0.3)
    data = pd.DataFrame({name: rng.integers(0, J, n) for name, J in sizes.items()})
    effects = [sd * rng.normal(size=J) for sd, J in zip(sds, sizes.values(), strict=True)]
    data["x"] = rng.normal(size=n)
    data["y"] = 0.3 * data["x"] + rng.normal(size=n)
    data["y"] += sum(b[data[name]] for b, name in zip(effects, sizes, strict=True))
    return data


def test_a_value_that_takes_long_is_computed_once_for_a_draw(ratings, monkeypatch):
    from mixedbayes.sample import transitions

    seen = []

    def chain(address, record, *given):
        seen.append(given)
        return real(address, record, *given)

    real = transitions.chain
    monkeypatch.setattr(transitions, "chain", chain)
    formula = "y ~ x + (1 | rater) + (1 | item) + (1 | site)"
    found = mb.fit(formula, ratings, seed=1, progress=False, draws=500)
    assert seen
    assert found.diagnostics().ok, found.diagnostics().messages
    assert found.idata.posterior.attrs["inference_library"] == "mixedbayes"
    assert "that follow a polynomial approximation of the log posterior" in found.methods()
    # NUTS on the same density, as before
    nuts = mb.fit(formula, ratings, seed=2, progress=False, draws=500, target_accept=0.9)
    assert nuts.idata.posterior.attrs["inference_library"] == "nutpie"
    deep = mb.fit(
        formula, ratings, seed=2, progress=False, draws=20, tune=20, chains=1, max_treedepth=4
    )
    assert deep.idata.posterior.attrs["inference_method"] == "NUTS"
    assert "No-U-Turn" in nuts.methods()
    assert "polynomial" not in nuts.methods()
    assert "Christen & Fox 2005), as implemented in mixedbayes" in found.methods()
    assert "tree depth" not in found.methods()
    assert found.idata.posterior.attrs["inference_method"] == "HMC by a polynomial"
    for name in ("sd_rater", "sd_item", "sd_site", "sigma"):
        one, two = (np.log(f.idata.posterior[name].to_numpy().ravel()) for f in (found, nuts))
        assert np.mean(one) == pytest.approx(np.mean(two), abs=0.15 * np.std(two)), name
        assert np.std(one) == pytest.approx(np.std(two), rel=0.15), name


def method(found):
    return found.idata.posterior.attrs["inference_method"]


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
        ("pastes", "strength ~ 1 + (1 | batch/cask)"),  # ten batches, whose sd may be zero
        ("sim_seed002", "y ~ x + (1 | groups)"),
    ],
)
def test_few_parameters_are_sampled_by_proposals_as_nuts_samples_them(name, formula):
    data = mb.load_data(name)
    found, nuts = (
        mb.fit(formula, data, seed=1, progress=False, draws=2000, target_accept=rate)
        for rate in (None, 0.95)
    )
    assert method(found) == "HMC by a polynomial"
    assert method(nuts) == "NUTS"
    assert found.converged
    assert "polynomial" in found.methods()
    assert "polynomial" not in nuts.methods()
    one, two = found.posterior.draws, nuts.posterior.draws
    for variable in one.data_vars:
        if str(variable).startswith(("sd_", "sigma", "cor_")):
            x, y = (d[variable].to_numpy() for d in (one, two))
            probs = [0.025, 0.1, 0.5, 0.9, 0.975]
            a, b = (np.quantile(v, probs, axis=(0, 1)) for v in (x, y))
            scale = y.std(axis=(0, 1))
            assert (np.abs(a - b) <= np.array([0.1, 0.08, 0.06, 0.1, 0.2]).reshape(
                -1, *[1] * (a.ndim - 1)) * scale).all(), variable  # fmt: skip


def test_nuts_takes_the_place_of_proposals_where_the_posterior_is_far_from_a_polynomial():
    data = mb.load_data("machines")  # six workers, and seven parameters
    found = mb.fit("score ~ Machine + (Machine | Worker)", data, seed=1, progress=False, draws=250)
    assert method(found) == "NUTS"
    assert "No-U-Turn" in found.methods()
    assert "polynomial" not in found.methods()


def test_nuts_takes_the_place_of_proposals_where_a_prior_leaves_a_long_tail():
    """The rows hardly tell how sigma varies, so that its slope has the tail of its prior."""
    rng = np.random.default_rng(6)
    g, x = np.repeat(np.arange(4), 3), rng.standard_normal(12)
    y = 2 + 0.5 * x + rng.standard_normal(4)[g] + rng.standard_normal(12)
    found, normal = (
        mb.fit(
            ["y ~ x + (1 | g)", "sigma ~ x"], pd.DataFrame({"y": y, "x": x, "g": g}), seed=1,
            priors={"sigma": {"fixef": prior}}, progress=False,
        )
        for prior in (mb.StudentT(3, 0, 0.05), mb.Normal(0, 0.05))
    )  # fmt: skip
    assert method(found) == "NUTS"
    assert method(normal) == "HMC by a polynomial"


def test_the_same_seed_gives_the_same_draws_on_any_number_of_cores():
    data = mb.load_data("sleepstudy")
    one, two = (
        mb.fit("Reaction ~ Days + (Days | Subject)", data, seed=3, progress=False, cores=k)
        for k in (1, 2)
    )
    assert method(one) == "HMC by a polynomial"
    for name, values in one.posterior.draws.data_vars.items():
        assert np.array_equal(values, two.posterior.draws[name]), name
