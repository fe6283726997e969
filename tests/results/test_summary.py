"""The printed summary and model description, to the letter."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made as of_any_numbers
from scipy import special

from mixedbayes.data import load_data
from mixedbayes.design import build_design
from mixedbayes.engines.choose import choose_engine
from mixedbayes.engines.run import Run
from mixedbayes.errors import ModelError
from mixedbayes.families.defaults import default_priors
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.families.poisson import Poisson
from mixedbayes.formula import parse
from mixedbayes.model.formulations import NonCentered
from mixedbayes.model.spec import Spec
from mixedbayes.results.described import describe_model, reach
from mixedbayes.results.fixef import fixef
from mixedbayes.results.summary import diagnostics, summary
from mixedbayes.results.text import WIDTH
from mixedbayes.sample.settings import Settings

CHAINS, DRAWS = 4, 250


def spread(center, sd, seed):
    """(CHAINS, DRAWS) normal quantiles, so that mean and sd are as said, in a random order."""
    n = CHAINS * DRAWS
    z = special.ndtri((np.arange(n) + 0.5) / n)
    z = np.random.default_rng(seed).permutation(z / z.std(ddof=1))
    return (center + sd * z).reshape(CHAINS, DRAWS)


def hand_made(make, design):
    """REML estimates and standard errors of sleepstudy as a posterior."""
    cor = np.zeros((CHAINS, DRAWS, 2, 2)) + np.eye(2)
    cor[..., 0, 1] = cor[..., 1, 0] = np.tanh(spread(0.07, 0.28, 5))
    values = {
        "Intercept": spread(251.405, 6.825, 1),
        "fixef": spread(10.467, 1.546, 2)[..., None],
        "sd_Subject": np.stack([spread(24.74, 5.0, 3), spread(5.922, 1.1, 4)], axis=-1),
        "cor_Subject": cor,
        "sigma": spread(25.592, 1.5, 6),
    }
    attrs = {"inference_library": "nutpie", "seed": 1}
    stats = {"diverging": np.zeros((CHAINS, DRAWS), bool)}
    return make.posterior(design, values, attrs=attrs, stats=stats)


@pytest.fixture(scope="module")
def design():
    data = load_data("sleepstudy")
    data.loc[[3, 8], "Days"] = None
    data.loc[3, "Reaction"] = None
    return build_design(parse("Reaction ~ Days + (Days | Subject)"), data)


@pytest.fixture(scope="module")
def spec(design):
    return Spec(design, Gaussian(), default_priors(design, Gaussian()))


GOLDEN = """\
formula  Reaction ~ Days + (Days | Subject)
family   gaussian, identity link
rows     178 used
groups   Subject: 18 levels
note     2 of 180 rows left out: missing Reaction in 1, Days in 2
draws    4 chains of 250, nutpie, seed 1, Marginal()
note     Stopped early.

Group effects             mean     sd  lower  upper  P(>0)  ess_bulk  rhat
  Subject (18 levels)
    sd  Intercept        24.7    5.0   15.0   34.5               860  1.00
    sd  Days              5.9    1.1    3.8    8.1             1,091  1.00
    cor Intercept, Days   0.07   0.26  -0.44   0.55            1,029  1.00

Population effects
  Intercept              251.4    6.8  238.1  264.7  1.000       949  1.00
  Days                    10.5    1.5    7.4   13.5  1.000       906  1.00

Residual
  sd  sigma               25.6    1.5   22.7   28.5              785  1.01

Shares of variance
  ICC adjusted           0.712  0.073  0.550  0.828              998  1.01
  ICC unadjusted         0.514  0.091  0.334  0.673              978  1.01
  R2  marginal           0.282  0.073  0.155  0.434              918  1.00
  R2  conditional        0.796  0.044  0.692  0.870              968  1.01

Converged: 4 chains, 1,000 draws, 0 divergences, largest rhat 1.006, smallest ess_bulk 785, smallest
ess_tail 904; 6 quantities.

