"""The forms of a model in LaTeX, with the user's names."""

from __future__ import annotations

from mixedbayes import names
from mixedbayes.teach.context import Coefficient, Context, Factor, tex


def aligned(*lines: str) -> str:
    if len(lines) == 1:
        return lines[0].replace("&", "")
    body = " \\\\\n".join(lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def total(parts: list[str]) -> str:
    return " + ".join(parts) if parts else "0"


def times(coefficient: str, term: str) -> str:
    """A coefficient times its column in row i."""
    return coefficient if term == names.INTERCEPT else rf"{coefficient}\,{tex(term)}_i"


class Symbols:
    """Symbols of one model."""

    def __init__(self, c: Context) -> None:
        self.c = c
        self.y = tex(c.design.response)
        offset = " - \\mathrm{offset}_i" if c.design.mu.offset is not None else ""
        self.y_i = f"{self.y}_i{offset}"
        self.noise = r"e_i &\sim \mathcal{N}(0, \sigma^2)"

    def beta(self, place: int | None) -> str:
        if place is None:
            return "0"
        return rf"\beta_{{{tex(self.c.terms[place])}}}"

    def gamma(self, f: Factor, term: str, at: str | None = None) -> str:
        """The deviation of one term in the level of row i, or in level `at`."""
        level = at or f"{f.index}[i]"
        return rf"\gamma^{{{f.tex}}}_{{{tex(term)},\,{level}}}"

    def alpha(self, term: str, at: str | None = None) -> str:
        level = at or f"{self.c.first.index}[i]"
        return rf"\alpha_{{{tex(term)},\,{level}}}"

    def fixed(self, places: list[int]) -> list[str]:
        return [times(self.beta(p), self.c.terms[p]) for p in places]

    def deviations(self, f: Factor) -> list[str]:
        return [times(self.gamma(f, term), term) for term in f.g.terms]

    def of_levels(self) -> list[str]:
        """The coefficients of the first factor's levels times their columns."""
        return [times(self.alpha(k.term), k.term) for k in self.c.coefficients]

    def expected(self, k: Coefficient) -> str:
        """The expectation of a level's coefficient: the population's, and its predictors."""
        by = [rf"{self.beta(p.place)}\,{tex(p.name)}_{self.c.first.index}" for p in k.predictors]
        own = [self.beta(k.place)] if k.place is not None or not by else []
        return total([*own, *by])

    def guided(self) -> list[str]:
        """A line for each coefficient that only predictors of the level make different."""
        j = self.c.first.index
        return [rf"{self.alpha(k.term, j)} &= {self.expected(k)}" for k in self.c.guided]

    def other_deviations(self) -> list[str]:
        return [part for f in self.c.others for part in self.deviations(f)]

    def levels(self, f: Factor) -> str:
        """Law of a factor's effects."""
        effects = self.column([self.gamma(f, term, f.index) for term in f.g.terms])
        zero = self.column(["0"] * len(f.g.terms))
        return rf"{effects} &\sim \mathcal{{N}}\left({zero},\, \Psi_{{{f.tex}}}\right)"

    @staticmethod
    def column(entries: list[str]) -> str:
        if len(entries) == 1:
            return entries[0]
        rows = r" \\ ".join(entries)
        return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"

    def wide(self) -> str:
        """Z as blocks beside each other."""
        return r"\; ".join(rf"Z_{{{f.tex}}}" for f in self.c.factors)


def varying_coefficients(s: Symbols) -> str:
    f = s.c.first
    parts = [*s.of_levels(), *s.fixed(s.c.rest(*s.c.coefficients)), *s.other_deviations(), "e_i"]
    alphas = s.column([s.alpha(term, f.index) for term in f.g.terms])
    means = s.column([s.expected(k) for k in s.c.varying])
    law = rf"{alphas} &\sim \mathcal{{N}}\left({means},\, \Psi_{{{f.tex}}}\right)"
    others = [s.levels(o) for o in s.c.others]
    return aligned(rf"{s.y_i} &= {total(parts)}", law, *s.guided(), *others, s.noise)


def multilevel(s: Symbols) -> str:
    f = s.c.first
    parts = [*s.of_levels(), *s.fixed(s.c.rest(*s.c.coefficients)), *s.other_deviations(), "e_i"]
    second = [
        rf"{s.alpha(k.term, f.index)} &= {s.expected(k)} + {s.gamma(f, k.term, f.index)}"
        for k in s.c.varying
    ]
    return aligned(
        rf"{s.y_i} &= {total(parts)}",
        *second,
        *s.guided(),
        *[s.levels(x) for x in s.c.factors],
        s.noise,
    )


def local_regressions(s: Symbols) -> str:
    f = s.c.first
    j, psi = f.index, rf"\Psi_{{{f.tex}}}^{{-1}}"
    known = rf"\tfrac{{1}}{{\sigma^2}} Z_{j}^\top Z_{j}"
    means = s.column([s.expected(k) for k in s.c.varying])
    if len(s.c.varying) == 1 and s.c.varying[0].predictors:
        means = rf"\left({means}\right)"
    return aligned(
        rf"\hat\alpha_{j} &= \left(Z_{j}^\top Z_{j}\right)^{{+}} Z_{j}^\top y_{j}",
        rf"\mathrm{{E}}[\alpha_{j} \mid y] &= \left({known} + {psi}\right)^{{-1}}"
        rf"\left({known}\,\hat\alpha_{j} + {psi} {means}\right)",
    )


def indicators(s: Symbols) -> str:
    lines = [
        rf"\left(Z^{{{f.tex}}}_{{{tex(term)}}}\right)_{{i{f.index}}} &= "
        + times(rf"\mathbf{{1}}\{{{f.tex}_i = {f.index}\}}", term)
        for f in s.c.factors
        for term in f.g.terms
    ]
    parts = [
        rf"Z^{{{f.tex}}}_{{{tex(term)}}} \gamma^{{{f.tex}}}_{{{tex(term)}}}"
        for f in s.c.factors
        for term in f.g.terms
    ]
    return aligned(
        rf"\mu &= X\beta + {total(parts)}", *lines, r"y &\sim \mathcal{N}(\mu, \sigma^2)"
    )


def clusters(s: Symbols) -> str:
    f, others = s.c.first, s.c.others
    j = f.index
    rest = "".join(rf" + Z^{{{o.tex}}}_{j} \gamma^{{{o.tex}}}" for o in others)
    return aligned(
        rf"\mu_{j} &= X_{j} \beta + Z_{j} \gamma_{j}{rest}",
        rf"y_{j} &\sim \mathcal{{N}}(\mu_{j}, \sigma^2)",
        rf"\gamma_{j} &\sim \mathcal{{N}}(0, \Psi_{{{f.tex}}})",
    )


def general(s: Symbols) -> str:
    blocks = [
        rf"Z_{{{f.tex}}} &= \mathrm{{blockdiag}}(Z_1, \dots, Z_{{{f.g.n_levels}}})"
        for f in s.c.factors
    ]
    psi = r",\, ".join(rf"I_{{{f.g.n_levels}}} \otimes \Psi_{{{f.tex}}}" for f in s.c.factors)
    return aligned(
        r"y &= X\beta + Z\gamma + \varepsilon",
        rf"Z &= [\,{s.wide()}\,]",
        *blocks,
        rf"\gamma &\sim \mathcal{{N}}(0, \Psi), \quad \Psi = \mathrm{{blockdiag}}({psi})",
    )


def error_terms(s: Symbols) -> str:
    parts = [p for f in s.c.factors for p in s.deviations(f)]
    fixed = s.fixed(list(range(len(s.c.terms))))
    pieces = [rf"z_i^\top \Psi_{{{f.tex}}} z_i" for f in s.c.factors]
    return aligned(
        rf"{s.y_i} &= {total(fixed)} + \underbrace{{{total([*parts, 'e_i'])}}}_{{\text{{error}}}}",
        rf"\mathrm{{Var}}(\text{{error}}_i) &= {total(pieces)} + \sigma^2",
        rf"\mathrm{{ICC}} &= \frac{{{total(pieces)}}}{{{total(pieces)} + \sigma^2}}",
    )


def conditional_and_marginal(s: Symbols) -> str:
    return aligned(
        r"y \mid \gamma &\sim \mathcal{N}(X\beta + Z\gamma,\, \sigma^2 I)",
        r"y &\sim \mathcal{N}(X\beta,\, Z\Psi Z^\top + \sigma^2 I)",
        r"p(y) &= \int p(y \mid \gamma)\, p(\gamma)\, d\gamma"
        r" = \frac{p(y \mid \gamma)\, p(\gamma)}{p(\gamma \mid y)}",
    )


def correlated_errors(s: Symbols) -> str:
    pieces = [
        rf"\mathbf{{1}}\{{{f.tex}_i = {f.tex}_k\}}\, z_i^\top \Psi_{{{f.tex}}} z_k"
        for f in s.c.factors
    ]
    return aligned(
        r"y &= X\beta + e, \quad e \sim \mathcal{N}(0, \Sigma)",
        rf"\Sigma_{{ik}} &= {total(pieces)} + \mathbf{{1}}\{{i = k\}}\, \sigma^2",
        r"\Sigma &= Z\Psi Z^\top + \sigma^2 I",
    )


def multivariate_normal(s: Symbols) -> str:
    return aligned(
        r"y &\sim \mathcal{N}(X\beta, \Sigma)",
        r"\log p(y) &= -\tfrac{n}{2}\log 2\pi - \tfrac12 \log|\Sigma|"
        r" - \tfrac12 (y - X\beta)^\top \Sigma^{-1} (y - X\beta)",
    )


def penalised(s: Symbols) -> str:
    return aligned(
        r"(\hat\beta, \hat\gamma) &= \arg\min_{\beta,\gamma}\;"
        r" \tfrac{1}{\sigma^2}\lVert y - X\beta - Z\gamma\rVert^2 + \gamma^\top \Psi^{-1} \gamma",
        r"\hat\beta &= (X^\top\Sigma^{-1}X)^{-1} X^\top\Sigma^{-1} y, \qquad"
        r" \hat\gamma = \Psi Z^\top \Sigma^{-1} (y - X\hat\beta)",
    )


def bayesian(s: Symbols) -> str:
    return aligned(
        r"\beta,\ \Psi,\ \sigma &\sim \text{priors}",
        r"\gamma \mid \Psi &\sim \mathcal{N}(0, \Psi)",
        r"y \mid \beta, \gamma, \sigma &\sim \mathcal{N}(X\beta + Z\gamma,\, \sigma^2 I)",
    )
