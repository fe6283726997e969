"""With flat priors on the population effects, what is exact is REML's, to R's digits.

A posterior is not a REML estimate, for it does not stop at one value of the variances. At the
estimated variances, though, the density of the response is the restricted likelihood, and the
expectations of all effects are R's: these numbers of the teaching texts can be met exactly.
"""

from dataclasses import dataclass

import numpy as np
import pytest

import mixedbayes as mb
from mixedbayes.design import build_design
from mixedbayes.marginal.effects import conditional_moments
from mixedbayes.marginal.kernel import value_and_grad
from mixedbayes.marginal.problem import build_problem

FLAT = 1e-13  # precision of the population effects' prior
MODELS = {
    "sleepstudy_slope": ("sleepstudy", "Reaction ~ Days + (0 + Days | Subject)"),
    "sleepstudy_intercept": ("sleepstudy", "Reaction ~ Days + (1 | Subject)"),
    "sleepstudy_days_subject": ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "sleepstudy_partial": ("sleepstudy_partial", "Reaction ~ Days + (Days | Subject)"),
    "sleepstudy_partial_nofixed": ("sleepstudy_partial", "Reaction ~ 0 + (Days | Subject)"),
    "simpson_intercept": ("simpson", "V2 ~ V1 + (1 | Group)"),
    "ex33_slope": ("ex33", "PCV ~ time + (0 + time | animal_id)"),
    "gpa_intercept": ("gpa", "gpa ~ occasion + (1 | student)"),
    "gpa_slope": ("gpa", "gpa ~ occasion + (occasion | student)"),
    "gpa_sex": ("gpa", "gpa ~ occasion + sex + (1 | student)"),
    "gpa_highgpa": ("gpa", "gpa ~ occasion + highgpa + (1 | student)"),
    "gpa_sex_highgpa": ("gpa", "gpa ~ occasion + sex + highgpa + (1 | student)"),
    "sim_seed002": ("sim_seed002", "y ~ x + (1 | groups)"),
    "machines": ("machines", "score ~ Machine + (Machine | Worker)"),
    "pastes_nested": ("pastes", "strength ~ 1 + (1 | batch) + (1 | batch:cask)"),
    "penicillin_crossed": ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
}


@dataclass(frozen=True)
class Solved:
    """A model at REML's variances."""

    log_density: float  # of the response, the flat prior's constant taken off
    beta: np.ndarray  # (p,)
    effects: dict  # group: (J, q)
    groups: tuple
    reml: dict

    def coef(self, group):
        """Population + deviation by level, of a factor whose terms are population terms too."""
        names = ["(Intercept)", *self.reml["fixed"]["names"][1:]]
        at = [names.index(in_r(t)) for t in group.terms]
        rows = self.beta[at] + self.effects[group.name]
        return dict(zip(map(str, group.levels), rows, strict=True))


def in_r(term):
    """ "sex[female]" is "sexfemale" in R."""
    return "(Intercept)" if term == "Intercept" else term.replace("[", "").replace("]", "")


def of_group(table, group):
    """R's entry of a factor; R names those of nested terms from the inside out."""
    return next(v for k, v in table.items() if set(k.split(":")) == set(group.factors))


def modes(reml, group):
    """R's conditional modes in our order of levels and terms: (J, q)."""
    table, name = of_group(reml["ranef"], group), of_group({k: k for k in reml["ranef"]}, group)
    labels = group.parts[name.split(":")].astype(str).agg(":".join, axis=1)
    at = [table["levels"].index(label) for label in labels]
    return np.column_stack([np.array(table["cond_mode"][in_r(t)])[at] for t in group.terms])


def solve(name, reference):
    data, formula = MODELS[name]
    design, reml = mb.Model(formula, mb.load_data(data)).design, reference(f"lme4_{name}")["REML"]
    groups, sigma = design.mu.groups, reml["residual_sd"]
    X = np.hstack([np.ones((design.n, int(design.mu.intercept))), design.mu.X])
    spread = {v["group"]: np.atleast_2d(v["cov"]) for v in reml["varcomp"]}
    L = [np.linalg.cholesky(of_group(spread, g)) for g in groups]
    p = X.shape[1]
    problem = build_problem(
        design.y,
        X,
        [(g.refs, g.Z, g.n_levels) for g in groups],
        prior_mean=np.zeros(p),
        prior_precision=FLAT * np.eye(p),
    )
    constant = 0.5 * p * np.log(FLAT / (2 * np.pi))
    effects, _ = conditional_moments(problem, L, sigma)
    rest = design.y - sum(
        (g.Z * b[g.refs]).sum(axis=1) for g, b in zip(groups, effects, strict=True)
    )
    return Solved(
        log_density=value_and_grad(problem, L, sigma)[0] - constant,
        beta=np.linalg.lstsq(X, rest, rcond=None)[0],  # X'X beta + X'Z b = X'y
        effects={g.name: b for g, b in zip(groups, effects, strict=True)},
        groups=groups,
        reml=reml,
    )


