"""What is measured: data sets and simulated data of every structure, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

import mixedbayes as mb


@dataclass(frozen=True)
class Case:
    """A formula, a family and data.

    more: formulas of the family's further parameters.
    written: the formula as other tools write it, where it is not the same; after a semicolon those
    of further parameters.
    priors: ours, where they are not the defaults; `bambi_priors` makes bambi's from its module.
    settings: of our fit, where 4 chains of 1000 draws would be more than is asked for.
    peers: who else may fit it, where installed.
    arguments: what else our model is told, such as `known` and `residual`.
    script: of R's tools, in `workers/`, and what it calls the case, where it is not `peers.R`.
    iterations: of each of brms's chains, half of them tuning, where `script` is another.
    """

    structure: str  # "single", "nested", "crossed", "vector-valued", or the name of a term
    formula: str
    make: Callable[[], pd.DataFrame]
    settings: Mapping[str, Any] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    note: str = ""
    family: str = "gaussian"
    written: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    priors: Mapping[str, Any] = field(default_factory=dict)
    bambi_priors: Callable[[Any], Mapping[str, Any]] = lambda bambi: {}
    arguments: Callable[[], Mapping[str, Any]] = dict
    script: tuple[str, str] | None = None
    iterations: int = 2000

    @property
    def formulas(self) -> list[str]:
        """All of them, as ours."""
        return [self.formula, *self.more]

    def formula_of(self, tool: str) -> str:
        """The formula as a tool writes it."""
        return self.written.get(tool, self.formula)


def other_data(case: Case, data: pd.DataFrame) -> pd.DataFrame:
    """Other data of the same kind: noise added, and the last level's rows left out.

    The level is one of the first grouping factor's, so that sizes differ as well.
    """
    model = mb.Model(case.formula, data)
    group, y = model.design.mu.groups[0].factors[0], model.design.response
    rng = np.random.default_rng(1)
    noisy = data.assign(**{y: data[y] + rng.normal(0, 0.2 * data[y].std(), len(data))})
    kept = noisy[noisy[group] != noisy[group].iloc[-1]].reset_index(drop=True)
    if isinstance(kept[group].dtype, pd.CategoricalDtype):
        kept[group] = kept[group].cat.remove_unused_categories()
    return kept


def slopes(groups: int, rows: int) -> pd.DataFrame:
    """y = 1 + 0.5 x + b0 + b1 x + e; sds 0.6, 0.3, correlation -0.4, residual 1."""
    rng = np.random.default_rng(groups + rows)
    g = np.repeat(np.arange(groups, dtype=np.int32), rows)
    cov = np.array([[0.36, -0.072], [-0.072, 0.09]])
    b = rng.multivariate_normal([1.0, 0.5], cov, groups)
    x = rng.standard_normal(g.size)
    y = b[g, 0]
    y += b[g, 1] * x
    y += rng.standard_normal(g.size)
    return pd.DataFrame({"y": y, "x": x, "g": g}, copy=False)


def nested(outer: int, inner: int, rows: int) -> pd.DataFrame:
    """y = 1 + 0.5 x + a + b + e; sds 0.6 (outer), 0.8 (inner), residual 1."""
    rng = np.random.default_rng(outer + inner)
    ab = np.repeat(np.arange(outer * inner, dtype=np.int32), rows)
    a, b = ab // inner, ab % inner
    x = rng.standard_normal(ab.size)
    effects = 0.6 * rng.standard_normal(outer)[a] + 0.8 * rng.standard_normal(outer * inner)[ab]
    y = 1 + 0.5 * x + effects + rng.standard_normal(ab.size)
    return pd.DataFrame({"y": y, "x": x, "a": a, "b": b})


def crossed(a: int, b: int, rows: int) -> pd.DataFrame:
    """y = 1 + 0.5 x + a + b + e at random combinations; sds 0.6, 0.4, residual 1."""
    rng = np.random.default_rng(a + b)
    i, j, x = rng.integers(0, a, rows), rng.integers(0, b, rows), rng.standard_normal(rows)
    effects = 0.6 * rng.standard_normal(a)[i] + 0.4 * rng.standard_normal(b)[j]
    y = 1 + 0.5 * x + effects + rng.standard_normal(rows)
    return pd.DataFrame({"y": y, "x": x, "a": i, "b": j})


def _shipped(name: str) -> Callable[[], pd.DataFrame]:
    return partial(mb.load_data, name)


def grouped(family: str, groups: int, sds: tuple[float, ...]) -> pd.DataFrame:
    """Five rows of each group, intercepts and, with two sds, slopes that vary; y by family."""
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(groups), 5), rng.normal(size=5 * groups)
    b = rng.normal(size=(groups, 2)) * (*sds, 0.0)[:2]
    eta = 0.5 + 0.3 * x + b[g, 0] + b[g, 1] * x
    return pd.DataFrame({"y": _drawn(rng, family, eta), "x": x, "g": g})


def of_two(family: str, levels: int, sd: float, *, within: bool) -> pd.DataFrame:
    """Five rows of each level; a second factor of a tenth as many, above it or crossed with it."""
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(levels), 5), rng.normal(size=5 * levels)
    second = g // 10 if within else rng.integers(0, levels // 10, g.size)
    eta = 0.5 + 0.3 * x + sd * (rng.normal(size=levels)[g] + rng.normal(size=levels)[second])
    y = _drawn(rng, family, eta)
    a, b = (second, g % 10) if within else (g, second)
    return pd.DataFrame({"y": y, "x": x, "a": a, "b": b})


def _drawn(rng: np.random.Generator, family: str, eta: NDArray[np.float64]) -> NDArray[np.int64]:
    """Responses, of a negative binomial with shape 2."""
    if family == "bernoulli":
        return (rng.random(eta.size) < special.expit(eta)).astype(int)
    mean = np.exp(eta)
    return rng.poisson(mean if family == "poisson" else mean * rng.gamma(2, 0.5, eta.size))


def _sized(family: str, shape: str, levels: int) -> Case:
    """Counts or outcomes of many levels, bambi beside us up to a thousand."""
    sds = (1.2, 0.6) if family == "bernoulli" else (0.6, 0.3)
    peers = ("bambi",) if levels <= 1000 else ()
    if shape in ("nested", "crossed"):
        make = partial(of_two, family, levels, sds[0], within=shape == "nested")
        formula = NESTED if shape == "nested" else CROSSED
        return Case(shape, formula, make, peers=peers, family=family)
    make = partial(grouped, family, levels, sds if shape == "slopes" else sds[:1])
    formula = SLOPES if shape == "slopes" else "y ~ x + (1 | g)"
    return Case("single", formula, make, peers=peers, family=family)


BAYES = ("bambi", "brms", "rstanarm")
ALL = (*BAYES, "lme4")
FEW = ("bambi", "lme4")
GLMM = (*ALL, "glmmTMB")
SLOPES, NESTED, CROSSED = "y ~ x + (x | g)", "y ~ x + (1 | a/b)", "y ~ x + (1 | a) + (1 | b)"

CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"

BAMBI = ("bambi", "bambi_pymc")
_WIDE = mb.Normal(0, 2.5)
_SHARED = {"Intercept": _WIDE, "fixef": _WIDE, "sd": mb.HalfNormal(1)}
_NOTE = "the same priors; bambi's intercept is at the covariates' means"


def _bambi(group: str, own: Callable[[Any], Mapping[str, Any]], at: float | None = 0.0) -> Any:
    """What makes bambi's of `_SHARED`, the intercept's at `at`, and those that `own` makes."""

    def make(bambi: Any) -> dict[str, Any]:
        def normal(mu: float, sigma: Any) -> Any:
            return bambi.Prior("Normal", mu=mu, sigma=sigma)

        effects = normal(0, bambi.Prior("HalfNormal", sigma=1))
        shared = {"common": normal(0, 2.5)} | ({} if at is None else {"Intercept": normal(at, 2.5)})
        return {**shared, f"1|{group}": effects, **own(bambi)}

    return make


def _kidney() -> pd.DataFrame:
    """With bambi's words for what is censored."""
    data = mb.load_data("kidney")
    return data.assign(status=np.where(data["censored"] == 1, "right", "none"))


