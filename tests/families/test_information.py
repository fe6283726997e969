"""Fisher information about the family's parameters, against the variance of simulated scores."""

import numpy as np
import pytest

from mixedbayes.families.registry import as_family

DRAWS, STEP = 200_000, 1e-3
CASES = [
    ("gaussian", {"sigma": 0.7}, "sigma"),
    ("lognormal", {"sigma": 0.5}, "sigma"),
    ("student_t", {"sigma": 0.7, "nu": 4.0}, "sigma"),
    ("student_t", {"sigma": 0.7, "nu": 4.0}, "nu"),
    ("gamma", {"shape": 2.0}, "shape"),
    ("gamma", {"shape": 50.0}, "shape"),
    ("weibull", {"shape": 0.6}, "shape"),
    ("weibull", {"shape": 4.0}, "shape"),
    ("skew_normal", {"sigma": 0.7, "alpha": 3.0}, "sigma"),
    ("exgaussian", {"sigma": 0.7, "beta": 0.4}, "sigma"),
    ("exgaussian", {"sigma": 0.3, "beta": 0.9}, "beta"),
    ("shifted_lognormal", {"sigma": 0.5, "ndt": 1.0}, "ndt"),
    ("asymmetric_laplace", {"sigma": 0.7, "quantile": 0.8}, "sigma"),
    ("inverse_gaussian", {"shape": 2.0}, "shape"),
    ("beta", {"phi": 5.0}, "phi"),
    ("von_mises", {"kappa": 2.0}, "kappa"),
    ("zero_one_inflated_beta", {"phi": 5.0, "zoi": 0.3, "coi": 0.6}, "phi"),
    ("ordered_beta", {"phi": 5.0, "cutzero": -1.0, "gap": 2.5}, "gap"),
]


def simulated(family, parameters, name, eta):
    """E of the squared score in the logarithm of one parameter, and its standard error."""
    rng = np.random.default_rng(2)
    mu = np.broadcast_to(family.inverse(np.array([[eta]]), np), (DRAWS, 1))
    y = family.simulate(mu, {k: np.full(DRAWS, v) for k, v in parameters.items()}, rng)[:, 0]

    def at(factor):
        moved = parameters | {name: parameters[name] * factor}
        return family.log_density(y, mu.T, {k: np.array([v]) for k, v in moved.items()})[0]

    score = (at(np.exp(STEP)) - at(np.exp(-STEP))) / (2 * STEP)
    return np.mean(score**2), np.std(score**2) / np.sqrt(DRAWS)


def stated(family, parameters, name, eta):
    values = {k: np.array([v]) for k, v in parameters.items()}
    return family.parameter_information(name, np.array([[eta]]), values)[0, 0]


@pytest.mark.parametrize("eta", [-1.0, 0.5])
@pytest.mark.parametrize(("family", "parameters", "name"), CASES)
def test_information_is_the_variance_of_the_score(family, parameters, name, eta):
    family = as_family(family)
    mean, error = simulated(family, parameters, name, eta)
    assert stated(family, parameters, name, eta) == pytest.approx(mean, abs=5 * error)


@pytest.mark.parametrize("eta", [-1.0, 0.5, 3.0])
@pytest.mark.parametrize("shape", [0.3, 2.0])
def test_information_about_the_shape_of_counts_is_an_upper_bound(shape, eta):
    """By Jensen's inequality; exact where counts above 0 are all alike."""
    family = as_family("negative_binomial")
    mean, error = simulated(family, {"shape": shape}, "shape", eta)
    found = stated(family, {"shape": shape}, "shape", eta)
    assert mean - 5 * error < found < 3 * mean


def test_a_large_shape_keeps_its_digits():
    family = as_family("gamma")
    found = [stated(family, {"shape": a}, "shape", 0.0) for a in (9.9e3, 1.1e4, 1e12)]
    np.testing.assert_allclose(found, 0.5, rtol=1e-4)