@pytest.fixture(scope="module")
def solved(reference):
    done = {}

    def at(name):
        if name not in done:
            done[name] = solve(name, reference)
        return done[name]

    return at


@pytest.mark.parametrize("name", MODELS)
def test_density_of_the_response_is_the_restricted_likelihood(name, solved):
    found = solved(name)
    assert -2 * found.log_density == pytest.approx(found.reml["criterion"]["value"], rel=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_expectations_of_all_effects_are_those_of_r(name, solved):
    found = solved(name)
    np.testing.assert_allclose(found.beta, found.reml["fixed"]["estimate"] or [], rtol=1e-7)
    for group in found.groups:
        expected = modes(found.reml, group)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.effects[group.name], expected, atol=1e-7 * scale)


# ---- as printed in the texts, from R's default optimiser: to about 1e-5 of an effect's sd -------


@pytest.mark.parametrize(
    ("name", "printed"), [("slope", "mod4"), ("intercept", "mod5"), ("days_subject", "mod6")]
)
def test_tutorial(name, printed, solved, reference):
    texts, found = reference("seed_targets"), solved(f"sleepstudy_{name}")
    (key,) = (k for k in texts if k.startswith(f"{printed}_coef"))
    (group,) = found.groups
    coef = found.coef(group)
    assert len(texts[key]) == 18
    for subject, values in texts[key].items():
        whole = dict(zip(("Intercept", "Days"), found.beta, strict=True))
        whole |= dict(zip(group.terms, coef[subject], strict=True))
        assert list(whole.values()) == pytest.approx(values, abs=1e-3)
    fit = texts["fits"][printed]
    assert -2 * found.log_density == pytest.approx(fit["REML"], abs=0.05)
    assert found.beta == pytest.approx(fit["b"], abs=0.006)
    np.testing.assert_allclose(found.reml["fixed"]["se"], fit["se"], atol=0.006)


def test_deviations_of_the_tutorial(solved, reference):
    printed, found = reference("seed_targets")["sleepMod_ranef"], solved("sleepstudy_days_subject")
    table = dict(zip(map(str, found.groups[0].levels), found.effects["Subject"], strict=True))
    assert len(printed) == 18
    for subject, values in printed.items():
        assert table[subject] == pytest.approx(values, abs=1e-3)


def test_partly_observed_subjects(solved, reference):
    """373 and 374 with and without a population line: the second pulls them towards zero."""
    computed = reference("seed_targets")["computed_here_R_4"]
    for name, key in (
        ("sleepstudy_partial", "seed2_aug_partial"),
        ("sleepstudy_partial_nofixed", "seed2_aug_'nopool'_lmer"),
    ):
        found = solved(name)
        beta = found.beta if len(found.beta) else np.zeros(2)
        table = dict(zip(map(str, found.groups[0].levels), found.effects["Subject"], strict=True))
        for subject in ("373", "374"):
            assert beta + table[subject] == pytest.approx(
                computed[key][f"coef_{subject}"], abs=1e-3
            )


def test_lecture(solved, reference):
    fits = reference("seed_targets")["fits"]
    simpson, ex33 = solved("simpson_intercept"), solved("ex33_slope")
    assert simpson.beta == pytest.approx(fits["simpson"]["b"], abs=6e-6)
    assert simpson.effects["Group"][:, 0] == pytest.approx(fits["simpson"]["ranef"], abs=6e-7)
    assert ex33.beta == pytest.approx(fits["ex33"]["b"], abs=6e-6)


def test_grades(solved, reference):
    text = reference("seed_targets")["fits"]["gpa_mixed"]
    found = solved("gpa_intercept")
    (group,) = found.groups
    assert found.beta == pytest.approx(text["b"], abs=6e-4)
    assert found.effects["student"][:5, 0] == pytest.approx(text["ranef1_5"], abs=6e-4)
    # The chapter adds its rounded numbers, 2.599 and -.216.
    first = [found.coef(group)[str(i)][0] for i in range(1, 6)]
    assert first == pytest.approx(text["coef1_5"], abs=1e-3)
    typical = found.beta[0] + found.beta[1] * np.arange(6)
    assert typical == pytest.approx(text["predict_noRE"], abs=6e-7)
    more = reference("seed_targets")["computed_here_R_4"]["gpa_sex_highgpa"]
    in_text = ["(Intercept)", "occasion", "sexfemale", "highgpa"]
    both = solved("gpa_sex_highgpa")
    assert both.reml["fixed"]["names"] == in_text
    assert both.beta == pytest.approx(more["b"], abs=6e-6)


