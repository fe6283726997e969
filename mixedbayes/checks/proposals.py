"""Which families take a model's response as it is, to be proposed where its own does not fit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mixedbayes.checks.report import Finding
from mixedbayes.checks.residual import Alone, Residuals
from mixedbayes.errors import MixedBayesError
from mixedbayes.families.known_errors import with_errors
from mixedbayes.families.registry import FAMILIES, as_family, check_limits
from mixedbayes.results.posterior import Posterior

FEWEST_AT_END = 3  # rows at the smallest or largest response
LEAST_AT_END = 0.02  # share of the rows there
TIMES = 3  # as many as have any other value


def accepted(post: Posterior, names: Iterable[str | None]) -> list[str]:
    """Those of some families that take the response, what is said of it, and all formulas."""
    return [name for name in names if name is not None and _takes(post, name)]


def _takes(post: Posterior, name: str) -> bool:
    design = post.design
    try:
        kind = with_errors(as_family(name), design.formula)
        kind.check_formula(design.formula)
        check_limits(kind, design.formula)
        return bool(kind.supports(design.y, design.trials).all())
    except MixedBayesError:
        return False


def written(names: Iterable[str]) -> str:
    """Families as arguments: family="a", "b" or "c"."""
    *most, last = (f'"{name}"' for name in names)
    return f"family={', '.join(most)} or {last}" if most else f"family={last}"


def ends(found: Residuals, post: Posterior) -> Finding | None:
    """Does a share of the responses lie at one value, the smallest or largest of them?

    Of a continuous response no two are the same. Asked where no limits are known, and where no
    other value is near as frequent, as in rounded data.
    """
    family, y = post.family, post.design.y
    continuous = not (family.discrete or family.atoms or post.family.unordered)
    if not continuous or post.design.limits is not None or post.design.trials is not None:
        return None
    values, counts = np.unique(y, return_counts=True)
    if len(values) < 5:
        return None
    others = counts[1:-1].max()
    least = max(FEWEST_AT_END, LEAST_AT_END * len(y), TIMES * others)
    at = [k for k in (0, -1) if counts[k] >= least]
    if not at:
        return None
    share = float(np.sum(counts[at]) / len(y))
    shown = " or ".join(f"{values[k]:.4g}" for k in at)
    which = " and ".join("smallest" if k == 0 else "largest" for k in at)
    own = [
        name
        for name in accepted(post, FAMILIES)
        if {float(values[k]) for k in at} <= set(FAMILIES[name].atoms)
    ]
    said = (
        f"{100 * share:.3g} % of the responses are exactly {shown}, the {which}, to which the "
        f"{family.name} family gives no probability of its own. "
    )
    said += (
        f"{written(own)} does; a limit of what is measured is said by cens()."
        if own
        else ("A limit of what is measured is said by cens().")
    )
    table = Alone(share, np.zeros(len(found.replicated))).table()
    return Finding("Responses at an end", said, True, table)
