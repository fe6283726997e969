"""Residuals of new rows whose group has known ones: forecasts, and visits that are missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedbayes.design.replay import known_groups, replay_residual
from mixedbayes.design.table import column_names
from mixedbayes.design.types import Floats, Ints, Residual
from mixedbayes.design.used import used_columns
from mixedbayes.errors import DataError, ModelError
from mixedbayes.predict.question import Question
from mixedbayes.predict.streams import CORRELATED, stream
from mixedbayes.results.correlated import standardised
from mixedbayes.results.posterior import Posterior
from mixedbayes.terms.correlated_rows import coloured
from mixedbayes.terms.given_rows import Given, joined


@dataclass(frozen=True, eq=False)
class Seen:
    """Rows whose residuals are known in every draw.

    standardised
        (S, k) of some of them, in units of their sds.
    """

    own: Residual
    standardised: Callable[[Ints], Floats]

    def given(self, post: Posterior, new: Residual) -> Given:
        own = joined(self.own, new)
        return Given(own, len(self.own.refs), post.correlations(), self.standardised)


def of_fit(post: Posterior) -> Seen:
    """The rows of the fit: of several data sets those of each, by its own draws.

    ModelError where data sets have other rows.
    """
    own = post.design.residual
    assert own is not None
    for k, each in enumerate(post.data_sets[1:], 2):
        other = each.design.residual
        assert other is not None
        alike = np.array_equal(own.refs, other.refs) and np.array_equal(own.places, other.places)
        if not alike or not own.levels.equals(other.levels):
            raise ModelError(
                f"data set {k} has other rows than the first, and new observations are given the "
                f"residuals of their {own.name}'s rows: ask the fit of each, fit.fits, or about "
                'groups never seen, groups="new"'
            )
    sets = post.data_sets
    return Seen(own, lambda rows: np.concatenate([standardised(p, rows)[0] for p in sets]))


def given_rows(
    post: Posterior, new: Any, question: Question, seen: Seen | None, *, draws: bool
) -> tuple[Given | None, str]:
    """What is known of the residuals of new rows, and which question that answers, in words.

    None where they are independent of all that is known. `seen` are known rows, by default those of
    the fit.

    Raises
    ------
    DataError
        Rows are of known groups, and their positions are lacking or none of the structure's.
    """
    own, said = post.design.residual, post.design.formula.residual
    if own is None or said is None or new is None:
        return None, ""
    anew = f"Residuals, {own.text}, are those of new groups: drawn whatever the fit's rows are."
    if not question.carries:
        return None, anew
    seen = of_fit(post) if seen is None else seen
    needed, there = used_columns(post.design.formula).residual, column_names(new)
    lacking = [name for name in needed if name not in there]
    if lacking and not draws and set(lacking) & set(said.factors):
        return None, f"{anew[:-1]}, as the new data do not say their {own.name}."
    if lacking:
        remedy = (
            "the table, draws=False, describes each row by itself, of groups never seen where "
            f"the rows do not say their {own.name}"
            if draws
            else 'or ask about groups never seen, groups="new"'
        )
        raise DataError(
            f"the new data lack {len(lacking)} column(s): {', '.join(lacking)}. Residuals are "
            f"{own.text}, and new observations depend on them: add the column(s); {remedy}"
        )
    if not draws and not known_groups(post.design, new, seen.own.levels).any():
        return None, f"Residuals, {own.text}, are those of new groups."
    rows = replay_residual(post.design, new, once=draws)
    found = seen.given(post, rows)
    return found, _words(found, own)


def _words(found: Given, own: Residual) -> str:
    """Which of the new rows are given known ones."""
    carried, repeated = (int(np.count_nonzero(x)) for x in (found.carried, found.repeated))
    if not carried and not repeated:
        return f"Residuals, {own.text}, are those of new groups."
    said = f"{carried:,} of {found.n:,} rows are given the residuals of their {own.name}'s rows"
    parts = [said + f", {own.text}"]
    if repeated:
        parts.append(
            f"{repeated:,} at {own.structure.of or 'positions'} of these are observed anew, "
            "whatever was observed there"
        )
    if left := found.n - carried - repeated:
        parts.append(f"{left:,} are of new groups")
    return "; ".join(parts) + "."


def drawn_noise(post: Posterior, new: Any, given: Given | None, seed: int) -> Floats | None:
    """(S, m) residuals that are correlated, drawn together, in units of the rows' sds."""
    if post.design.residual is None:
        return None
    own = post.design.residual if new is None else replay_residual(post.design, new)
    z = stream(seed, CORRELATED).standard_normal((post.n_draws, len(own.refs)))
    if given is None:
        return coloured(own, post.correlations(), z)
    out, free = given.together(z), np.flatnonzero(~given.carried)
    out[:, free] = coloured(own.take(free), post.correlations(), z[:, free])
    return out