def test_standard_error_of_a_coefficient_as_the_text_has_it(solved):
    """.092 given the population effects; .095 with the intercept's variance added, both rounded.

    The two are correlated, so that the posterior sd of a coefficient is less than the second.
    """
    found = solved("gpa_intercept")
    (group,), design = (
        found.groups,
        mb.Model(MODELS["gpa_intercept"][1], mb.load_data("gpa")).design,
    )
    factors = [(group.refs, group.Z, group.n_levels)]
    given = build_problem(
        design.y, np.zeros((design.n, 0)), factors, prior_mean=[], prior_precision=np.zeros((0, 0))
    )
    L = [np.atleast_2d(found.reml["varcomp"][0]["sd"])]
    _, (variance,) = conditional_moments(given, L, found.reml["residual_sd"])
    intercept = found.reml["fixed"]["se"][0]
    assert np.sqrt(variance[:5, 0, 0]) == pytest.approx(0.092, abs=5e-4)
    assert np.sqrt(variance[:5, 0, 0] + intercept**2) == pytest.approx(0.095, abs=1e-3)


# ---- covariances of visits and times -----------------------------------------------------------

# Residual structures of nlme 3.1-162, sleepstudy, REML: log likelihood, intercept and slope, and
# sigma with the correlation of compound symmetry, or with range and nugget. The same models with
# independent residuals beside effects of the days.
NLME = {
    "homcs(C(Days) | Subject)": (
        -893.2325426974598, (251.40510484848494, 10.467285959595957),
        (48.35943638166474, 0.5893089160317788), 0.0,
    ),
    "ou(Days | Subject)": (
        -867.093233970747, (253.90743654681685, 10.44885536521581),
        (49.69962575916379, 8.073321673432387), 0.09268237609541338,
    ),
}  # fmt: skip


@pytest.mark.parametrize("bars", NLME)
def test_restricted_likelihoods_of_structures_are_those_of_nlme(bars):
    log_likelihood, fixed, (total, number), nugget = NLME[bars]
    data = mb.load_data("sleepstudy")
    design = build_design(f"Reaction ~ Days + {bars}", data)
    (g,) = design.mu.groups
    # any share of the nugget may be the residual's: of compound symmetry a tenth
    share = nugget or 0.1
    sd, sigma = total * np.sqrt(1 - share), total * np.sqrt(share)
    own = number / (1 - share) if g.covariance.kind == "cor" else number
    cor = g.every_cor(np.array([own]))
    L = [sd * np.linalg.cholesky(cor)]
    X = np.column_stack([np.ones(design.n), design.mu.X])
    problem = build_problem(
        design.y, X, [(g.refs, g.Z, g.n_levels)],
        prior_mean=np.zeros(2), prior_precision=FLAT * np.eye(2),
    )  # fmt: skip
    found = value_and_grad(problem, L, sigma)[0] - np.log(FLAT / (2 * np.pi))
    assert found == pytest.approx(log_likelihood, rel=1e-8)
    effects, _ = conditional_moments(problem, L, sigma)
    rest = design.y - (g.Z * effects[0][g.refs]).sum(axis=1)
    np.testing.assert_allclose(np.linalg.lstsq(X, rest, rcond=None)[0], fixed, rtol=1e-7)


def test_a_common_correlation_is_an_intercept_of_each_level():
    """As (1 | Subject) beside independent deviations from it."""
    data, sd, rho, sigma = mb.load_data("sleepstudy"), 45.0, 0.7, 20.0
    found = []
    for bars, L, residual in (
        ("homcs(C(Days) | Subject)", None, sigma),
        ("(1 | Subject)", np.array([[sd * np.sqrt(rho)]]), np.hypot(sigma, sd * np.sqrt(1 - rho))),
    ):
        design = build_design(f"Reaction ~ Days + {bars}", data)
        (g,) = design.mu.groups
        L = sd * np.linalg.cholesky(g.every_cor(np.array([rho]))) if L is None else L
        X = np.column_stack([np.ones(design.n), design.mu.X])
        problem = build_problem(
            design.y, X, [(g.refs, g.Z, g.n_levels)],
            prior_mean=np.zeros(2), prior_precision=np.eye(2),
        )  # fmt: skip
        found.append(value_and_grad(problem, [L], residual)[0])
    assert found[0] == pytest.approx(found[1], rel=1e-10)
