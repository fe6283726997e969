"""Models, fits and what they give go to other processes and come back the same."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from operator import methodcaller

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb

SHORT = {"draws": 30, "tune": 50, "chains": 2, "seed": 1, "progress": False}
FORMULAS = {
    "gaussian": "y ~ poly(x, 2) + center(z):log(z + 10) + I(z**2) + bs(z, df=4) + (x | g)",
    "poisson": "k ~ scale(x) + C(f, levels=['b', 'a']) + twice(z) + (1 | g)",
    "cumulative": "o ~ round(x) + offset(z) + (1 | g)",
}


def twice(x):
    return 2 * x


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(8), 6)
    y = rng.normal(size=8)[g] + rng.normal(size=48)
    return pd.DataFrame(
        {
            "y": y, "k": rng.poisson(3, 48), "o": np.digitize(y, [-0.5, 0.5]), "g": g,
            "x": rng.normal(size=48), "z": rng.uniform(0, 2, 48), "f": np.tile(["a", "b"], 24),
        }
    )  # fmt: skip


@pytest.fixture(scope="module", params=FORMULAS)
def fit(request, data):
    family = request.param
    model = mb.Model(FORMULAS[family], data, family=family, functions={"twice": twice})
    return model.fit(**SHORT)


def test_a_fit_comes_back_the_same(fit, data, tmp_path):
    joblib = pytest.importorskip("joblib")
    joblib.dump(fit, tmp_path / "fit.joblib")
    for back in (pickle.loads(pickle.dumps(fit)), joblib.load(tmp_path / "fit.joblib")):
        assert str(back) == str(fit)
        assert back.idata.identical(fit.idata)
        pd.testing.assert_frame_equal(back.predict(data.head()), fit.predict(data.head()))
        pd.testing.assert_frame_equal(back.ranef(), fit.ranef())


def test_a_model_comes_back_the_same_also_after_it_was_built(fit):
    assert fit.model.pymc is not None
    back = pickle.loads(pickle.dumps(fit.model))
    assert str(back) == str(fit.model)
    pd.testing.assert_frame_equal(back.priors, fit.model.priors)
    assert back.fit(**SHORT).idata["posterior"].equals(fit.idata["posterior"])


@pytest.mark.filterwarnings("ignore:.*draws are worth:UserWarning")
def test_what_a_fit_gives_comes_back(fit, data):
    new = data.head(3).assign(g=99)
    conditioned = fit.condition_on(new)
    back = pickle.loads(pickle.dumps(conditioned))
    pd.testing.assert_frame_equal(back.ranef(), conditioned.ranef())
    posterior = pickle.loads(pickle.dumps(fit.posterior))
    np.testing.assert_array_equal(posterior.fixef(), fit.posterior.fixef())
    for table in (fit.summary(), fit.diagnostics(), fit.model.priors, fit.ranef()):
        assert str(pickle.loads(pickle.dumps(table))) == str(table)


def test_another_process_predicts_the_same(data):
    fit = mb.fit("y ~ x + (1 | g)", data, **SHORT)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        there = pool.submit(methodcaller("predict", data.head()), fit).result()
    pd.testing.assert_frame_equal(there, fit.predict(data.head()))


@pytest.mark.parametrize("function", [lambda x: 2 * x, np.vectorize(lambda x: x)])
def test_a_function_that_cannot_be_pickled_is_named(data, function):
    model = mb.Model("y ~ f(x) + (1 | g)", data, functions={"f": function})
    for thing in (model, model.design):
        with pytest.raises(mb.ModelError, match=r"functions: f cannot be pickled.*def at the top"):
            pickle.dumps(thing)
