"""Tail transforms for tests, of log gammas: one tail is exponential, the other sharp."""

import numpy as np

from mixedbayes.theta.tails import TailTransform, fit_tails


def bends(left=(), right=(), shape=0.7):
    """That whose coordinates `left` have an exponential tail on the left, `right` on the right."""
    signs = dict.fromkeys(map(int, left), 1.0) | dict.fromkeys(map(int, right), -1.0)
    d = max(signs, default=-1) + 1
    sign = np.array([signs.get(i, 0.0) for i in range(d)])

    def value(t):
        return float(np.sum(np.where(sign == 0, -0.5 * t**2, shape * sign * t - np.exp(sign * t))))

    spread = np.diag(np.where(sign == 0, 1.0, 1 / shape))
    tails = fit_tails(value, sign * np.log(shape), spread, sign != 0)
    assert tails.bent == tuple(np.flatnonzero(sign))
    return tails if d else TailTransform.identity()
