"""Formula errors in the manner of a good compiler: the fact, the place, the remedy."""

from typing import NoReturn

from mixedbayes.errors import FormulaError
from mixedbayes.formula.types import Span

_WINDOW = 100


def caret(text: str, span: Span) -> str:
    """The line of `text` that holds `span`, with carets under it.

    A span that runs past its line is marked to the end of the line; an empty one gets one caret.
    """
    start = min(span.start, len(text))
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", first)
    line = text[first : last if last >= 0 else len(text)]
    column = start - first
    width = max(1, min(span.end, first + len(line)) - start)
    if column > _WINDOW:  # keep the place in sight in a very long line
        cut = column - _WINDOW // 2
        line, column = "..." + line[cut:], column - cut + 3
    if len(line) > column + width + _WINDOW:
        line = line[: column + width + _WINDOW // 2] + "..."
    # tabs are kept, so that the caret stands right at any tab width
    blank = "".join(c if c == "\t" else " " for c in line[:column])
    return f"    {line}\n    {blank}{'^' * width}"


def fail(text: str, span: Span, fact: str, remedy: str) -> NoReturn:
    """Raise the FormulaError that shows `fact`, the place in the formula, and the remedy."""
    raise FormulaError(f"{fact}\n{caret(text, span)}\n{remedy}")
