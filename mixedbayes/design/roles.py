"""What a design needs to know of the family of each of several responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from mixedbayes.design.response import Response
from mixedbayes.formula import Formula


@dataclass(frozen=True, eq=False)
class Role:
    """The family of one response, as its design has it.

    Attributes
    ----------
    parameters
        Those that a formula may name.
    numbers
        Those that have a predictor without a formula as well.
    vector
        Thresholds that take the place of intercepts; empty without such.
    unknown
        Whether its predictors follow from the data.
    expand
        Makes the formulas of all predictors of the ones written, once the response is known.
    knows
        Whether a name is that of one of the predictors which follow from the data.
    """

    parameters: tuple[str, ...]
    numbers: tuple[str, ...]
    vector: str
    unknown: bool
    expand: Callable[[Formula, Response], Formula]
    knows: Callable[[str, Formula, Response], bool]


type Roles = Mapping[str, Role]  # by response


def expanded(
    formulas: Sequence[Formula], lefts: Sequence[Response], roles: Sequence[Role]
) -> list[Formula]:
    """The formulas of all predictors of each response.

    A further formula that more than one response might have is that of those which know its name;
    where none does, the first one says what it has.
    """
    every = list(zip(formulas, lefts, roles, strict=True))
    known = {
        own.text
        for f, left, role in every
        for own in f.others
        if not role.unknown or role.knows(own.of, f, left)
    }
    found, bare = [], set[str]()
    for f, left, role in every:
        mine = [
            own
            for own in f.others
            if not role.unknown
            or role.knows(own.of, f, left)
            or (own.text not in known and own.text not in bare)
        ]
        bare |= {own.text for own in mine}
        found.append(role.expand(replace(f, others=tuple(mine)), left))
    return found
