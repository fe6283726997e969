"""`mixedbayes.ways`: one model in many forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mixedbayes.api.model import Model
from mixedbayes.teach.run import ways as ways_of

if TYPE_CHECKING:
    from mixedbayes.api.fit import Fit
    from mixedbayes.teach.run import Ways


def ways(model: Model | Fit) -> Ways:
    """Write a Gaussian mixed model in its textbook forms, and show that they are one model.

    The forms are: 1a coefficients that vary, 1b two levels, 2 local regressions combined, 3a
    indicator columns, 3b a design for each level, 3c one matrix equation, 4a several error terms,
    4b conditional and marginal, 5a correlated errors, 5b one multivariate normal, 6 penalised least
    squares, 7 Bayesian. Each has its equation in LaTeX with the names of the data, code that was
    run (NumPy and SciPy; PyMC for the last), and the numbers of two computations that agree.

    Parameters
    ----------
    model
        A model, or a fit, whose posterior means are then the values at which forms are compared.

    Returns
    -------
    Ways
        By key: ``ways["3c"]`` has title, says, equation, code and check; `table` is one row per
        form, `setup` the code that makes the arrays, `markdown` the whole as text.

    Raises
    ------
    ModelError
        If the model is not Gaussian with identity link and equal weights, has no group effects, or
        more than 1,500 rows: the forms need matrices of rows x rows.

    References
    ----------
    Gelman & Hill (2007), doi:10.1017/CBO9780511790942, section 12.5; Bates et al. (2015),
    doi:10.18637/jss.v067.i01, for penalised least squares.
    """
    if isinstance(model, Model):
        return ways_of(model, model.spec)
    return model.ways()
