"""LaTeX, for the package booktabs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from mixedbayes.printable import in_one_line
from mixedbayes.publish.layout import Cell, Layout, Row

_SPECIAL = {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"$\sim$",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\symbol{34}",
    "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}", "-": "-{}",
    "×": r"$\times$", "²": r"$^2$", "³": r"$^3$", "−": r"$-$", "±": r"$\pm$", "·": r"$\cdot$",
    "°": r"$^\circ$", "≤": r"$\le$", "≥": r"$\ge$", "≠": r"$\ne$", "≈": r"$\approx$",
    "→": r"$\to$", "∞": r"$\infty$", "…": r"\dots{}", "–": "--", "—": "---", "\u00a0": "~",
}  # fmt: skip
_SPECIAL |= {c: f"\\{c}" for c in "_#%&${}"}
_LIKE_LATIN = "omicron", "final sigma"
_CAPITALS = [
    "Gamma",
    "Delta",
    "Theta",
    "Lambda",
    "Xi",
    "Pi",
    "Sigma",
    "Upsilon",
    "Phi",
    "Psi",
    "Omega",
]


def _greek() -> Iterator[tuple[str, str]]:
    for code in range(0x391, 0x3CA):
        words = unicodedata.name(chr(code), "").rpartition(" LETTER ")
        name = "lambda" if words[2] == "LAMDA" else words[2].lower()
        if words[0] == "GREEK CAPITAL" and name.capitalize() in _CAPITALS:
            yield chr(code), rf"$\{name.capitalize()}$"
        elif words[0] == "GREEK SMALL" and name not in _LIKE_LATIN:
            yield chr(code), rf"$\{name}$"


_SPECIAL |= dict(_greek())


def escape(text: str) -> str:
    """Text as LaTeX that shows it as it is; letters that pdflatex knows stay."""
    return (
        "".join(_SPECIAL.get(c, c) for c in in_one_line(text))
        .replace("-{} ", "- ")
        .replace("''", "'{}'")
    )


def in_math(equation: str) -> str:
    """An equation whose letters pdflatex knows in mathematics; the document needs amsmath."""
    return "".join(c if c.isascii() else _in_math(c) for c in equation)


def _in_math(letter: str) -> str:
    known = _SPECIAL.get(letter, "")
    return f"{{{known.strip('$')}}}" if known.startswith("$") else rf"\text{{{letter}}}"


def write(table: Layout) -> str:
    """A table environment; the preamble needs ``\\usepackage{booktabs}``."""
    n = len(table.heads)
    span = 2 * n + 1
    names = " & ".join(rf"\multicolumn{{2}}{{c}}{{{escape(h.name)}}}" for h in table.heads)
    rules = "".join(rf"\cmidrule(lr){{{2 * m + 2}-{2 * m + 3}}}" for m in range(n))
    heads = " & ".join(f"{escape(h.estimate)} & {escape(h.interval)}" for h in table.heads)
    notes = " ".join(map(escape, table.notes))
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            *([rf"\caption{{{escape(table.title)}}}"] if table.title else []),
            rf"\begin{{tabular}}{{l{'rl' * n}}}",
            r"\toprule",
            rf" & {names} \\",
            rules,
            rf" & {heads} \\",
            *_sections(table, span),
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip\raggedright\footnotesize {notes}"] if notes else []),
            r"\end{table}",
            "",
        ]
    )


def _sections(table: Layout, span: int) -> Iterator[str]:
    for section in table.sections:
        yield r"\midrule"
        yield rf"\multicolumn{{{span}}}{{l}}{{\textit{{{escape(section.title)}}}}} \\"
        for row in section.rows:
            yield _row(row, span)


def _row(row: Row, span: int) -> str:
    label = r"\quad " * (row.indent + 1) + escape(row.label)
    if not row.cells:
        return rf"\multicolumn{{{span}}}{{l}}{{{label}}} \\"
    return " & ".join([label, *map(_cell, row.cells)]) + r" \\"


def _cell(cell: Cell) -> str:
    return f"{_number(cell.estimate)} & {_number(cell.interval)}"


def _number(text: str) -> str:
    """Numbers and brackets of our own, with a minus that is one."""
    return text.replace("-", "$-$")
