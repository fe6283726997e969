"""The paragraphs of a methods section, with their references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mixedbayes.errors import ModelError
from mixedbayes.printable import escaped, in_one_line, printable
from mixedbayes.publish.account import paragraphs
from mixedbayes.publish.formats import latex, markdown
from mixedbayes.publish.pieces import Cite, Code, Piece
from mixedbayes.publish.references import REFERENCES, Reference
from mixedbayes.report.equations import model_equations
from mixedbayes.report.mathml import mathml
from mixedbayes.results.posterior import Posterior

Format = Literal["text", "markdown", "latex", "html"]


class Prose(str):
    """A text that shows itself as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return printable(str(self))


@dataclass(frozen=True)
class Writer:
    """How a format writes the parts of a text."""

    plain: Callable[[str], str]
    code: Callable[[str], str]
    equation: Callable[[str], str] | None  # of LaTeX
    paragraph: str
    reference: str
    list: str


def _code(text: str) -> str:
    """In backticks, of which there are more than in the text."""
    ticks = "`"
    while ticks in text:
        ticks += "`"
    return f"{ticks} {text} {ticks}" if "`" in text else f"{ticks}{text}{ticks}"


WRITERS = {
    "text": Writer(in_one_line, in_one_line, None, "{}\n\n", "{}\n", "References\n\n{}"),
    "markdown": Writer(
        markdown.escape,
        lambda text: _code(in_one_line(text)),
        lambda equation: f"$$\n{equation}\n$$",
        "{}\n\n",
        "- {}\n",
        "**References**\n\n{}",
    ),
    "latex": Writer(
        latex.escape,
        lambda text: rf"\texttt{{{latex.escape(text)}}}",
        lambda equation: f"\\[\n{latex.in_math(equation)}\n\\]",
        "{}\n\n",
        "\\item {}\n",
        "\\paragraph{{References}}\n\\begin{{itemize}}\n{}\\end{{itemize}}\n",
    ),
    "html": Writer(
        lambda text: escaped(in_one_line(text)),
        lambda text: f"<code>{escaped(in_one_line(text))}</code>",
        mathml,
        "<p>{}</p>\n",
        "<li>{}</li>\n",
        "<h3>References</h3>\n<ul>\n{}</ul>\n",
    ),
}


def methods(post: Posterior, format: Format = "text", *, references: bool = True) -> Prose:
    """The paragraphs of a methods section: model, data, priors, sampling, convergence, software.

    Every number and name is read from the fit, and a fit that was saved says the same when it is
    loaded: formula, likelihood and link; what varies over which levels, how many they are and how
    many rows they have; every prior, and which were the user's own; chains, draws, tuning and seed,
    and what was sampled in which form; the largest R-hat, the smallest effective sample sizes,
    divergences, and checks that were not passed; the versions that the draws were made with. Papers
    are cited for what the fit used. Edit it as any text of your own; the tables of `table` go with
    it.

    Parameters
    ----------
    post
        The posterior.
    format
        "text", "markdown", "latex" or "html". All but text have the model's equations as well.
    references
        Whether the list of references, with DOIs, stands at the end.

    Returns
    -------
    The text, a `str` that prints itself.

    Raises
    ------
    ModelError
        `format` is another.

    See Also
    --------
    table : The numbers.
    report : A page with both.
    code : The model for other packages.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> text = fit.methods(references=False)
    >>> print(text[:170])
    Reaction was modelled by a Bayesian linear mixed model with a Gaussian likelihood and identity
    link. In the notation of lme4 (Bates et al. 2015) the formula is Reaction ~
    >>> from pathlib import Path
    >>> written = Path("methods.md").write_text(fit.methods("markdown"))

    References
    ----------
    Aczel et al. (2020), doi:10.1038/s41562-019-0807-z, and Kruschke (2021),
    doi:10.1038/s41562-021-01177-7, on what reports of Bayesian analyses should have.
    """
    if format not in WRITERS:
        known = ", ".join(f'"{name}"' for name in WRITERS)
        raise ModelError(f"format={format!r}: use one of {known}")
    writer = WRITERS[format]
    found = paragraphs(post)
    written = ["".join(_piece(piece, writer) for piece in p).strip() for p in found]
    out = [writer.paragraph.format(text) for text in written]
    if writer.equation is not None:
        equation = writer.paragraph.format(writer.equation(model_equations(post.spec)))
        out.insert(1, equation)
    if references:
        keys = dict.fromkeys(k for p in found for x in p if isinstance(x, Cite) for k in x.keys)
        cited = sorted((REFERENCES[k] for k in keys), key=lambda r: (r.authors, r.year))
        items = (writer.reference.format(_listed(r, writer)) for r in cited)
        out.append(writer.list.format("".join(items)))
    return Prose("".join(out).rstrip("\n"))


def _listed(reference: Reference, writer: Writer) -> str:
    return writer.plain(str(reference))


def _piece(piece: Piece, writer: Writer) -> str:
    if isinstance(piece, Code):
        return writer.code(piece.text)
    if isinstance(piece, Cite):
        return writer.plain(f"({'; '.join(REFERENCES[key].short for key in piece.keys)})")
    return writer.plain(piece)
