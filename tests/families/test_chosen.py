"""Links that are chosen for further parameters."""

import numpy as np
import pandas as pd
import pytest
from files import edited
from hand_made import hand_made
from scipy import stats

import mixedbayes as mb
from mixedbayes.checks.log_likelihood import by_observation
from mixedbayes.errors import FileError, ModelError
from mixedbayes.estimands.means import means
from mixedbayes.families.chosen import moved, rate, taken
from mixedbayes.families.registry import FAMILIES, as_family, family_from_names, written
from mixedbayes.joint.coordinates import Coordinates
from mixedbayes.joint.density import JointDensity
from mixedbayes.model.free import free_variables
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.predict import predict
from mixedbayes.publish.words import likelihood
from mixedbayes.report.equations import model_equations
from mixedbayes.report.mathml import mathml
from mixedbayes.results import store
from mixedbayes.results.icc import icc

PAIRS = [
    (p.link, kind())
    for p in (as_family("gaussian").parameter("sigma"), as_family("hurdle_poisson").parameter("hu"))
    for kind in taken(p)[1:]
]


def data(n=40):
    rng = np.random.default_rng(5)
    y, c = rng.normal(size=n), rng.poisson(1.0, n)
    return pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 5, "y": y, "c": c})


@pytest.mark.parametrize(("declared", "chosen"), PAIRS, ids=str)
def test_rates_and_scales_are_those_of_the_change_of_link(declared, chosen):
    eta, h = np.linspace(-3, 2, 6), 1e-6
    low, high = (declared.link(chosen.inverse(eta + s, np), np) for s in (-h, h))
    np.testing.assert_allclose(rate(declared, chosen, eta), (high - low) / (2 * h), rtol=1e-8)
    far, one = np.array([39.0, 45.0, 1e3, 1e10]), np.ones(4)
    below, above = {  # at ends: of shares above, the last below 1 is 1 - 1.1e-16
        "softplus": (one, 1 / far), "probit": (far, 8.3 * one), "cloglog": (one, 36.7 * one),
    }[chosen.name]  # fmt: skip
    np.testing.assert_allclose(rate(declared, chosen, -far), below, rtol=1e-3)
    np.testing.assert_allclose(rate(declared, chosen, far), above, rtol=1e-2)
    for centre in (-3.0, 0.4, 2.0):
        at, spread = moved(declared, chosen, centre, 0.7)
        assert chosen.inverse(at, np) == pytest.approx(declared.inverse(centre, np), rel=1e-12)
        step = chosen.link(declared.inverse(centre + 1e-5, np), np) - at
        assert spread == pytest.approx(0.7e5 * step, rel=1e-4)


def test_every_family_says_its_priors_and_information_on_the_link_chosen():
    """As declared where nothing is chosen; else by the slope between the links, squared."""
    d = data().assign(n=9)
    for name, kind in FAMILIES.items():
        for p in kind.declared:
            for link in taken(p)[1:] if p.formula else ():
                family = kind(links={p.name: link})
                assert type(family.parameter_link(p.name)) is link
                assert type(kind().parameter_link(p.name)) is type(p.link)
                again = family_from_names(name, family.link.name, chosen={p.name: link.name})
                assert again == family != kind()
                assert hash(again) == hash(family)
                space = {"mb": mb}
                assert eval(written(family), space) == family
    model = mb.Model(["y ~ x", "sigma ~ x"], d, family=mb.Gaussian(links={"sigma": "softplus"}))
    family, design = model.family, model.design
    at, spread = family.link_scale("sigma", design)
    assert np.log1p(np.exp(at)) == pytest.approx(d["y"].std(), rel=1e-12)
    assert spread == pytest.approx(d["y"].std() / (1 - np.exp(-d["y"].std())), rel=1e-12)
    eta = np.full((1, 40), 0.3)
    own = {"sigma": np.log1p(np.exp(eta))}
    found = family.link_information("sigma", design, eta, 0 * eta, own)
    np.testing.assert_allclose(found, 2 * (1 / (1 + np.exp(-0.3)) / own["sigma"]) ** 2)
    origin = model.priors.set_index("parameter")["derived_from"]["sigma_Intercept"]
    assert "unit of log(sigma) on the softplus scale" in origin


