"""The model of a fit in LaTeX, and as MathML."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from mixedbayes import names
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor, Monotonic
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.interop.writing import parts as parts_of
from mixedbayes.model.spec import Spec
from mixedbayes.printable import escaped
from mixedbayes.results.posterior import Posterior
from mixedbayes.teach.context import INDEX, context, tex
from mixedbayes.teach.equations import Symbols, aligned, times, total
from mixedbayes.teach.run import forms_of

MOST_TERMS = 12  # of one predictor that are written out


def likelihood(design: Design, family: Family) -> str:
    """The distribution of one row's response, with alignment marks."""

    def symbol(name: str) -> str:  # with the row's index where it has a formula of its own
        own = name in (design.mu.parameter, *design.further)
        return family.parameter(name).symbol + ("_i" if own else "")

    y, weighted = rf"{tex(design.response)}_i", design.weights is not None
    return family.latex(y, symbol, weighted=weighted)


def _link(family: Family, inside: str, name: str | None = None) -> str:
    link = family.link.name if name is None else name
    return inside if link == "identity" else rf"\mathrm{{{link}}}({inside})"


def model_equations(spec: Spec) -> str:
    """The whole model: likelihood, predictors, laws of the group effects; `aligned` lines."""
    design, family = spec.design, spec.family
    lines = [likelihood(design, family)]
    if (own := design.residual) is not None:
        arm = rf", \text{{ for each }} {tex(own.by)}" if own.by else ""
        lines.append(
            r"\mathrm{cor}(y_i,\, y_{i'}) &= R_{v[i],\,v[i']} \text{ of rows of one } "
            rf"{tex(own.name)}, \quad R{own.structure.latex}{arm}"
        )
    if limits := design.formula.response.limits:
        lines.append(r"&\quad\text{observed through }" + r"\text{ and }".join(map(tex, limits)))
    first = (
        r"\mu" if design.mu.parameter == names.MU else family.parameter(design.mu.parameter).symbol
    )
    mean = f"{first}_i"
    mean = mean if family.thresholds or family.unordered else _link(family, mean)
    across = frozenset(a.name for a in design.across)
    lines += _predictor(mean, design.mu, first, across)
    for predictor in design.predictors[1:]:
        name = predictor.parameter
        if predictor in design.moving[2:]:  # the same on each threshold
            continue
        symbol = family.parameter(name).symbol
        left = _link(family, rf"{symbol}_i", family.parameter_link(name).name)
        lines += _predictor(left, predictor, symbol, across)
    for a in design.across:
        marks = [_mark(p, "" if p == "mu" else family.parameter(p).symbol) for p, _ in a.members]
        of = [(mark, t) for mark, (_, g) in zip(marks, a.members, strict=True) for t in g.terms]
        lines += _laws(a.effects, of, INDEX[0])
    return aligned(*lines)


def _mark(parameter: str, symbol: str) -> str:
    """What tells a further parameter's effects from those of the mean: a superscript."""
    if names.threshold_of(parameter) is not None:
        return "(k)"
    return "" if parameter == "mu" else rf"({symbol})"


def _predictor(
    left: str, predictor: LinearPredictor, symbol: str, across: Collection[str]
) -> list[str]:
    """Its equation, and the laws of its effects but of those over the factors `across`."""
    m = _mark(predictor.parameter, symbol)
    beta = rf"\beta^{{{m}}}" if m else r"\beta"
    terms = ((names.INTERCEPT,) if predictor.intercept else ()) + predictor.effects
    stepped = {e.name: e for e in predictor.monotonic}
    parts = [
        _stepped(beta, m, stepped[t]) if t in stepped else times(rf"{beta}_{{{tex(t)}}}", t)
        for t in terms
    ]
    if len(parts) > MOST_TERMS:
        left_out = len(parts) - MOST_TERMS
        parts = [*parts[:MOST_TERMS], rf"\dots\text{{ ({left_out} more)}}"]
    if predictor.offset is not None:
        parts.append(r"\mathrm{offset}_i")
    lines: list[str] = []
    for g, j in zip(predictor.factors, INDEX, strict=False):
        if len(g.pieces) > 1:  # the sum over the levels of a row
            inside = (_effect(r"\gamma", m, g, t, f"{j}_k[i]") for t in g.terms)
            sums = (rf"\textstyle\sum_k w_{{ik}} {effect}" for effect in inside)
            parts += [times(summed, t) for summed, t in zip(sums, g.terms, strict=True)]
        else:
            each = g.of_one_arm.terms
            parts += [times(_effect(r"\gamma", m, g, t, f"{j}[i]"), t) for t in each]
        if g.name not in across:
            lines += _laws(g, [(m, t) for t in g.terms], j)
    for effect in predictor.monotonic:
        shares = _shares(m, effect)
        lines.append(
            rf"{shares}_k &\ge 0, \quad k = 1, \dots, {len(effect.steps)}, \quad "
            rf"\textstyle\sum_k {shares}_k = 1"
        )
    for bent in predictor.smooths:
        own = rf"{m}\,{tex(bent.name)}" if m else tex(bent.name)
        parts.append(rf"\textstyle\sum_k Z^{{{own}}}_{{ik}}\, u^{{{own}}}_k")
        law = rf"{bent.law.latex}\left(0,\, \left(\tau^{{{own}}}\right)^2\right)"
        lines.append(rf"u^{{{own}}}_k &\sim {law}, \quad k = 1, \dots, {bent.n_levels}")
    return [rf"{left} &= {total(parts)}", *lines]


