"""Counts of several categories on the left side: `cbind(a, b, c)`."""

from mixedbayes.formula.nodes import Call, Name
from mixedbayes.formula.parser import parse_expression

COUNTS = ("cbind", "c")  # R's and Bambi's
LEAST = 3  # columns; two are successes out of trials


def count_columns(text: str) -> tuple[str, ...]:
    """Names of the columns that a response joins; none where it is something else."""
    node = parse_expression(text)
    if not isinstance(node, Call) or node.function not in COUNTS or node.keywords:
        return ()
    found = tuple(a.name for a in node.arguments if isinstance(a, Name))
    return found if len(found) == len(node.arguments) >= LEAST else ()