mean, sd: of the posterior. lower, upper: 95 % equal-tailed interval. P(>0): probability of being
positive. ess_bulk: effective number of draws. rhat: 1.00 where the chains agree.
Effects of each level: ranef() (deviations), coef() (with the population)."""


def test_the_summary_to_the_letter(make, design, spec):
    found = summary(
        replace(
            hand_made(make, design),
            run=Run(Settings(seed=1), choose_engine("auto", spec), "Stopped early."),
        )
    )
    assert str(found) == GOLDEN
    assert repr(found) == str(found)


def test_the_summary_fits_the_terminal(nested):
    lines = str(summary(nested)).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert any("ICC adjusted batch:cask" in line for line in lines)


def test_the_tables_in_it_are_not_rounded(sleep):
    found = summary(sleep, 0.8)
    assert found.fixef.equals(fixef(sleep, 0.8))
    assert found.health.ok == diagnostics(sleep).ok


def test_a_model_without_groups_has_no_icc(make):
    data = load_data("sleepstudy")
    post = make.random(make.design(data, "Reaction", {"Days": data["Days"]}, [], text="R ~ Days"))
    text = str(summary(post))
    assert "ICC" not in text
    assert "Group effects" not in text
    assert "ranef" not in text
    assert "R2  marginal" in text


def test_another_link_names_its_scale(make, sleep):
    assert "scale." not in str(summary(sleep))
    values = {str(name): v.to_numpy() for name, v in sleep.draws.data_vars.items()}
    found = summary(make.posterior(sleep.design, values, Poisson()))
    assert "Effects and shares of variance are on the log scale." in str(found)


def test_html_has_the_same_and_escapes(make):
    data = load_data("dyestuff")
    group = make.group(data, "Batch", {"Intercept": 1.0})
    x = {"a<b": np.arange(30) % 2}
    post = make.random(make.design(data, "Yield", x, [group], text="Yield ~ I(a<b) + (1 | Batch)"))
    html = summary(post)._repr_html_()
    assert "a&lt;b" in html
    assert "a<b" not in html
    assert "Batch (6 levels)" in html


def test_a_probability_is_checked_first(sleep):
    with pytest.raises(ModelError, match="prob=95 is not a probability"):
        summary(sleep, 95)


def test_problems_of_the_sampler_are_told(make, design):
    post = hand_made(make, design)
    stats = {"diverging": np.arange(CHAINS * DRAWS).reshape(CHAINS, DRAWS) < 7}
    values = {str(name): v.to_numpy() for name, v in post.draws.data_vars.items()}
    bad = make.posterior(design, values, stats=stats)
    assert not diagnostics(bad).ok
    assert "7 of 1,000 draws diverged" in str(summary(bad))


def test_family_parameters_have_their_own_section(make):
    from mixedbayes.families.student_t import StudentTFamily

    data = load_data("dyestuff")
    plain = make.random(
        make.design(data, "Yield", {}, [make.group(data, "Batch", {"Intercept": 1.0})])
    )
    values = {str(name): v.to_numpy() for name, v in plain.draws.data_vars.items()}
    values["nu"] = values["sigma"] + 4
    found = summary(make.posterior(plain.design, values, StudentTFamily()))
    assert found.parameters["parameter"].tolist() == ["nu"]
    lines = str(found).splitlines()
    assert lines[lines.index("Family") + 1].split()[:2] == ["nu", "4.99"]
    assert "finite variance" not in str(found)
    values["nu"] = values["sigma"] * 0 + 1.5
    heavy = str(summary(make.posterior(plain.design, values, StudentTFamily())))
    assert "In 100 of 100 draws nu is at most 2" in heavy


MODEL = """\
formula   Reaction ~ Days + (Days | Subject)
family    gaussian, identity link
rows      178 used
groups    Subject: 18 levels
note      2 of 180 rows left out: missing Reaction in 1, Days in 2
sampling  NonCentered(): as asked

parameter                   prior                 95 % of it     from
Intercept                   Normal(297.6, 139.3)  24.5 to 571    at the predictors' means: mean, and
                                                                 2.5 x sd(Reaction) = 55.74
Days                        Normal(0, 48.34)      -94.8 to 94.8  2.5 x sd(Reaction) = 55.74 / Days:
                                                                 2.882
sd over Subject, Intercept  Exponential(0.01794)  1.41 to 206    mean sd(Reaction) = 55.74; at the
                                                                 predictors' means
sd over Subject, Days       Exponential(0.05171)  0.49 to 71.3   mean sd(Reaction) = 55.74 / Days:
                                                                 2.882
correlations over Subject   LKJ(2)                -0.81 to 0.81  favours weak correlations a little;
                                                                 at the predictors' means
sigma                       Exponential(0.01794)  1.41 to 206    mean sd(Reaction) = 55.74"""


def test_the_model_in_words(spec):
    found = describe_model(spec, choose_engine(NonCentered(), spec))
    assert str(found) == MODEL
    assert "Subject: 18 levels" in found._repr_html_()


def test_where_priors_lie():
    from mixedbayes.distributions import LKJ, Flat, Normal

    assert reach(Normal(0, 1)) == "-1.96 to 1.96"
    assert reach(Flat()) == "anywhere"
    assert reach(LKJ(1), 2) == "-0.95 to 0.95"


@pytest.mark.parametrize(
    ("family", "sections"),
    [
        ("gaussian", ["Residual: sd  sigma"]),
        ("student_t", ["Residual: scale  sigma", "Family: nu"]),
        ("exgaussian", ["Family: sigma, beta"]),  # sigma is the sd of the normal part alone
    ],
)
def test_sigma_is_called_what_it_is(family, sections):
    data = pd.DataFrame({"y": [1.0, 2.5, 0.3, 4.0], "x": [1.0, 2.0, 3.0, 5.0], "g": [1, 1, 2, 2]})
    post = of_any_numbers("y ~ x + (1 | g)", data, family, 5, np.random.default_rng(1))
    said = [f"{s.title}: {', '.join(r.label for r in s.rows)}" for s in summary(post).sections]
    assert [text for text in said if text.startswith(("Residual", "Family"))] == sections