def _stepped(beta: str, mark: str, effect: Monotonic) -> str:
    """A monotonic effect in row i: b D sum of the shares of the steps that the row has passed."""
    inside = effect.of.removeprefix("mo(").removesuffix(")")
    passed = rf"\textstyle\sum_{{k \le {tex(inside)}_i}} {_shares(mark, effect)}_k"
    coefficient = rf"{beta}_{{{tex(effect.name)}}}\, {len(effect.steps)} {passed}"
    others = [part for part in parts_of(effect.name) if part != effect.of]
    return times(coefficient, ":".join(others)) if others else coefficient


def _shares(mark: str, effect: Monotonic) -> str:
    own = tex(effect.name)
    return rf"\zeta^{{{mark}\,{own}}}" if mark else rf"\zeta^{{{own}}}"


def _effect(symbol: str, mark: str, g: GroupDesign, term: str, level: str = "") -> str:
    above = rf"{mark}\,{tex(g.name)}" if mark else tex(g.name)
    below = rf"{tex(term)},\,{level}" if level else tex(term)
    return rf"{symbol}^{{{above}}}_{{{below}}}"


def _laws(g: GroupDesign, of: Sequence[tuple[str, str]], j: str) -> Iterator[str]:
    """Laws of a factor's effects, one for each block of correlated ones.

    `of` has the mark of the parameter and the term of each effect.
    """
    for block in g.blocks:
        own, arm, within = [of[k] for k in block], "", ""
        effects = [
            _effect(r"\gamma", mark, g, g.population[k] if g.arms else t, j)
            for k, (mark, t) in zip(block, own, strict=True)
        ]
        if g.arms is not None:
            level = tex(str(g.arms.levels[block[0] // (len(g.terms) // len(g.arms.levels))]))
            arm, within = rf",\,{level}", rf", \quad {tex(g.arms.by)}_{j} = {level}"
        sds = [_effect(r"\tau", mark, g, t) for mark, t in own]
        if g.related_to is not None:
            A = tex(g.related_to.name) + ("^{-1}" if g.related_to.relation.precision else "")
            vectors = [rf"\left({effect}\right)_{j}" for effect in effects]
            if len(own) == 1:
                yield (
                    rf"{vectors[0]} &\sim {g.law.latex}"
                    rf"\left(0,\, \left({sds[0]}\right)^2 {A}\right)"
                )
                continue
            D, R = rf"D_{{{tex(g.name)}}}", rf"R_{{{tex(g.name)}}}"
            yield (
                rf"\left({r',\ '.join(vectors)}\right)^\top &\sim {g.law.latex}"
                rf"\left(0,\, {D} {R} {D} \otimes {A}\right)"
            )
            diagonal = r",\ ".join(sds)
            yield rf"{D} &= \mathrm{{diag}}\left({diagonal}\right), \quad {R}{g.covariance.latex}"
            continue
        if len(own) == 1:
            law = rf"{g.law.latex}\left(0,\, \left({sds[0]}\right)^2\right)"
            yield rf"{effects[0]} &\sim {law}{within}"
            continue
        D, R = rf"D_{{{tex(g.name)}{arm}}}", rf"R_{{{tex(g.name)}{arm}}}"
        column, diagonal = r",\ ".join(effects), r",\ ".join(sds)
        law = rf"{g.law.latex}\left(0,\, {D} {R} {D}\right)"
        yield rf"\left({column}\right)^\top &\sim {law}{within}"
        yield rf"{D} &= \mathrm{{diag}}\left({diagonal}\right), \quad {R}{g.covariance.latex}"


def other_forms(model: Spec | Posterior) -> list[tuple[str, str, str, str]]:
    """(key, title, what it says, equation) of the model's textbook forms.

    ModelError where the model has none, with the reason.
    """
    c = context(model, most_rows=inf)
    symbols = Symbols(c)
    return [(f.key, f.title, f.says, f.equation(symbols)) for f in forms_of(c)]


# ---- LaTeX as MathML ---------------------------------------------------------------------------
# Browsers draw MathML themselves, so that a page needs neither a script nor fonts for its
# equations. What is not known here is refused, never guessed.


_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_&]|[0-9]+(?:\.[0-9]+)?|\s+|.", re.DOTALL)

_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε",
    "zeta": "ζ", "eta": "η", "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ",
    "Omega": "Ω",
}  # fmt: skip
_FUNCTIONS = ("log", "exp", "arg", "Pr")
_LIMITS = ("min", "max")  # what stands below them in a displayed equation
_OPERATORS = {
    "sim": "∼", "mid": "∣", "otimes": "⊗", "int": "∫", "le": "≤", "ge": "≥", "cdot": "⋅",
    "times": "×", "dots": "…", "top": "⊤", "lVert": "‖", "rVert": "‖", "backslash": "\\",
    "wedge": "∧", "tilde": "~", "sum": "∑", "in": "∈", "{": "{", "}": "}",
    "_": "_", "#": "#", "%": "%", "&": "&", "$": "$", "to": "→",
}  # fmt: skip
_TYPED = {"backslash": "\\", "wedge": "^", "sim": "~"}  # in names, as the user typed them
_SPACES = {",": "0.167em", ";": "0.278em", " ": "0.333em", "quad": "1em", "qquad": "2em"}
_FONTS = {"mathcal": "script", "mathbf": "bold"}
_SCRIPT = {"N": "𝒩"}
_FENCES = "()[]|"


def mathml(latex: str) -> str:
    """A displayed equation as a MathML element.

    Parameters
    ----------
    latex
        Without dollar signs: letters, numbers, sub- and superscripts, fractions, `aligned`,
        `pmatrix`, upright and calligraphic letters, accents, and the symbols of statistics.

    Raises
    ------
    ModelError
        If there is a command that is not known here; the message names it.
    """
    parser = _Parser(_TOKEN.findall(latex), latex)
    body = parser.until(lambda token: False)
    return (
        '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block" '
        f'class="equation">{_row(body)}</math>'
    )


def _row(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def _operator(text: str, *, stretchy: bool = False) -> str:
    flag = "" if stretchy or text not in _FENCES + "‖∣" else ' stretchy="false"'
    return f"<mo{flag}>{escaped(text)}</mo>"


def _cell(content: str) -> str:
    """A cell of a table; a relation at its start keeps the space around it."""
    infix = re.sub(r"^(<mrow>)?<mo(?=[ >])", r'\1<mo form="infix"', content)
    return f"<mtd>{infix}</mtd>"


def _upright(text: str) -> str:
    return f'<mi mathvariant="normal">{escaped(text)}</mi>'


@dataclass
class _Parser:
    """A cursor over the tokens of one equation."""

    tokens: list[str]
    latex: str
    at: int = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def fail(self, what: str) -> ModelError:
        return ModelError(f"{what} is not written as MathML here; the equation is {self.latex}")

    def until(self, stop: Callable[[str], bool]) -> list[str]:
        """Elements up to a token that stops, which is left."""
        parts: list[str] = []
        while (token := self.peek()) and not stop(token):
            if token.isspace():
                self.at += 1
            else:
                parts.append(self.scripted())
        return parts

    def scripted(self) -> str:
        """One element with what is below and above it."""
        limits = self.peek().removeprefix("\\") in _LIMITS
        base, below, above = self.element(), "", ""
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                below = self.argument()
            else:
                above = self.argument()
        if below and above:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        if below:
            tag = "munder" if limits or base.startswith("<munder") else "msub"
            return f"<{tag}>{base}{below}</{tag}>"
        return f"<msup>{base}{above}</msup>" if above else base

    def skip_space(self) -> None:
        while self.peek().isspace():
            self.at += 1

    def argument(self) -> str:
        """What a command or a script applies to: a group, or one element; of a number one digit."""
        self.skip_space()
        token = self.peek()
        if token == "{":
            return self.group()
        if token.isdigit() and len(token) > 1:
            self.tokens[self.at : self.at + 1] = list(token)
        return self.element()

    def group(self) -> str:
        self.take()
        parts = self.until(lambda token: token == "}")
        if self.take() != "}":
            raise self.fail("a brace that is not closed")
        return _row(parts)

    def element(self) -> str:
        token = self.peek()
        if token == "{":
            return self.group()
        if token.startswith("\\"):
            return self.command(self.take().removeprefix("\\"))
        self.take()
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{escaped(token)}</mi>"
        if token in "&^_}":
            raise self.fail(f"{token!r} in this place")
        return _operator("−" if token == "-" else token)

    def command(self, name: str) -> str:
        if name in _LETTERS:
            capital = _LETTERS[name].isupper()
            return _upright(_LETTERS[name]) if capital else f"<mi>{_LETTERS[name]}</mi>"
        if name in _FUNCTIONS:
            return f'<mrow><mi>{name}</mi><mspace width="0.167em"></mspace></mrow>'
        if name in _LIMITS:
            return f"<mo>{name}</mo>"
        if name in _OPERATORS:
            return _operator(_OPERATORS[name])
        if name in _SPACES:
            return f'<mspace width="{_SPACES[name]}"></mspace>'
        if name in ("mathrm", "text"):
            return self.words()
        if name == "textstyle":  # sums have their limits beside them
            return ""
        if name in _FONTS:
            return self.font(name)
        if name in ("frac", "tfrac"):
            style = ' displaystyle="false"' if name == "tfrac" else ""
            return f"<mstyle{style}><mfrac>{self.argument()}{self.argument()}</mfrac></mstyle>"
        if name == "hat":
            return f'<mover accent="true">{self.argument()}<mo stretchy="false">^</mo></mover>'
        if name == "underbrace":
            return f"<munder>{self.argument()}<mo>⏟</mo></munder>"
        if name == "left":
            return self.fenced()
        if name == "begin":
            return self.environment()
        raise self.fail(f"\\{name}")

    def words(self) -> str:
        """Upright text: plain characters, all in one identifier."""
        self.skip_space()
        if self.take() != "{":
            raise self.fail("upright text without braces")
        run = ""
        while (token := self.take()) != "}":
            if not token:
                raise self.fail("a brace that is not closed")
            if token == "{" and self.peek() == "}":  # ends a command's name
                self.at += 1
            elif token.startswith("\\"):
                symbol = (_OPERATORS | _TYPED).get(token[1:])
                if symbol is None:
                    raise self.fail(f"{token} in upright text")
                run += symbol
            else:
                run += "\u00a0" if token.isspace() else token
        return _upright(run)

    def font(self, name: str) -> str:
        letter = re.sub(r"<[^>]*>", "", self.argument())
        if name == "mathcal":
            if letter not in _SCRIPT:
                raise self.fail(f"\\mathcal{{{letter}}}")
            return _upright(_SCRIPT[letter])
        bold = "".join(chr(0x1D7CE + int(c)) if c.isdigit() else c for c in letter)
        return _upright(bold)

    def fenced(self) -> str:
        start = self.take()
        parts = self.until(lambda token: token == "\\right")
        if not self.take():
            raise self.fail("\\left without \\right")
        inside = [_operator(start, stretchy=True), *parts, _operator(self.take(), stretchy=True)]
        return f"<mrow>{''.join(inside)}</mrow>"

    def environment(self) -> str:
        kind = re.sub(r"<[^>]*>", "", self.argument())
        if kind not in ("aligned", "pmatrix"):
            raise self.fail(f"the environment {kind}")
        rows: list[list[str]] = [[]]
        while True:
            cell = self.until(lambda token: token in ("&", "\\\\", "\\end"))
            rows[-1].append(_row(cell))
            token = self.take()
            if token == "\\\\":
                rows.append([])
            elif token != "&":
                break
        if token != "\\end" or re.sub(r"<[^>]*>", "", self.argument()) != kind:
            raise self.fail(f"\\begin{{{kind}}} without its \\end")
        cells = "".join(f"<mtr>{''.join(map(_cell, row))}</mtr>" for row in rows)
        if kind == "aligned":
            return f'<mtable class="aligned" displaystyle="true">{cells}</mtable>'
        return f"<mrow><mo>(</mo><mtable>{cells}</mtable><mo>)</mo></mrow>"
