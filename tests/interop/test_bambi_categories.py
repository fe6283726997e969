"""Categories without an order, and counts of them, as Bambi's one formula for all of them."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.families.categorical import Categorical
from mixedbayes.families.multinomial import Multinomial

pytestmark = pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes")


def trips():
    rng = np.random.default_rng(1)
    n = 40
    d = pd.DataFrame({"x": rng.normal(3, 1, n), "g": np.repeat(list("abcde"), 8)})
    d["kind"] = np.tile(["a", "b", "c", "c"], 10)
    d["choice"] = np.tile(["car", "bus", "on foot", "bus", "car"], 8)
    d["code"] = pd.Categorical(d.choice, ["bus", "car", "on foot"]).codes.astype(int)
    d["w"] = 2
    return d.assign(car=rng.poisson(3, n), bus=1 + rng.poisson(1, n), foot=rng.poisson(2, n))


CASES = {
    "text": (
        "choice ~ x + kind + (1 || g)",
        Categorical(),
        {"fixef": {"kind[b]": mb.Normal(0, 1)}},
    ),
    "numbers, another reference": ("code ~ x*kind + (x || g)", Categorical(reference=2), None),
    "priors at zero": (
        "choice ~ x + (1 || g)",
        Categorical(),
        {"mu_car": {"Intercept": mb.Normal(1, 2)}, "Intercept": mb.Normal(0, 3)},
    ),
    "counts": ("cbind(car, bus, foot) ~ x + (1 || g)", Multinomial(reference="bus"), None),
}


@pytest.mark.parametrize("case", CASES)
def test_bambis_model_has_the_same_log_density(case):
    bambi = pytest.importorskip("bambi", minversion="0.21", reason="needs the extra: bambi")
    formula, family, priors = CASES[case]
    data = trips()
    ours = mb.Model(formula, data, family=family, priors=priors)
    space = {"data": data}
    exec(ours.code("bambi"), space)
    own = ours.build(mb.NonCentered())
    rng, point = np.random.default_rng(3), own.initial_point(random_seed=1)
    point = {k: np.asarray(v + 0.1 * rng.normal(size=np.shape(v))) for k, v in point.items()}
    expected = float(own.compile_logp(mode="FAST_COMPILE")(point))
    theirs, same = space["model"], ours.to_bambi()
    assert isinstance(same, bambi.Model)
    assert str(same) == str(theirs)
    theirs.build()
    made = theirs.backend.model
    there = _as_bambi(ours, theirs, point)
    found = float(made.compile_logp(mode="FAST_COMPILE")(there))
    assert found == pytest.approx(expected, rel=1e-8)


def _as_bambi(ours, theirs, point):
    """The same point, the categories' numbers side by side under Bambi's names."""
    parts = [_of_one(ours, p, point) for p in ours.design.predictors]
    (component,) = theirs.parameters.values()
    shapes = theirs.backend.model.initial_point()
    out = {"Intercept": np.array([p["level"] for p in parts])}
    slopes = np.stack([p["slopes"] for p in parts], axis=-1)  # (p, K - 1)
    at = 0
    for name in component.common_terms:
        size = shapes[name].size // len(parts)
        out[name] = slopes[at : at + size].reshape(shapes[name].shape)
        at += size
    for k, name in enumerate(component.group_specific_terms):
        out[f"{name}_sigma_log__"] = np.array([p["sd"][k] for p in parts])
        out[f"{name}_offset"] = np.stack([p["u"][k] for p in parts], axis=-1)
    assert set(out) == set(shapes)
    return out


def _of_one(ours, predictor, point):
    p, prefix = predictor.parameter, names.prefix(predictor.parameter)
    priors = ours.spec.priors.predictor(p)
    slopes = np.hstack([point[k] for k in point if k.startswith(f"{prefix}fixef")] or [[]])
    level = next(v for k, v in point.items() if k.startswith(f"{prefix}Intercept"))
    if not priors.intercept_at_means and f"{prefix}Intercept" not in point:
        T = np.eye(len(slopes)) if priors.population is None else priors.population.T
        level = level - predictor.means @ T @ slopes
    sds, u = [], []
    for g in predictor.groups:
        own = next(k for k in point if k.startswith(f"sd_{prefix}{g.name}"))
        sds += list(point[own])
        u += list(point[f"u_ranef_{prefix}{g.name}"].T)
    return {"level": level, "slopes": slopes, "sd": sds, "u": u}


@pytest.mark.parametrize(
    ("formula", "family", "priors", "said"),
    [
        ("choice ~ x + (1 | g)", "categorical", None,
         r"group effects on several categories.*g \(mu_car_Intercept.*write \(x \|\| g\)"),
        (["choice ~ x", "car ~ 1"], "categorical", None, "one formula for all categories of ch"),
        ("choice ~ x + offset(x)", "categorical", None, "no offset"),
        ("choice ~ x", "categorical", {"mu_car": {"fixef": mb.Normal(0, 9)}},
         r"one prior of x on all categories.*'Normal', mu=0.0, sigma=9\.0"),
        ("choice | weights(w) ~ x", "categorical", None, "write the rows of the categorical"),
        ("c(car, bus, foot) ~ (1 | g)", "multinomial", None, "several categories.*mu_bus_Inter"),
    ],
)  # fmt: skip
def test_what_bambi_cannot_express_is_refused(formula, family, priors, said):
    with pytest.raises(ModelError, match=said):
        mb.Model(formula, trips(), family=family, priors=priors).code("bambi")


def test_bambis_code_puts_the_reference_first():
    code = mb.Model("choice ~ x", trips(), family=Categorical(reference="on foot")).code("bambi")
    assert "pd.Categorical(data['choice'], ['on foot', 'bus', 'car'], ordered=True)" in code
    counts = mb.Model("cbind(car, bus, foot) ~ x", trips(), family=Multinomial(reference="bus"))
    assert "'counts(bus, car, foot) ~ 1 + x_at_means'" in counts.code("bambi")
    assert "link='softmax'" in counts.code("bambi")


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("choice ~ x", "lme4 has no categorical family: .*brms.*nnet::multinom"),
        ("choice ~ x + (1 | g)", "brms.*mclogit::mblogit"),
    ],
)
def test_lme4_has_no_categories_and_others_of_r_do(formula, said):
    with pytest.raises(ModelError, match=said):
        mb.Model(formula, trips(), family="categorical").code("lme4")


def test_a_model_of_bambis_with_categories_is_refused():
    bambi = pytest.importorskip("bambi", minversion="0.21", reason="needs the extra: bambi")
    theirs = bambi.Model("choice ~ x", trips(), family="categorical")
    with pytest.raises(ModelError, match="Bambi's family 'categorical' has no counterpart"):
        mb.from_bambi(theirs, None)