def _of_zeros(bambi: Any) -> dict[str, Any]:
    normal = bambi.Prior("Normal", mu=0, sigma=2.5)
    return {"psi": {"Intercept": normal, "FoodTreatment": normal}}


def _of_thresholds(bambi: Any) -> dict[str, Any]:
    from pymc.distributions.transforms import ordered

    means = np.linspace(-2, 2, 4)
    return {"threshold": bambi.Prior("Normal", mu=means, sigma=2.5, transform=ordered)}


_OWLS = "SiblingNegotiation ~ FoodTreatment * SexParent + offset({}(BroodSize)) + (1 | Nest)"
FAMILIES: Mapping[str, Case] = {
    "family_owls": Case(
        "single",
        _OWLS.format("log"),
        _shipped("owls"),
        peers=BAMBI,
        note=_NOTE,
        family="zero_inflated_poisson",
        more=("zi ~ FoodTreatment",),
        written={"bambi": f"{_OWLS.format('np.log')}; psi ~ FoodTreatment"},
        priors=_SHARED | {"zi": {"Intercept": _WIDE, "fixef": _WIDE}},
        bambi_priors=_bambi("Nest", _of_zeros),
    ),
    "family_wine": Case(
        "single",
        "rating ~ temp + contact + (1 | judge)",
        _shipped("wine"),
        peers=BAMBI,
        note="the same priors, but for bambi's thresholds, whose means are -2 to 2",
        family="cumulative",
        priors={k: p for k, p in _SHARED.items() if k != "Intercept"} | {"thresholds": _WIDE},
        bambi_priors=_bambi("judge", _of_thresholds, None),
    ),
    "family_kidney": Case(
        "single",
        "time | cens(censored) ~ age + sex + (1 | patient)",
        _kidney,
        peers=BAMBI,
        note=_NOTE,
        family="weibull",
        written={"bambi": "censored(time, status) ~ age + sex + (1 | patient)"},
        priors=_SHARED | {"Intercept": mb.Normal(4, 2.5), "shape": mb.Gamma(2, 1)},
        bambi_priors=_bambi(
            "patient", lambda bambi: {"alpha": bambi.Prior("Gamma", alpha=2, beta=1)}, 4.0
        ),
    ),
    "family_cbpp": Case(
        "single",
        "incidence | trials(size) ~ period + (1 | herd)",
        _shipped("cbpp"),
        peers=BAMBI,
        note=_NOTE,
        family="beta_binomial",
        written={"bambi": "p(incidence, size) ~ period + (1 | herd)"},
        priors=_SHARED | {"phi": mb.Gamma(2, 0.1)},
        bambi_priors=_bambi(
            "herd", lambda bambi: {"kappa": bambi.Prior("Gamma", alpha=2, beta=0.1)}
        ),
    ),
}


