"""`mixedbayes.load`: a fit from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixedbayes.api import keep
from mixedbayes.api.model import Fit, Model
from mixedbayes.families.base import Family
from mixedbayes.results import store


def load(
    path: str | Path,
    *,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    family: Family | Mapping[str, Family] | None = None,
) -> Fit:
    """Read a fit from a file written by `Fit.save`.

    Parameters
    ----------
    path
        The file.
    functions
        The functions of your own that the formula uses; a file never holds code.
    family
        The family of your own that the fit has, of `mb.custom`, for the same reason; of several
        responses those of your own by response, ``{"time": mb.custom(...)}``.

    Returns
    -------
    Fit
        Its `model` is as it was asked for: formulation, what is done about missing values, priors.

    Raises
    ------
    FileError
        There is no such file, it is not one of ours, damaged, or from a newer version; or its
        formula uses functions that were not given, or with those given computes other values
        than in the fit; or its family is one of your own that was not given, or one with other
        parameters, links or another density.

    See Also
    --------
    save : The method of `Fit` that writes such files.
    fit : With ``cache=`` a folder of such files.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> path = fit.save("sleep.nc")
    >>> again = mb.load(path)
    >>> again.model.formula.text == fit.model.formula.text
    True
    """
    saved, where = store.read(path), str(path)
    own = keep.checked(saved, where, functions)
    kind = keep.own_family(saved, where, family)
    with keep.as_ours(where):
        model = Model(**keep.arguments(saved, kind), functions=own)
        priors = model.spec.priors.at_means(saved.extra["intercept_at_means"])
        model.spec = replace(model.spec, priors=priors)
    keep.check_own(saved, where, model.spec)
    with keep.as_ours(where):
        return Fit(model, keep.drawn(saved, model.spec))
