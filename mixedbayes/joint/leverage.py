"""Further parameters of the family at their marginal mode: the mean's effects integrated out.

Where a parameter such as sigma has a formula, residuals around fitted means are too small to show
its size: the effects of the mean have adapted to them. With all effects at their joint mode sigma
comes out too small, the more so the fewer the rows of a group. The remedy is that of restricted
maximum likelihood. Given the further parameters' predictors zeta, the mean's effects are nearly
normal with precision H(zeta) = A' W(zeta) A + P, so that zeta is found at the mode of

    log p(e, zeta, y) - 1/2 log |H(zeta)|,

Laplace's approximation inside that of the variance parameters (Cox & Reid 1987,
doi:10.1111/j.2517-6161.1987.tb01422.x; Lee & Nelder 1996, doi:10.1111/j.2517-6161.1996.tb02105.x).
The second term adds -1/2 l_i d log w_i / d zeta_i to the score of row i, with the leverage
l_i = w_i a_i' H^-1 a_i. Of the information about zeta_i a share of about 1 - l_i is left (Smyth &
Verbyla 1999, doi:10.1002/(SICI)1099-095X(199911/12)10:6<695::AID-ENV385>3.0.CO;2-M).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from mixedbayes.design.types import Floats, Ints
from mixedbayes.joint.layout import JointLayout
from mixedbayes.theta.whitening import CholeskyFactor, Matrix

_STEP = 1e-4  # of the differences that give the slopes of log w
_MOST = 1 - 1e-3  # leverage that leaves something


def leverages(first: Floats, refs: Ints, rest: Matrix, factor: CholeskyFactor, w: Floats) -> Floats:
    """(n,) w a' H^-1 a of rows with columns a: `first` (n, q) of the first factor, and `rest`."""
    assert isinstance(factor.root, np.ndarray)  # thousands of effects have no such formulas
    n, q = first.shape
    own = np.einsum("nij,nj->ni", factor.inner[refs], first) if q else first
    # The other predictors' columns are 0 in these rows, and no others are coupled to them.
    some = np.flatnonzero(abs(rest).sum(axis=0))
    others, couplings = rest[:, some], factor.couplings[:, some]
    if isinstance(couplings, np.ndarray) and q:
        by_level = couplings.reshape(len(couplings) // q, q, len(some))
        others = others - np.einsum("ni,nij->nj", own, by_level[refs])
    elif q:
        index = (refs[:, None] * q + np.arange(q)).ravel()
        shape = (n, couplings.shape[0])
        inner = sparse.csr_array((own.ravel(), index, np.arange(n + 1) * q), shape=shape)
        others = (others - inner @ couplings).toarray()
    others = others @ factor.outer[np.ix_(some, some)].T
    found = w * ((own**2).sum(axis=1) + (others**2).sum(axis=1))
    return np.minimum(found, _MOST)


def scores(
    layout: JointLayout, eta: Floats, parameters: Mapping[str, Floats], leverage: Floats
) -> Floats:
    """(m,) slopes of -1/2 log |H| in the predictors eta (m,) of the stacked rows."""
    n, found = len(leverage), np.zeros(len(eta))
    for first in range(n, len(eta), n):
        own, sides = slice(first, first + n), []
        for step in (-_STEP, _STEP):
            moved = eta.copy()
            moved[own] += step
            information = layout.information(moved[None], parameters)[0, :n]
            sides.append(np.log(np.maximum(information, np.finfo(float).tiny)))
        found[own] = -0.5 * leverage * (sides[1] - sides[0]) / (2 * _STEP)
    return np.nan_to_num(found)


def left(information: Floats, leverage: Floats) -> Floats:
    """The rows' information (m,), that about further parameters reduced by the leverages (n,)."""
    n = len(leverage)
    share = np.tile(1 - leverage, len(information) // n - 1)
    return np.concatenate([information[:n], information[n:] * share])
