"""What tests over all families need of one, derived from the family itself."""

import numpy as np

from mixedbayes.errors import DataError

AT = np.array([-0.7, 0.2, 1.1])  # of a parameter, on its link scale


def values_of(family):
    """(3,) possible values of each parameter; (3, 3) of thresholds."""
    return {
        p.name: AT[:, None] + np.array([-1.0, 0.0, 1.5]) if p.level else p.link.inverse(AT, np)
        for p in family.declared
    }


def needs_trials(family):
    """Whether the response counts successes among trials."""
    try:
        family.supports(np.zeros(1))
    except DataError:
        return True
    return False