def many_smooths(rows: int) -> pd.DataFrame:
    """y of ten curves, sines of one to two and a half turns, each with a variable of its own."""
    rng = np.random.default_rng(rows)
    x = {f"x{k}": rng.uniform(size=rows).round(3) for k in range(10)}
    y = rng.normal(0, 1, rows)
    for k, v in enumerate(x.values()):
        y += np.sin((1 + k / 6) * 2 * np.pi * v) / (1 + k / 3)
    return pd.DataFrame({"y": y, **x})


def flock(animals: int) -> pd.DataFrame:
    """A row for each animal: a tenth are founders, the others have two parents before them.

    y = 1 + 0.5 x + a + e, a of variance 0.5 by the pedigree, e of variance 0.5. 0: unknown.
    """
    rng = np.random.default_rng(animals)
    parents, a = np.zeros((animals, 2), int), rng.normal(0, 0.5**0.5, animals)
    for i in range(animals // 10, animals):
        parents[i] = 1 + rng.choice(min(i, animals // 2), 2, replace=False)
        a[i] = a[parents[i] - 1].mean() + rng.normal(0, 0.5)  # half of the variance is new
    x = rng.normal(size=animals)
    y = 1 + 0.5 * x + a + rng.normal(0, 0.5**0.5, animals)
    own = np.arange(1, animals + 1)
    return pd.DataFrame(
        {"y": y, "x": x, "animal": own, "sire": parents[:, 0], "dam": parents[:, 1]}
    )


def kin(animals: int) -> dict[str, Any]:
    """Their pedigree."""
    return {"known": {"Q": mb.pedigree(flock(animals), id="animal")}}


def series(times: int) -> pd.DataFrame:
    """Two sites at the same irregular times, effects of sd 1.2 and range 8, residuals of sd 0.7."""
    rng = np.random.default_rng(times)
    time = np.sort(rng.uniform(0, times / 4, times))
    r = np.exp(-np.diff(time) / 8.0)
    u = rng.normal(size=(times, 2))
    for k in range(1, times):
        u[k] = r[k - 1] * u[k - 1] + np.sqrt(1 - r[k - 1] ** 2) * u[k]
    x, e = rng.normal(size=2 * times), rng.normal(0, 0.7, 2 * times)
    site = np.tile(["a", "b"], times)
    y = 3 + 0.5 * x + 1.2 * u.ravel() + e
    return pd.DataFrame({"y": y, "x": x, "time": np.repeat(time, 2), "site": site})


def mares() -> pd.DataFrame:
    """ovary with the day of each row within its mare, and nlme's two waves."""
    data = mb.load_data("ovary")
    turn = 2 * np.pi * data["Time"]
    day = data.groupby("Mare", observed=True).cumcount()
    return data.assign(day=day, rise=np.sin(turn), fall=np.cos(turn))


def trial(patients: int) -> pd.DataFrame:
    """Two arms, 8 visits; residuals of sd 2 to 3.4, correlated 0.7 to 0.3 by distance."""
    rng = np.random.default_rng(patients)
    visits = np.arange(8)
    sd, cor = 2 + 0.2 * visits, 0.7 - 0.4 * np.abs(visits[:, None] - visits) / 7
    np.fill_diagonal(cor, 1)
    e = rng.multivariate_normal(np.zeros(8), cor * np.outer(sd, sd), patients)
    arm = np.arange(patients) % 2
    y = 20 - 0.5 * visits - 0.4 * visits * arm[:, None] + e
    return pd.DataFrame(
        {
            "y": y.ravel(),
            "patient": np.repeat([f"p{k:04d}" for k in range(patients)], 8),
            "visit": np.tile([f"{v + 1}" for v in visits], patients),
            "arm": np.repeat(np.where(arm == 1, "drug", "control"), 8),
        }
    )


def _of_term(kind: str, formula: str, make: Callable[[], pd.DataFrame], **more: Any) -> Case:
    return Case(kind, formula, make, script=("terms.R", kind), **more)


_CURVES = "y ~ " + " + ".join(f"s(x{k}, k=10)" for k in range(10))
_KIN = "y ~ x + (1 | gr(animal, precision=Q))"
_SERIES = "y ~ x + ou(time | site)"
TERMS: Mapping[str, Case] = {
    "term_mcycle": _of_term(
        "mcycle", "accel ~ s(times, k=20)", _shipped("mcycle"), peers=("mgcv", "brms")
    ),
    "term_smooths_500": _of_term(
        "smooths", _CURVES, partial(many_smooths, 500), peers=("mgcv", "brms"), iterations=400
    ),
    "term_smooths_10k": _of_term(
        "smooths", _CURVES, partial(many_smooths, 10_000), peers=("mgcv", "brms"), iterations=100
    ),
    "term_ovary": _of_term(
        "ovary", "follicles ~ rise + fall + (1 | Mare)", mares, peers=("nlme", "brms"),
        arguments=lambda: {"residual": "ar1(day | Mare)"}, iterations=1000,
    ),
    "term_mmrm_200": _of_term(
        "mmrm", "y ~ visit * arm", partial(trial, 200), peers=("nlme", "brms"),
        arguments=lambda: {"residual": "unstr(visit | patient)"}, iterations=400,
    ),
    "term_pedigree_300": _of_term(
        "pedigree", _KIN, partial(flock, 300), peers=("brms",), arguments=partial(kin, 300),
        iterations=300,
    ),
    "term_pedigree_2k": _of_term(
        "pedigree", _KIN, partial(flock, 2_000), peers=("brms",), arguments=partial(kin, 2_000),
        settings={"draws": 500}, iterations=100,
    ),
    "term_pedigree_5k": _of_term(
        "pedigree", _KIN, partial(flock, 5_000), peers=("brms",), arguments=partial(kin, 5_000),
        settings={"draws": 500}, iterations=40,
    ),
    "term_series_400": _of_term("series", _SERIES, partial(series, 400)),
    "term_series_2k": _of_term("series", _SERIES, partial(series, 2_000)),
}  # fmt: skip

SHORT = {"draws": 200, "tune": 100}  # some 600 effective draws

CASES: Mapping[str, Case] = {
    "sleepstudy": Case(
        "vector-valued",
        "Reaction ~ Days + (Days | Subject)",
        _shipped("sleepstudy"),
        peers=ALL,
        note="bambi's effects are uncorrelated: it has no correlated ones",
    ),
    "gpa": Case("single", "gpa ~ occasion + (1 | student)", _shipped("gpa"), peers=ALL),
    "penicillin": Case(
        "crossed", "diameter ~ 1 + (1 | plate) + (1 | sample)", _shipped("penicillin"), peers=ALL
    ),
    "pastes": Case("nested", "strength ~ 1 + (1 | batch/cask)", _shipped("pastes"), peers=ALL),
    "machines": Case(
        "vector-valued",
        "score ~ Machine + (Machine | Worker)",
        _shipped("machines"),
        peers=ALL,
        note="bambi's effects are uncorrelated: it has no correlated ones",
    ),
    "glmm_cbpp": Case(
        "single",
        "incidence | trials(size) ~ period + (1 | herd)",
        _shipped("cbpp"),
        peers=GLMM,
        family="binomial",
        written={
            "bambi": "p(incidence, size) ~ period + (1 | herd)",
            "lme4": CBPP,
            "glmmTMB": CBPP,
            "rstanarm": CBPP,
        },
    ),
    "glmm_grouseticks": Case(
        "nested",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        _shipped("grouseticks"),
        peers=GLMM,
        family="poisson",
    ),
    "glmm_verbagg": Case(
        "crossed",
        "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        _shipped("verbagg"),
        peers=GLMM,
        family="bernoulli",
        written={"bambi": "r2['Y'] ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)"},
    ),
    **{
        f"glmm_{family}_{shape}_{levels}": _sized(family, shape, levels)
        for family in ("poisson", "bernoulli", "negative_binomial")
        for shape in ("slopes", "intercepts", "nested", "crossed")
        for levels in (100, 1_000, 10_000, 100_000)
    },
    "insteval": Case(
        "crossed",
        "y ~ service + (1 | s) + (1 | d) + (1 | dept)",
        _shipped("insteval"),
        {"draws": 200, "tune": 30},
        peers=FEW,
    ),
    "slopes_10k_rows": Case("vector-valued", SLOPES, partial(slopes, 1_000, 10), peers=FEW),
    "slopes_10m_rows": Case("vector-valued", SLOPES, partial(slopes, 1_000, 10_000)),
    "slopes_10k_groups": Case("vector-valued", SLOPES, partial(slopes, 10_000, 5), peers=FEW),
    "slopes_100k_groups": Case("vector-valued", SLOPES, partial(slopes, 100_000, 5)),
    "slopes_1m_groups": Case("vector-valued", SLOPES, partial(slopes, 1_000_000, 5), SHORT),
    "nested_1k": Case("nested", NESTED, partial(nested, 50, 20, 3), peers=FEW),
    "nested_10k": Case("nested", NESTED, partial(nested, 500, 20, 3), peers=FEW),
    "nested_100k": Case("nested", NESTED, partial(nested, 5_000, 20, 3), SHORT),
    "crossed_200": Case("crossed", CROSSED, partial(crossed, 1_000, 200, 10_000), peers=FEW),
    "crossed_1k": Case(
        "crossed", CROSSED, partial(crossed, 5_000, 1_000, 50_000), SHORT, peers=FEW
    ),
    **FAMILIES,
    **TERMS,
}
