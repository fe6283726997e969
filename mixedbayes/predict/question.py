"""Which question a prediction answers: about which groups, and about what of the response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mixedbayes.design.types import Design, LinearPredictor
from mixedbayes.errors import ModelError

Groups = Literal["auto", "typical", "average", "new"] | Sequence[str]
Kind = Literal["response", "mean", "linear"]
KINDS = ("response", "mean", "linear")
NewLevels = Literal["draw", "error"]
Scale = Literal["model", "original"]

Treatment = Literal["own", "drawn", "integrated"]
_TREATMENTS: dict[str, Treatment] = {"auto": "own", "new": "drawn", "average": "integrated"}


@dataclass(frozen=True)
class Question:
    """The grouping factors that take part, and how; the effects of all others are zero.

    treatment
        "own": levels of the fit have their own effects, others draw theirs from the population;
        "drawn": every level draws its effects from the population;
        "integrated": the effects are integrated over the population, but for the factors in `own`,
        whose levels have their own.
    carries
        Whether residuals that are correlated are given those known of their group.
    """

    factors: tuple[str, ...]
    treatment: Treatment
    kind: Kind
    own: tuple[str, ...] = ()
    carries: bool = False

    def about(self, predictor: LinearPredictor) -> Question:
        """The same question about one predictor, which has some of the factors."""
        has = {g.name for g in predictor.groups}
        factors, own = (tuple(f for f in names if f in has) for names in (self.factors, self.own))
        return replace(self, factors=factors, own=own)

    def reads(self, factor: str) -> bool:
        """Whether a level of this factor has its own effects."""
        return factor in self.own if self.treatment == "integrated" else self.treatment == "own"


def check_answer(kind: Kind, new_levels: NewLevels, scale: Scale) -> None:
    """ModelError unless `new_levels` and `scale` are known and go with the kind."""
    if new_levels not in ("draw", "error"):
        raise ModelError(
            f"new_levels={new_levels!r}: levels that the fit has not seen have effects drawn from "
            'the population ("draw"), or are refused ("error")'
        )
    if scale not in ("model", "original"):
        raise ModelError(
            f"scale={scale!r}: predictions are on the scale of the response as the formula has it "
            '("model"), or of the column that it is made of ("original")'
        )
    if scale == "original" and kind == "linear":
        raise ModelError(
            'kind="linear" is the linear predictor, on its own scale; with scale="original" ask '
            'for kind="response" or "mean"'
        )


def check_target(kind: Kind, scale: Scale) -> None:
    """ModelError unless a target may be given besides a kind and a scale."""
    if kind != "response":
        raise ModelError(f"give kind={kind!r} or target=, not both")
    if scale == "original":
        raise ModelError(
            'a target is of the response as the formula has it: leave out scale="original"'
        )


def carrying(design: Design) -> tuple[str, ...]:
    """The factor in whose groups residuals are correlated, if there is one."""
    own = None if design.several is not None else design.residual
    return () if own is None else (own.name,)


def ask(design: Design, groups: Groups, kind: Kind) -> Question:
    """The question behind the user's `groups` and `kind`; ModelError where they are none."""
    if kind not in KINDS:
        raise ModelError(
            f'kind={kind!r}: predictions are of kind "response" (a new observation), "mean" (its '
            'expectation) or "linear" (the linear predictor, on the link scale)'
        )
    predictors = design.predictors
    known = tuple(dict.fromkeys(g.name for p in predictors for g in p.groups if g.grouping))
    correlated = carrying(design)
    if isinstance(groups, str):
        if groups == "typical":
            return Question((), "own", kind)
        if groups in _TREATMENTS:
            carries = bool(correlated) and groups == "auto"
            return Question(known, _TREATMENTS[groups], kind, carries=carries)
        remedy = f"; to condition on that factor alone write groups=[{groups!r}]"
        raise ModelError(
            f'groups={groups!r} is not "auto", "typical", "average", "new" or a list of grouping '
            f"factors{remedy if groups in known else ''}"
        )
    if not isinstance(groups, Sequence):
        raise ModelError(f"groups={groups!r} is neither a word nor a list of grouping factors")
    curves: dict[str, list[str]] = {}  # the parts of those of each level
    for g in (g for p in predictors for g in p.groups if g.grouping and g.within):
        curves.setdefault(g.within, []).append(g.name)
    groups = [part for name in groups for part in curves.get(name, [name])]
    for name in groups:
        if name not in known and name not in correlated:
            has = ", ".join(known) or "no group effects"
            raise ModelError(f"{name!r} is not a grouping factor of this model, which has {has}")
    carries = any(name in groups for name in correlated)
    return Question(tuple(n for n in known if n in groups), "own", kind, carries=carries)
