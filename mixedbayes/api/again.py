"""A model made once more, of other data."""

from __future__ import annotations

from typing import Any

from mixedbayes.families.responses import as_asked


def with_data[M](self: M, data: Any) -> M:
    """The same model of other data: formula, family, the priors that were given, and the rest.

    Default priors are made of the new data.

    Parameters
    ----------
    data
        A data frame with the same columns.

    Returns
    -------
    Model

    Raises
    ------
    DataError, PriorError, ModelError
        As for a new model.

    See Also
    --------
    fit_many : Many data sets at once.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", sleep)
    >>> model.with_data(sleep.head(100)).design.n
    100
    """
    formula, given = said(self)
    made: Any = type(self)
    own: M = made(formula, data, **given)
    return own


def said(model: Any) -> tuple[Any, dict[str, Any]]:
    """The formula of a model, and what else it was made of, but for the data."""
    texts, own = model.formula.texts, model.formula.residual
    return texts[0] if len(texts) == 1 else list(texts), {
        "family": as_asked(model.family, model.formula),
        "residual": None if own is None else own.text,
        "priors": model.user_priors or None,
        "formulation": model.asked.formulation,
        "functions": model.functions,
        "missing": model.asked.missing,
        "known": model.known,
    }
