"""What the writers of code share: its lines, names of columns, whether columns are the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mixedbayes.design import own_functions
from mixedbayes.errors import ModelError
from mixedbayes.model.spec import Spec
from mixedbayes.terms.base import need_plain

_BETWEEN = re.compile(r":(?![^\[]*\])")  # colons outside the brackets of levels


def check_writable(spec: Spec, call: str, no_residuals: str = "", *, plain: bool = True) -> None:
    """ModelError where another package has not the model's terms or functions.

    `no_residuals`: what there is in the place of correlated residuals, where it has none. `plain`:
    whether it has grouping factors alone, with independent normal effects.
    """
    if spec.design.residual is not None and no_residuals:
        raise ModelError(
            f"{call} cannot write residuals that are {spec.design.residual.text}: {no_residuals}"
        )
    if plain:
        need_plain((g for p in spec.design.predictors for g in p.groups), call)
    if own := own_functions(spec.design):
        raise ModelError(
            f"{call} cannot write your own function {own[0]}(): make its result a column of the "
            "data, and use that in the formula"
        )


def check_unlimited(spec: Spec, call: str) -> None:
    """ModelError where responses are censored or truncated."""
    if spec.design.limits is not None:
        said = " and ".join(spec.design.formula.response.limits)
        raise ModelError(f"{call} has no {said}: code('brms') has")


def check_columns(spec: Spec, package: str, *, drops: bool = False) -> None:
    """Raise ModelError if columns are left out here that the other package would keep.

    `drops`: it leaves dependent columns of the population part out as well, from the right.
    """
    every = spec.design.predictors
    kept = [] if drops else [name for p in every for name in p.left_out]
    kept += [name for p in every for g in p.factors for name in g.left_out]
    if kept:
        raise ModelError(
            f"{', '.join(kept)} {'is' if len(kept) == 1 else 'are'} left out here, because other "
            f"columns determine {'it' if len(kept) == 1 else 'them'}, and {package} would keep "
            f"{'it' if len(kept) == 1 else 'them'}, with a prior: make the columns that are left "
            "numeric columns of the data, and name these in the formula"
        )


def parts(term: str) -> list[str]:
    """The factors of a column's name: "x" and "f[a:b]" of "x:f[a:b]"."""
    return _BETWEEN.split(term)


def lines(*parts: str | Iterable[str]) -> str:
    """Code from lines and blocks of lines."""
    flat: list[str] = []
    for part in parts:
        flat += [part] if isinstance(part, str) else list(part)
    return "\n".join(flat)


def said(*words: str) -> str:
    """Names as part of a comment: on one line, whatever they hold."""
    return " ".join(", ".join(words).split())
