"""Every term, function and wrapper of formulas, each with an example that is made into a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import mixedbayes as mb
from mixedbayes.design.functions import REGISTERED


@dataclass(frozen=True)
class Entry:
    """A piece of a formula, what it means, and a model that has it."""

    term: str
    words: str
    formula: Any
    data: str = "sleepstudy"
    more: dict[str, Any] = field(default_factory=dict)

    def model(self) -> Any:
        """The model of the example; an example that is none stops the build."""
        arguments = {
            key: {"A": relation()} if key == "known" else value for key, value in self.more.items()
        }
        return mb.Model(self.formula, frame(self.data), **arguments)

    def row(self) -> str:
        """A line of the table."""
        said = repr(self.formula).replace("'", '"') if isinstance(self.formula, list) else None
        code = said or f'"{self.formula}"'
        if self.formula != (text := str(self.formula)) and not said:
            code = text
        for key, value in self.more.items():
            shown = '{"A": A}' if key == "known" else f'"{value}"'
            code += f", {key}={shown}"
        cells = (_code(self.term), self.words, _code(code), self.data)
        return f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |"


def _code(term: str) -> str:
    """As code; in double backticks what has some itself."""
    return ", ".join(f"`` {t} ``" if "`" in t else f"`{t}`" for t in term.split(" ; "))


E = Entry
POPULATION = (
    E("x", "a column: a slope of numbers, one coefficient for each level but the first of text "
      "and categories", "Reaction ~ Days + (1 | Subject)"),
    E("1 ; 0 ; -1", "the intercept, which is there by itself; without it `0 +` or `- 1`",
      "score ~ 0 + Machine + (1 | Worker)", "machines"),
    E("a + b", "both", "gpa ~ occasion + sex + (1 | student)", "gpa"),
    E("a:b", "the product alone", "gpa ~ occasion + occasion:sex + (1 | student)", "gpa"),
    E("a*b", "`a + b + a:b`", "gpa ~ occasion * sex + (1 | student)", "gpa"),
    E("a/b", "`a + a:b`", "gpa ~ sex / occasion + (1 | student)", "gpa"),
    E("(a + b)**2", "all of them and their products of two",
      "gpa ~ (occasion + sex + job)**2 + (1 | student)", "gpa"),
    E("a*b - a:b", "without one term", "gpa ~ occasion * sex - sex + (1 | student)", "gpa"),
    E("I(x**2)", "arithmetic: `+`, `*`, `**` are those of numbers inside",
      "Reaction ~ Days + I(Days**2) + (1 | Subject)"),
    E("I(x > 0)", "a comparison: 1 where it holds", "Reaction ~ I(Days > 4) + (1 | Subject)"),
    E("`odd name`", "a column whose name is no word, in backticks", "y ~ `odd name` + (1 | g)",
      "small"),
    E("offset(z)", "a term whose coefficient is 1",
      "SiblingNegotiation ~ FoodTreatment + offset(log(BroodSize)) + (1 | Nest)", "owls",
      {"family": "poisson"}),
)  # fmt: skip
FUNCTIONS = (
    E("center(x)", "x less its mean in the data of the fit, the same for new rows",
      "Reaction ~ center(Days) + (1 | Subject)"),
    E("scale(x)", "(x - mean) / sd, both of the data of the fit",
      "Reaction ~ scale(Days) + (1 | Subject)"),
    E("round(x)", "rounded to whole numbers; `round(x, 1)` to one digit",
      "y ~ round(x, 1) + (1 | g)", "small"),
    E("poly(x, 2)", "orthogonal polynomials, as R's `poly`",
      "Reaction ~ poly(Days, 2) + (1 | Subject)"),
    E("bs(x, df=4)", "B-splines of a fixed number of functions",
      "Reaction ~ bs(Days, df=4) + (1 | Subject)"),
    E("cr(x, df=4)", "natural cubic regression splines of a fixed number",
      "Reaction ~ cr(Days, df=4) + (1 | Subject)"),
    E("cc(x, df=4)", "cyclic cubic splines of a fixed number: both ends meet",
      "follicles ~ cc(Time, df=4) + (1 | Mare)", "ovary"),
    E("C(f)", "a factor, also of numbers", "Reaction ~ C(Days) + (1 | Subject)"),
    E("C(f, levels=[...])", "its levels in this order, the reference first",
      "score ~ C(Machine, levels=['C', 'A', 'B']) + (1 | Worker)", "machines"),
    E("C(f, contr.treatment)", "differences from a reference level, by name",
      "score ~ C(Machine, contr.treatment('B')) + (1 | Worker)", "machines"),
    E("C(f, contr.sum)", "differences from the mean of all levels",
      "score ~ C(Machine, contr.sum) + (1 | Worker)", "machines"),
    E("C(f, contr.helmert)", "differences of each level from the mean of those before it",
      "score ~ C(Machine, contr.helmert) + (1 | Worker)", "machines"),
    E("C(f, contr.poly)", "linear, quadratic, ... trends over ordered levels",
      "angle ~ C(temperature, contr.poly) + (1 | replicate)", "cake"),
    E("C(f, contr.diff)", "differences of each level from the one before it",
      "angle ~ C(temperature, contr.diff) + (1 | replicate)", "cake"),
    E("C(f, contr.SAS)", "differences from the last level",
      "score ~ C(Machine, contr.SAS) + (1 | Worker)", "machines"),
    E("mo(f)", "a monotonic effect of an ordered factor: its average step, and the share of each "
      "step", "angle ~ mo(temperature) + (1 | replicate)", "cake"),
    E("pi", "the number", "follicles ~ sin(2*pi*Time) + cos(2*pi*Time) + (1 | Mare)", "ovary"),
)  # fmt: skip
BARS = (
    E("(1 | g)", "an intercept of each level of g", "Reaction ~ Days + (1 | Subject)"),
    E("(x | g)", "an intercept and a slope of each level, correlated",
      "Reaction ~ Days + (Days | Subject)"),
    E("(x || g)", "the same without correlations", "Reaction ~ Days + (Days || Subject)"),
    E("(0 + x | g)", "slopes alone", "Reaction ~ Days + (0 + Days | Subject)"),
    E("(f | g)", "of a factor: an effect of each of its levels in each group",
      "score ~ Machine + (Machine | Worker)", "machines"),
    E("(1 | a) + (1 | b)", "two factors, crossed or not",
      "diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin"),
    E("(1 | a/b)", "b within a: `(1 | a) + (1 | a:b)`", "strength ~ 1 + (1 | batch/cask)",
      "pastes"),
    E("(1 | a:b)", "each combination is a level", "strength ~ 1 + (1 | batch:cask)", "pastes"),
    E("(x | id | g)", "effects of several formulas, or responses, that are correlated by an id",
      ["Reaction ~ Days + (Days | p | Subject)", "sigma ~ (1 | p | Subject)"]),
    E("(1 | mm(a, b))", "a row belongs to several levels, with equal weights",
      "y ~ x + (1 | mm(school1, school2, school3))", "sim_multimember"),
    E("(1 | mm(a, b, weights=(u, v)))", "with weights of columns",
      "y ~ x + (1 | mm(school1, school2, school3, weights=(w1, w2, w3)))", "sim_multimember"),
    E("(1 | gr(g, cov=A))", "levels related by a known matrix, `known={\"A\": A}`; "
      "`precision=Q` takes its inverse", "y ~ x + (1 | gr(g, cov=A))", "small", {"known": "A"}),
    E("(1 | gr(g, precision=Q))", "the same by its inverse, of `mb.pedigree`, `mb.car`, `mb.icar`",
      "y ~ x + (1 | gr(g, precision=A))", "small", {"known": "A"}),
    E("(x | gr(g, by=arm))", "sds and correlations of their own in each arm",
      "PCV ~ time * breed + (time | gr(animal_id, by=breed))", "ex33"),
    E("(x | gr(g, law=\"student\"))", "effects with heavier tails, sampled by PyMC",
      "Reaction ~ Days + (1 | gr(Subject, law='student'))"),
)  # fmt: skip
STRUCTURES = (
    E("us(visit | g)", "a sd of each visit, all correlations free",
      "Reaction ~ Days + us(stage | Subject)", "stages"),
    E("diag(visit | g)", "a sd of each visit, no correlations",
      "Reaction ~ Days + diag(stage | Subject)", "stages"),
    E("cs(visit | g)", "a sd of each visit, one correlation",
      "Reaction ~ Days + cs(stage | Subject)", "stages"),
    E("homcs(visit | g)", "one sd, one correlation", "Reaction ~ Days + homcs(stage | Subject)",
      "stages"),
    E("ar1(visit | g)", "one sd, the correlation rho^k of visits k apart",
      "Reaction ~ Days + ar1(stage | Subject)", "stages"),
    E("hetar1(visit | g)", "the same with a sd of each visit",
      "Reaction ~ Days + hetar1(stage | Subject)", "stages"),
    E("ou(time | g)", "correlations that fall with the distance in time, exp(-distance / scale)",
      "Reaction ~ Days + ou(Days | Subject)"),
    E("toep(visit | g)", "a sd of each visit, a correlation for each distance",
      "Reaction ~ Days + toep(stage | Subject)", "stages"),
    E("homtoep(visit | g)", "one sd, a correlation for each distance",
      "Reaction ~ Days + homtoep(stage | Subject)", "stages"),
)  # fmt: skip
SMOOTHS = (
    E("s(x)", "a curve whose wiggliness is estimated, by thin-plate splines",
      "accel ~ s(times)", "mcycle"),
    E("s(x, k=20)", "with up to 20 functions", "accel ~ s(times, k=20)", "mcycle"),
    E("s(x, bs=\"tp\")", "thin plates, the default", "accel ~ s(times, bs='tp')", "mcycle"),
    E("s(x, bs=\"cr\")", "a cubic regression spline", "accel ~ s(times, bs='cr')", "mcycle"),
    E("s(x, bs=\"cc\")", "cyclic: both ends meet", "follicles ~ s(Time, bs='cc') + (1 | Mare)",
      "ovary"),
    E("s(x, bs=\"ps\")", "a P-spline", "accel ~ s(times, bs='ps')", "mcycle"),
    E("s(x, by=f)", "a curve of each level of a factor; of numbers, they multiply it",
      "PCV ~ breed + s(time, k=5, by=breed) + (1 | animal_id)", "ex33"),
    E("s(x, g, bs=\"fs\")", "a curve of each level of a grouping factor, shrunk together",
      "Reaction ~ Days + s(Days, Subject, bs='fs', k=4)"),
    E("s(a, b)", "a surface by thin plates", "y ~ s(x, z, k=10)", "small"),
    E("t2(a, b)", "a surface of variables in units of their own", "y ~ t2(x, z, k=4)", "small"),
)  # fmt: skip
RESPONSE = (
    E("log(y)", "a response is transformed like a column", "log(Reaction) ~ Days + (1 | Subject)"),
    E("y | trials(n)", "y successes of n", "incidence | trials(size) ~ period + (1 | herd)",
      "cbpp", {"family": "binomial"}),
    E("y | rate(t)", "counts of an exposure t: the mean is that of one unit of it",
      "SiblingNegotiation | rate(BroodSize) ~ FoodTreatment + (1 | Nest)", "owls",
      {"family": "poisson"}),
    E("y | weights(w)", "weights: of a Gaussian row's variance, sigma^2 / w; of others, how often "
      "a row counts", "y | weights(w) ~ x + (1 | g)", "small"),
    E("y | se(s)", "known standard errors: a meta-analysis", "y | se(sigma) ~ 1 + (1 | school)",
      "eight_schools"),
    E("y | se(s, sigma=True)", "and a residual beside them", "y | se(s, sigma=True) ~ x + (1 | g)",
      "small"),
    E("y | cens(c)", "censored where c is 1 (right) or -1 (left), seen where it is 0; "
      "`cens(c, upper)` for intervals",
      "time | cens(censored) ~ age + sex + (1 | patient)", "kidney", {"family": "weibull"}),
    E("y | trunc(lower, upper)", "rows outside were never seen", "y | trunc(0, 30) ~ x + (1 | g)",
      "small"),
    E("y | mi()", "rows without a response stay, and `missing()` predicts them",
      "gap | mi() ~ x + (1 | g)", "small"),
    E("mv(a, b)", "several responses, with correlated residuals",
      "mv(y, other) ~ x + (1 | p | g)", "small"),
    E("cbind(a, b, c)", "counts of categories in columns", "cbind(a, b, c) ~ x + (1 | g)", "small",
      {"family": "multinomial"}),
    E("cs(x)", "of sratio, cratio and acat: an effect of x on each threshold",
      "rating ~ cs(temp) + (1 | judge)", "wine", {"family": "acat"}),
)  # fmt: skip
RESIDUALS = (
    E("ar1(visit | g)", "correlation rho^k of visits k apart", "Reaction ~ Days + (1 | Subject)",
      "sleepstudy", {"residual": "ar1(Days | Subject)"}),
    E("arma11(visit | g)", "with a moving average", "Reaction ~ Days", "sleepstudy",
      {"residual": "arma11(Days | Subject)"}),
    E("ou(time | g)", "of times in continuous distance", "Reaction ~ Days", "sleepstudy",
      {"residual": "ou(Days | Subject)"}),
    E("cosy(g)", "one correlation in each group", "Reaction ~ Days", "sleepstudy",
      {"residual": "cosy(Subject)"}),
    E("toep(visit | g)", "a sd of each visit, a correlation for each distance", "Reaction ~ night",
      "three", {"residual": "toep(night | Subject)"}),
    E("unstr(visit | g)", "all sds and correlations free: the MMRM", "Reaction ~ night", "three",
      {"residual": "unstr(night | Subject)"}),
    E("unstr(visit | g, by=arm)", "of their own in each arm", "Reaction ~ night * arm", "three",
      {"residual": "unstr(night | Subject, by=arm)"}),
    E("cs(visit | g) ; hetar1 ; homtoep", "the other structures of the table above", "Reaction ~ "
      "night", "three", {"residual": "cs(night | Subject)"}),
)  # fmt: skip
TABLES = {
    "population": POPULATION, "functions": FUNCTIONS, "bars": BARS, "structures": STRUCTURES,
    "smooths": SMOOTHS, "response": RESPONSE, "residuals": RESIDUALS,
}  # fmt: skip
_ONE = (("x",), ("z",), ("k",))
_TWO = (("x", "z"), ("k", "j"), ("x", "j"))


@cache
def frame(name: str) -> pd.DataFrame:
    """A shipped data set; or "small", with columns of every kind, sleepstudy in "stages" of nights,
    or "three" of its nights."""
    if name == "small":
        return _small()
    if name == "three":
        data = mb.load_data("sleepstudy")
        data = data[data["Days"].isin([0, 4, 8])].copy()
        names = pd.Index(["first", "fifth", "ninth"])
        data["night"] = pd.Categorical(names[data["Days"] // 4], names, ordered=True)
        data["arm"] = np.where(data["Subject"].cat.codes % 2, "a", "b")
        return data
    if name == "stages":
        data = mb.load_data("sleepstudy")
        names = pd.Index(["early", "middle", "late"])
        data["stage"] = pd.Categorical(names[data["Days"] // 4], names, ordered=True)
        return data
    return mb.load_data(name)


def _small() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n, g = 60, np.repeat(list("abcdef"), 10)
    x, z = rng.uniform(0.1, 0.9, n), rng.uniform(1.1, 3, n)
    y = 5 + 2 * x + np.repeat(rng.normal(size=6), 10) + rng.normal(size=n)
    a, b, c = rng.multinomial(9, [0.5, 0.3, 0.2], n).T
    columns = {
        "y": y, "other": y + rng.normal(size=n), "x": x, "z": z, "odd name": rng.normal(size=n),
        "k": rng.integers(1, 9, n), "j": rng.integers(1, 9, n), "w": rng.uniform(1, 2, n),
        "s": rng.uniform(0.5, 1, n), "gap": np.where(np.arange(n) % 9 == 4, np.nan, y),
        "a": a, "b": b, "c": c, "g": g,
    }  # fmt: skip
    return pd.DataFrame(columns)


def relation() -> pd.DataFrame:
    """Covariances of the six levels of `small`: neighbours have 0.5."""
    distance = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    names = list("abcdef")
    return pd.DataFrame(0.5**distance, index=names, columns=names)


def table(name: str) -> str:
    """The table of one kind of pieces; each example is made into a model."""
    lines = ["| term | what it is | an example | data |", "|---|---|---|---|"]
    for entry in TABLES[name]:
        entry.model()
        lines.append(entry.row())
    return "\n".join(lines) + "\n"


def elementwise() -> str:
    """NumPy's functions that columns of numbers can be given to, and what each is."""
    lines = ["| function | what it is | an example |", "|---|---|---|"]
    for name, function in sorted(REGISTERED.items()):
        if isinstance(function, np.ufunc) and (call := running(name, function)):
            lines.append(f"| `{name}` | {_first_line(function)} | `y ~ {call} + (1 \\| g)` |")
    return "\n".join(lines) + "\n"


def running(name: str, function: np.ufunc) -> str | None:
    """A call of it that makes a column of `small`; None where it takes no columns of numbers."""
    for arguments in _ONE if function.nin == 1 else _TWO:
        call = f"{name}({', '.join(arguments)})"
        try:
            mb.Model(f"y ~ {call} + (1 | g)", frame("small"))
        except mb.DataError:
            continue
        return call
    return None


def _first_line(function: np.ufunc) -> str:
    lines = [line.strip() for line in (function.__doc__ or "").splitlines()]
    text = next((x for x in lines if x and "(" not in x.split(" ")[0]), "")
    return text.replace("|", "\\|").replace("*", "\\*").replace("``", "`").rstrip(".")
