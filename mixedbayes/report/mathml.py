"""LaTeX as MathML.

Browsers draw MathML themselves, so that a page needs neither a script nor fonts for its equations.
What is not known here is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mixedbayes.errors import ModelError
from mixedbayes.printable import escaped

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
