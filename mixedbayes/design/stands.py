"""What a design knows of rows that stand for those of a source."""

from __future__ import annotations

from mixedbayes.design import response
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.standing import Standing
from mixedbayes.design.types import Floats
from mixedbayes.design.used import names_in, walk
from mixedbayes.formula import Formula, parse_expression
from mixedbayes.formula.nodes import Call, Name


def learned(standing: Standing, rows: Rows) -> None:
    """Give the rows' memory what was learned of all rows, for new data to be read alike."""
    rows.memory.states.update({text: dict(state) for text, state in standing.states.items()})
    for text in standing.computed:
        if "\t" in text:  # a product
            continue
        for node in walk(parse_expression(text)):
            names = set(names_in(node)) & rows.table.columns.keys()
            of_levels = names and standing.numbers.isdisjoint(names)
            if (isinstance(node, Name) and names) or (isinstance(node, Call) and of_levels):
                rows.value(node)


def weighing(formula: Formula, rows: Rows) -> Floats:
    """(n,) weights of rows that stand for others.

    Where the rows have the sums of others, the weights by which these are added up. Else the number
    of equal rows, times the weight that each has.
    """
    standing = rows.table.standing
    assert standing is not None
    if standing.moments:
        return standing.counts if standing.weights is None else standing.weights
    own = response.weights(formula, rows)
    return standing.counts if own is None else standing.counts * own
