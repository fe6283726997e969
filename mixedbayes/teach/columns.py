"""Whether another package's model of the same formula has the same columns."""

from __future__ import annotations

from mixedbayes.errors import ModelError
from mixedbayes.model.spec import Spec


def check_columns(spec: Spec, package: str, *, drops: bool = False) -> None:
    """Raise ModelError if columns are left out here that the other package would keep.

    `drops`: it leaves dependent columns of the population part out as well, from the right.
    """
    mu = spec.design.mu
    kept = [*(() if drops else mu.left_out), *(name for g in mu.groups for name in g.left_out)]
    if kept:
        raise ModelError(
            f"{', '.join(kept)} {'is' if len(kept) == 1 else 'are'} left out here, because other "
            f"columns determine {'it' if len(kept) == 1 else 'them'}, and {package} would keep "
            f"{'it' if len(kept) == 1 else 'them'}, with a prior: make the columns that are left "
            "numeric columns of the data, and name these in the formula"
        )
