import numpy as np
import pytest
from scipy import integrate

from mixedbayes import distributions as d
from mixedbayes.errors import PriorError
from mixedbayes.priors import codec

PROPER = [
    d.Normal(1, 2),
    d.StudentT(3, 1, 2),
    d.Cauchy(1, 2),
    d.HalfNormal(2),
    d.HalfStudentT(3, 2),
    d.HalfCauchy(2),
    d.Exponential(0.5),
    d.Gamma(2, 0.5),
    d.InverseGamma(3, 2),
    d.Uniform(-1, 3),
]


@pytest.mark.parametrize("prior", PROPER, ids=str)
def test_density_integrates_to_one(prior):
    low = {"real": -np.inf, "positive": 0.0, "interval": -1.0}[prior.support]
    high = 3.0 if prior.support == "interval" else np.inf
    total, _ = integrate.quad(lambda x: float(np.exp(prior.logpdf(x))), low, high)
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("prior", [d.HalfStudentT(nu, 2) for nu in (1.5, 3, 30, 1e7)], ids=str)
def test_the_mean_of_a_half_t_is_that_of_its_density(prior):
    mean, _ = integrate.quad(lambda x: x * float(np.exp(prior.logpdf(x))), 0, np.inf, limit=500)
    assert prior.frozen().mean() == pytest.approx(mean, rel=1e-6)


def test_a_half_t_with_a_long_tail_has_no_mean():
    assert d.HalfStudentT(1, 2).frozen().mean() == np.inf
    assert all(np.isfinite(p.frozen().mean()) for p in PROPER if type(p).__name__[-6:] != "Cauchy")


@pytest.mark.parametrize("prior", PROPER, ids=str)
def test_draws_follow_the_density(prior):
    x = np.sort(prior.frozen().rvs(size=4000, random_state=np.random.default_rng(1)))
    ecdf = (np.arange(4000) + 0.5) / 4000
    assert np.max(np.abs(prior.frozen().cdf(x) - ecdf)) < 1.95 / np.sqrt(4000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: d.Normal(0, -1), "sigma must be greater than 0, got -1"),
        (lambda: d.Normal(0, 0), "sigma must be greater than 0"),
        (lambda: d.Normal("a", 1), "mu must be a number, got 'a'"),
        (lambda: d.Normal(0, float("inf")), "sigma must be finite"),
        (lambda: d.Normal(0, 10**400), "sigma must be finite"),
        (lambda: d.Normal(-(10**400), 1), "mu must be finite, got -inf"),
        (lambda: d.Normal(True, 1), "mu must be a number"),
        (lambda: d.StudentT(-3), "nu must be greater than 0"),
        (lambda: d.Exponential(float("nan")), "lam must be finite"),
        (lambda: d.Uniform(2, 1), "lower must be below upper, got 2 and 1"),
        (lambda: d.LKJ(0), "eta must be greater than 0"),
        (lambda: d.Dirichlet(0), "alpha must be greater than 0, got 0"),
        (lambda: d.Dirichlet([1, -1]), "alpha must be greater than 0, got -1"),
        (lambda: d.Dirichlet([1, "a"]), "alpha must be greater than 0, got 'a'"),
        (lambda: d.Dirichlet([]), "alpha is empty"),
    ],
)
def test_impossible_arguments_are_refused(make, message):
    with pytest.raises(PriorError, match=message):
        make()


@pytest.mark.parametrize("eta", [0.7, 1.0, 2.0, 5.0])
def test_lkj_of_two_effects_is_a_density(eta):
    def density(r):
        return float(np.exp(d.LKJ(eta).logpdf(np.array([[1, r], [r, 1]]))))

    assert integrate.quad(density, -1, 1)[0] == pytest.approx(1, abs=1e-6)


def test_lkj_2_of_two_effects_is_three_quarters_of_one_minus_r_squared():
    r = 0.3
    assert d.LKJ(2).logpdf(np.array([[1, r], [r, 1]])) == pytest.approx(np.log(0.75 * (1 - r**2)))


@pytest.mark.parametrize("eta", [1.5, 2.5])
def test_lkj_of_three_effects_is_a_density(eta):
    x, w = np.polynomial.legendre.leggauss(60)
    a, b, z = np.meshgrid(x, x, x, indexing="ij")
    width = np.sqrt((1 - a**2) * (1 - b**2))  # half the range of the third correlation
    c = a * b + width * z
    one = np.ones_like(a)
    R = np.array([[one, a, b], [a, one, c], [b, c, one]]).transpose(2, 3, 4, 0, 1)
    weight = w[:, None, None] * w[None, :, None] * w * width
    assert np.sum(weight * np.exp(d.LKJ(eta).logpdf(R))) == pytest.approx(1, abs=2e-4)


def test_priors_survive_their_plain_form():
    user = {
        "Intercept": d.Normal(250, 250),
        "sd": {"Subject": {"Days": d.HalfStudentT(3, 10)}},
        "cor": d.LKJ(2),
        "sigma": d.Flat(),
    }
    assert codec.decode(codec.encode(user)) == user


def test_an_unknown_prior_in_a_file_is_refused():
    with pytest.raises(PriorError, match="unknown prior 'Evil'"):
        codec.decode({"prior": "Evil", "mu": 0})


def test_a_class_beside_the_priors_cannot_be_named_in_a_file():
    with pytest.raises(PriorError, match="unknown prior 'stats'"):
        codec.decode({"prior": "stats"})