@pytest.mark.parametrize(
    ("family", "texts"),
    [
        (mb.Gaussian(links={"sigma": mb.Softplus()}), ["y ~ x", "sigma ~ x"]),
        (mb.families.ZeroInflatedPoisson(links={"zi": mb.Probit}), ["c ~ x", "zi ~ x"]),
        (mb.families.HurdlePoisson(links={"hu": "cloglog"}), ["c ~ x", "hu ~ x"]),
    ],
    ids=["softplus", "probit", "cloglog"],
)
def test_density_is_that_of_the_model_in_pymc(family, texts):
    model = mb.Model(texts, data(), family=family)
    density = JointDensity.of(model.design, model.family, model.spec.priors)
    plain = Coordinates.plain([])
    theta = 0.5 * np.random.default_rng(1).normal(size=density.ndim)
    named, free = density.layout.named(theta[None], plain), free_variables(model.spec)
    value, gradient = density.logp_grad(theta)
    steps = 1e-6 * np.eye(density.ndim)
    change = [density.logp_grad(theta + e)[0] - density.logp_grad(theta - e)[0] for e in steps]
    np.testing.assert_allclose(gradient, np.array(change) / 2e-6, rtol=1e-6, atol=1e-5)
    point = {}
    for v in model.pymc.free_RVs:
        derived = free.get(v.name)
        x = derived.function(*(named[of] for of in derived.of)) if derived else named[v.name]
        point[model.pymc.rvs_to_values[v].name] = x[0]
    expected = model.pymc.compile_logp(mode="FAST_COMPILE")(point)
    assert value == pytest.approx(float(expected), rel=1e-10)


SHARE = np.array([0.2, 0.35, 0.5, 0.9])[None]


@pytest.mark.filterwarnings("ignore:4 draws are worth")
@pytest.mark.parametrize(
    ("kind", "texts", "name", "values", "link"),
    [
        (mb.Gaussian, ["y ~ x + (1 | g)", "sigma ~ 1"], "sigma", 4 * SHARE, "softplus"),
        (mb.families.ZeroInflatedPoisson, ["c ~ x + (1 | g)", "zi ~ 1"], "zi", SHARE, "probit"),
        (mb.families.HurdlePoisson, ["c ~ x + (1 | g)", "hu ~ 1"], "hu", SHARE, "cloglog"),
    ],
)
def test_the_same_parameter_through_another_link_is_the_same_model(kind, texts, name, values, link):
    """Where a parameter is a number, all that is said of responses is as by the declared link."""
    d, found = data(), []
    for family in (kind(), kind(links={name: link})):
        at = {f"{name}_Intercept": family.parameter_link(name).link(values, np)}
        post = hand_made(texts, d, family, 4, np.random.default_rng(2), at)
        new = d.head(3).assign(g=99)
        seeded = predict(post, d, kind="response", seed=1, draws=True)
        found.append(
            [
                by_observation(post),
                predict(post, d, target=name, draws=True),
                np.asarray(seeded, float),
                predict(post, d, groups="average", target="P(y > 1)".replace("y", texts[0][0]))[
                    "mean"
                ],
                means(post, "x", target=name).table["mean"],
                condition_on(post, new, seed=1).predict(d.tail(2).assign(g=99))["mean"],
                icc(post, draws=True)["adjusted"],
            ]
        )
    for declared, chosen in zip(*found, strict=True):
        np.testing.assert_allclose(chosen, declared, rtol=1e-9)
    np.testing.assert_allclose(found[1][1][..., 0].squeeze(), values[0], rtol=1e-12)


def test_simulated_responses_have_the_spread_asked_for():
    family = mb.Gaussian(links={"sigma": mb.Softplus()})
    rows = pd.DataFrame({"x": np.linspace(-2, 8, 4000)})
    sigma = {"fixef": {"Intercept": 0.5, "x": 1.5}}
    simulated = mb.simulate(["y ~ 1", "sigma ~ x"], data=rows, sigma=sigma, family=family, seed=1)
    z = simulated["y"] / np.log1p(np.exp(0.5 + 1.5 * rows["x"]))
    assert stats.kstest(z, "norm").pvalue > 1e-3


@pytest.fixture(scope="module")
def fit():
    family = mb.Gaussian(links={"sigma": mb.Softplus()})
    rows = pd.DataFrame({"x": np.arange(300) % 10.0, "g": np.arange(300) % 6})
    sigma = {"fixef": {"Intercept": 1.0, "x": 0.8}}
    texts = ["y ~ x + (1 | g)", "sigma ~ x"]
    d = mb.simulate(texts, data=rows, sigma=sigma, sd={"g": 1.0}, family=family, seed=3)
    return mb.fit(texts, d, family=family, draws=200, tune=200, chains=2, seed=1, progress=False)


def test_a_fit_finds_the_spread_that_adds_up(fit):
    table = fit.fixef().set_index("term")
    for term, true in (("sigma_Intercept", 1.0), ("sigma_x", 0.8)):
        assert abs(table.loc[term, "mean"] - true) < 4 * table.loc[term, "sd"]
    draws = fit.posterior.fixef("sigma")[:, 0]
    step = fit.comparisons({"x": [2, 7]}, target="sigma").table["mean"].iloc[0]
    a = fit.posterior.intercept("sigma")
    expected = np.logaddexp(0, a + 7 * draws) - np.logaddexp(0, a + 2 * draws)
    assert step == pytest.approx(expected.mean(), rel=1e-9)


