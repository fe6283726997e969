"""Intervals of every family over simulated data: how often they hold what was simulated.

A hundred small data sets for each case: 15 groups of 8 rows or more, an intercept or thresholds, a
slope, group intercepts, and every further parameter as a number; then some of these with formulas
of their own, and group effects correlated across parameters. 90 % intervals should hold the truth
about 90 times; between 80 and 98 allows for the binomial error of a hundred (sd 3) and for what
weakly informative priors do in small data. They do most where the data say least, which is about nu
of a t and the shape of counts that hardly vary more than Poisson's: these default priors are judged
at several values. A count of 79 or 99 is not believed before another hundred: then the two hundred
together are judged.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.families.registry import FAMILIES, as_family

SEED, SETS = 11, 100
BETA, SD = 0.5, 0.7
LOW, HIGH = 0.80, 0.98


@dataclass(frozen=True)
class Case:
    """What is simulated of one family.

    own: its further parameters that are numbers. formulas: level and slope of z, on the link's
    scale, of those with a formula, `parameter ~ z`. across: sd of group intercepts on a parameter,
    and their correlation with those of the mean, `parameter ~ (1 | p | g)`. second: intercept and
    slope of the third of three categories without an order, the sd of its group intercepts and
    their correlation with those of the second. vague: parameters about which the data say so little
    that intervals may always hold them.
    """

    own: dict = field(default_factory=dict)
    formulas: dict = field(default_factory=dict)
    across: tuple = ()  # parameter, level, sd, correlation
    second: tuple = ()  # level, slope, sd, correlation
    intercept: float = 0.3
    groups: int = 15
    rows: int = 8
    vague: tuple = ()


THRESHOLDS = {"thresholds": (-1.3, 0.2, 1.4)}  # in the intercept's place
CASES = {
    "gaussian": Case({"sigma": 0.8}),
    "student_t": Case({"sigma": 0.8, "nu": 4.0}),
    "student_t, nu 8": Case({"sigma": 0.8, "nu": 8.0}),
    "student_t, nu 30": Case({"sigma": 0.8, "nu": 30.0}),
    "lognormal": Case({"sigma": 0.8}),
    "gamma": Case({"shape": 2.0}),
    "skew_normal": Case({"sigma": 0.8, "alpha": 4.0}),
    "exgaussian": Case({"sigma": 0.5, "beta": 0.8}),
    "asymmetric_laplace": Case({"sigma": 0.4, "quantile": 0.7}),
    "shifted_lognormal": Case({"sigma": 0.5, "ndt": 0.4}),
    "weibull": Case({"shape": 1.7}),
    "exponential": Case(),
    "inverse_gaussian": Case({"shape": 2.0}),
    "hurdle_gamma": Case({"shape": 2.0, "hu": 0.3}),
    "hurdle_lognormal": Case({"sigma": 0.8, "hu": 0.3}),
    "von_mises": Case({"kappa": 3.0}),
    "beta": Case({"phi": 6.0}),
    "zero_one_inflated_beta": Case({"phi": 6.0, "zoi": 0.3, "coi": 0.4}),
    "ordered_beta": Case({"phi": 6.0, "cutzero": -1.5, "gap": 3.0}),
    "bernoulli": Case(),
    "binomial": Case(),
    "beta_binomial": Case({"phi": 4.0}),
    "zero_inflated_binomial": Case({"zi": 0.3}),
    "zero_inflated_beta_binomial": Case({"phi": 4.0, "zi": 0.3}, rows=20, intercept=0.8),
    "poisson": Case(),
    "negative_binomial": Case({"shape": 2.0}),
    "negative_binomial, shape 10": Case({"shape": 10.0}),
    "negative_binomial, shape 50": Case({"shape": 50.0}, vague=("shape",)),
    "negative_binomial1": Case({"phi": 0.8}),
    "negative_binomial1, phi 0.1": Case({"phi": 0.1}),
    "geometric": Case(),
    "zero_inflated_poisson": Case({"zi": 0.3}, intercept=1.0),
    "zero_inflated_negative_binomial": Case({"shape": 2.0, "zi": 0.3}, rows=20, intercept=1.5),
    "hurdle_poisson": Case({"hu": 0.3}, intercept=1.0),
    "hurdle_negative_binomial": Case({"shape": 2.0, "hu": 0.3}, rows=20, intercept=1.0),
    "cumulative": Case(THRESHOLDS),
    "sratio": Case(THRESHOLDS),
    "cratio": Case(THRESHOLDS),
    "acat": Case(THRESHOLDS),
    "gaussian, sigma ~ z": Case(formulas={"sigma": (-0.2, 0.3)}),
    "negative_binomial, shape ~ z": Case(formulas={"shape": (0.7, 0.5)}, rows=20, intercept=1.0),
    "beta, phi ~ z": Case(formulas={"phi": (1.8, 0.5)}),
    "zero_inflated_poisson, zi ~ z": Case(formulas={"zi": (-0.8, 0.6)}, rows=20, intercept=1.0),
    "hurdle_gamma, hu ~ z": Case({"shape": 2.0}, formulas={"hu": (-0.8, 0.6)}),
    "cumulative, disc ~ z": Case(THRESHOLDS, formulas={"disc": (0.0, 0.4)}, rows=20),
    "acat, disc ~ z": Case(THRESHOLDS, formulas={"disc": (0.0, 0.4)}, rows=20),
    "gaussian, ids": Case(across=("sigma", -0.2, 0.4, 0.5), groups=30),
    "zero_inflated_poisson, ids": Case(
        across=("zi", -0.6, 0.8, -0.5), groups=40, rows=12, intercept=1.0
    ),
    "categorical": Case(second=(-0.2, -0.4, 0.5, 0.5), groups=30, rows=12),
    "multinomial": Case(second=(-0.2, -0.4, 0.5, 0.5), groups=30, rows=4),
}
CATEGORIES = ("a", "b", "c")  # without an order; the effects are those of mu_b and mu_c


def simulated(family, case, rng):
    """One data set; z is what further parameters depend on."""
    g = np.repeat(np.arange(case.groups), case.rows)
    x, z = rng.normal(size=(2, g.size))
    effects = rng.normal(size=(2, case.groups))
    level = 0.0 if "thresholds" in case.own else case.intercept
    eta = level + BETA * x + SD * effects[0, g]
    own = {k: np.array([v]) for k, v in case.own.items()}
    for name, (at, slope) in case.formulas.items():
        own[name] = family.parameter_link(name).inverse((at + slope * z)[None], np)
    if case.across:
        name, at, sd, cor = case.across
        second = sd * (cor * effects[0] + np.sqrt(1 - cor**2) * effects[1])
        own[name] = family.parameter_link(name).inverse((at + second[g])[None], np)
    if case.second:
        at, slope, sd, cor = case.second
        second = sd * (cor * effects[0] + np.sqrt(1 - cor**2) * effects[1])
        own["mu_c"] = (at + slope * x + second[g])[None]
        family = replace(family, found=CATEGORIES)
    trials = rng.integers(3, 10, g.size)
    y = family.simulate(family.inverse(eta[None], np), own, rng, trials=trials)[0]
    if case.second and y.ndim == 1:
        y = np.array(CATEGORIES)[y.astype(int)]
    y = {"y": y} if y.ndim == 1 else dict(zip(CATEGORIES, y.T, strict=True))
    return pd.DataFrame({**y, "x": x, "z": z, "g": g, "n": trials})


def formulas(family, case):
    """What is fitted."""
    left = "y | trials(n)" if family.trials else "y"
    left = f"cbind({', '.join(CATEGORIES)})" if family.columns else left
    bar = "(1 | p | g)" if case.across else "(1 | g)"
    more = [f"{name} ~ z" for name in case.formulas]
    more += [f"{name} ~ {bar}" for name in case.across[:1]]
    return [f"{left} ~ x + {bar}", *more]


def parameters(case):
    """Every true number by name; of several thresholds each by itself."""
    truth = {} if "thresholds" in case.own else {"Intercept": case.intercept}
    truth |= {"x": BETA, "sd": SD}
    for name, value in case.own.items():
        several = np.ndim(value) > 0
        truth |= {f"{name} {k}": v for k, v in enumerate(value)} if several else {name: value}
    for name, (level, slope) in case.formulas.items():
        truth |= {} if name == "disc" else {f"{name} Intercept": level}
        truth |= {f"{name} z": slope}
    if case.across:
        name, level, sd, cor = case.across
        truth |= {f"{name} Intercept": level, f"{name} sd": sd, "cor": cor}
    if case.second:
        level, slope, sd, cor = case.second
        truth |= {"mu_c Intercept": level, "mu_c x": slope, "mu_c sd": sd, "cor": cor}
    return truth


def drawn(post, case):
    """Draws of the same."""
    found = {} if "thresholds" in case.own else {"Intercept": post.intercept()}
    found |= {"x": post.fixef()[:, 0], "sd": post.sd("g")[:, 0]}
    for name, value in case.own.items():
        draws = post.parameters()[name]
        several = range(np.size(value)) if np.ndim(value) else ()
        found |= {f"{name} {k}": draws[:, k] for k in several} or {name: draws}
    for name in case.formulas:
        found |= {} if name == "disc" else {f"{name} Intercept": post.intercept(name)}
        found |= {f"{name} z": post.fixef(name)[:, 0]}
    if case.across:
        name = case.across[0]
        found |= {f"{name} Intercept": post.intercept(name), f"{name} sd": post.sd("g", name)[:, 0]}
        found |= {"cor": post.stacked(names.cor("g"))[:, 1, 0]}
    if case.second:
        found |= {"mu_c Intercept": post.intercept("mu_c"), "mu_c x": post.fixef("mu_c")[:, 0]}
        found |= {"mu_c sd": post.sd("g", "mu_c")[:, 0]}
        found |= {"cor": post.stacked(names.cor("g"))[:, 1, 0]}
    return found


def below(name, seed=SEED, sets=SETS):
    """Of each data set the share of draws below the true number, by parameter."""
    case, family = CASES[name], as_family(name.split(",")[0])
    truth, rng = parameters(case), np.random.default_rng(seed)
    for k in range(sets):
        data = simulated(family, case, rng)
        fit = mb.fit(formulas(family, case), data, family=family, seed=k, draws=250, progress=False)
        found = drawn(fit.posterior, case)
        assert found.keys() == truth.keys()
        yield {label: float(np.mean(values < truth[label])) for label, values in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_intervals_cover(name):
    shares, wrong = [], {}
    for seed in (SEED, SEED + 1):
        shares += below(name, seed)
        found = pd.DataFrame(shares)
        share = ((found >= 0.05) & (found <= 0.95)).mean().to_dict()
        print(name, share)
        high = {label: 1.0 if label in CASES[name].vague else HIGH for label in share}
        wrong = {label: s for label, s in share.items() if not LOW <= s <= high[label]}
        if not wrong:
            break
    assert not wrong, share


def test_every_family_is_judged():
    """Each parameter too: as a number, or by a formula where it has no other way to be there."""
    judged = {}
    for name, case in CASES.items():
        seen = judged.setdefault(name.split(",")[0], set())
        seen |= {*case.own, *case.formulas, *case.across[:1]}
        seen |= {"mu_3"} if case.second else set()  # of categories that no data have named
    assert set(FAMILIES) == set(judged)
    for name, seen in judged.items():
        assert {p.name for p in as_family(name).declared if not p.optional} <= seen, name
