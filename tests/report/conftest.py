"""Pages of a few models, each made once; of families from draws that are made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fitted_once import fitted_once
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.report.page import report

NASTY = "<script>alert('no')</script>&\"<b>"


def _slopes():
    sleep = mb.load_data("sleepstudy")
    sleep["Subject"] = sleep["Subject"].astype(str).replace("308", NASTY)
    sleep = sleep[(sleep["Subject"] != "335") | (sleep["Days"] == 0)]
    sleep.attrs["units"] = {"Reaction": "ms", "Days": "day"}
    return "Reaction ~ Days + (Days | Subject)", sleep, {}


def _counts():
    return "incidence | trials(size) ~ period + (1 | herd)", mb.load_data("cbpp"), {
        "family": "binomial"
    }  # fmt: skip


def _crossed():
    return "diameter ~ 1 + (1 | plate) + (1 | sample)", mb.load_data("penicillin"), {}


def _line():
    return "Reaction ~ Days", mb.load_data("sleepstudy"), {}


def _nothing():
    return "Reaction ~ 1", mb.load_data("sleepstudy"), {}


def _spread():
    return ["Reaction ~ Days + (1 | Subject)", "sigma ~ Days"], mb.load_data("sleepstudy"), {}


def _summary_only():
    return "Reaction ~ Days + (1 | Subject)", mb.load_data("sleepstudy"), {"effects": "summary"}


def _many():
    data = mb.simulate(
        "y ~ x + (x | g)", groups={"g": 300}, per_group=10, fixef={"Intercept": 2, "x": 0.5},
        sd={"g": {"Intercept": 0.5, "x": 0.2}}, cor={"g": 0.3}, sigma=1.0, seed=1,
    )  # fmt: skip
    return "y ~ x + (x | g)", data, {}


def _of_family(family):
    if family == "student_t":
        sleep = mb.load_data("sleepstudy")
        return "Reaction ~ Days + (Days | Subject)", sleep, {"family": family}
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(8), 8)
    x = rng.normal(size=64)
    eta = 0.3 + 0.4 * x + rng.normal(0, 0.5, 8)[g]
    mean = np.exp(eta)
    share = 1 / (1 + np.exp(-eta))
    y = {
        "lognormal": np.exp(eta + 0.3 * rng.normal(size=64)),
        "gamma": rng.gamma(3, mean / 3),
        "beta": rng.beta(8 * share, 8 * (1 - share)),
        "bernoulli": rng.binomial(1, share),
        "poisson": rng.poisson(mean),
        "negative_binomial": rng.negative_binomial(3, 3 / (3 + mean)),
        "cumulative": pd.Categorical.from_codes(
            np.digitize(eta + rng.logistic(size=64), [-0.5, 1.0]), ["low", "mid", "high"], True
        ),
    }[family]
    data = pd.DataFrame({"y": y, "x": x, "g": [f"g{k}" for k in g]})
    return "y ~ x + (x | g)", data, {"family": family}


MODELS = {
    "slopes": _slopes,
    "counts": _counts,
    "crossed": _crossed,
    "line": _line,
    "nothing": _nothing,
    "spread": _spread,
    "summary_only": _summary_only,
    "many": _many,
}


@pytest.fixture(scope="session")
def fitted():
    """A fit by the name of its model, made when first asked for."""
    return fitted_once(MODELS, draws=100, chains=2)


def posterior(family, fit):
    """Any draws of a model of a family, under the settings of a fit."""
    formula, data, options = _of_family(family)
    given = {"thresholds": np.array([-0.5, 1.0])} if family == "cumulative" else {}
    rng = np.random.default_rng(1)
    return replace(hand_made(formula, data, **options, draws=40, rng=rng, given=given),
                   run=fit.posterior.run)  # fmt: skip


@pytest.fixture(scope="session")
def page(fitted, tmp_path_factory):
    """Path of a model's page; with the checks for `slopes` alone, which take long."""
    folder, made = tmp_path_factory.mktemp("pages"), {}

    def get(name) -> Path:
        if name not in made:
            path = folder / f"{name}.html"
            if name in MODELS:
                made[name] = fitted(name).report(path, checks=name == "slopes")
            else:
                made[name] = report(posterior(name, fitted("nothing")), path, checks=False)
        return made[name]

    return get