def test_a_file_keeps_the_links(fit, tmp_path, monkeypatch):
    path = fit.save(tmp_path / "fit.nc")
    loaded = mb.load(path)
    assert loaded.model.family == fit.model.family
    assert str(loaded) == str(fit)
    tables = (f.predict(target="sigma") for f in (loaded, fit))
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    content = store._load(path)[0]
    for links, said in EDITED:
        again = edited(content, lambda meta, links=links: meta["extra"].update(links=links))
        monkeypatch.setattr(store, "_load", lambda _, again=again: (again, True))
        with pytest.raises(FileError, match=said):
            mb.load(path)


EDITED = (({"sigma": "probit"}, "no link of sigma"), ({"nu": "log"}, "'nu'"), (["sigma"], "links"))


def test_what_is_chosen_is_said():
    family = mb.Gaussian(links={"sigma": mb.Softplus()})
    assert family.described == "gaussian, identity link, softplus link of sigma"
    assert family != mb.Gaussian() == mb.Gaussian(links={"sigma": "log"})
    model = mb.Model(["y ~ x", "sigma ~ x"], data(), family=family)
    assert '  family = gaussian(link = "identity", link_sigma = "softplus"),' in model.code("brms")
    latex = model_equations(model.spec)
    assert r"\mathrm{softplus}(\sigma_i) &= " in latex
    assert "softplus" in mathml(latex)
    assert likelihood(family) == "Gaussian family, identity link, softplus link of sigma"
    with pytest.raises(ModelError, match="sigma has the softplus link here, which it has not in B"):
        model.code("bambi")
    share = mb.families.ZeroInflatedPoisson(links={"zi": "probit"})
    model = mb.Model(["c ~ x", "zi ~ x"], data(), family=share)
    with pytest.raises(ModelError, match="brms's links of zi are logit and identity"):
        model.code("brms")
    assert "link={'mu': 'log', 'psi': 'probit'}," in model.code("bambi")
    skewed = mb.families.HurdlePoisson(links={"hu": "cloglog"})
    with pytest.raises(ModelError, match="has not in Bambi, whose psi is 1 - hu"):
        mb.Model(["c ~ x", "hu ~ x"], data(), family=skewed).code("bambi")


@pytest.mark.parametrize(
    ("kind", "links", "said"),
    [
        (mb.Gaussian, {"sigma": "identity"}, r"positive: with the identity.*mb.Log\(\) or mb.Soft"),
        (mb.Gaussian, {"sigma": mb.Identity()}, "positive: with the identity link"),
        (mb.Gaussian, {"sigma": mb.Probit()}, r"no link of sigma. In the gaussian family sigma"),
        (mb.Gaussian, {"sigma": 3}, "'sigma': 3"),
        (mb.Gaussian, {"shape": "log"}, "no further parameter 'shape'.*these are sigma"),
        (mb.Poisson, {"zi": "logit"}, "no further parameter 'zi'.*it has none"),
        (mb.Gaussian, {"mu": "log"}, "given as link="),
        (mb.Gaussian, "softplus", r"by name, in a dictionary, links={'sigma': mb.Softplus\(\)}"),
        (mb.Poisson, np.ones(2), "by name, in a dictionary; that of the mean is link="),
        (mb.Gaussian, False, "by name"),
        (mb.Gaussian, {"sigma": np.ones(2)}, "no link of sigma"),
        (mb.Cumulative, {"disc": "softplus"}, r"disc takes mb.Log\(\)$"),
        (mb.Cumulative, {"thresholds": "identity"}, "no further parameter 'thresholds'"),
        (mb.families.HurdlePoisson, {"hu": "identity"}, "between 0 and 1: .*Logit.*Probit.*Clog"),
        (mb.families.SkewNormal, {"alpha": "log"}, r"alpha takes mb.Identity\(\)"),
    ],
)
def test_other_links_and_parameters_are_refused(kind, links, said):
    with pytest.raises(ModelError, match=said):
        kind(links=links)
    with pytest.raises(ModelError, match="no further parameter 'quantile'"):
        mb.families.AsymmetricLaplace(quantile=0.5, links={"quantile": "probit"})


@pytest.mark.parametrize("kind", [mb.Gaussian, mb.Bernoulli, mb.Cumulative, mb.GammaFamily])
def test_the_means_link_has_a_name_as_others_have(kind):
    for link in kind.mean_links:
        assert kind(link=link.name) == kind(link=link) == kind(link=link())
        assert hash(kind(link=link.name)) == hash(kind(link=link()))
    with pytest.raises(ModelError, match="has the links"):
        kind(link="loog")
