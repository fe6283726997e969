"""A model as code for other packages, to paste."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from mixedbayes.errors import ModelError
from mixedbayes.interop.bambi_code import bambi_code
from mixedbayes.interop.brms_code import brms_code
from mixedbayes.interop.brms_several import brms_of_several
from mixedbayes.interop.glmmtmb_code import glmmtmb_code
from mixedbayes.interop.lme4_code import lme4_code
from mixedbayes.interop.mgcv_code import mgcv_code
from mixedbayes.interop.pymc_code import pymc_code
from mixedbayes.interop.writing import check_unlimited, check_writable, lines
from mixedbayes.model.spec import Spec

type Target = Literal["lme4", "glmmTMB", "mgcv", "brms", "bambi", "pymc"]

# Why there is no code of a model with smooths, and what there is instead.
_SMOOTHS: dict[str, str] = {
    "lme4": (
        "lme4 has no smooths; code('mgcv') has the same ones, and estimates in place of a posterior"
    ),
    "glmmTMB": "its smooths have other sds; code('mgcv') has the same ones",
    "brms": (
        "brms takes the same formula, but the sds and slopes of its smooths are of functions in "
        "other units than here, so that these priors would say something else there; write the "
        "formula for brm() and choose priors of class sds and b for it"
    ),
    "bambi": "Bambi has no s() and no t2(); fit.model.pymc is this model in PyMC",
    "pymc": "it writes no smooths; fit.model.pymc is this model in PyMC",
}


_MONOTONIC: dict[str, str] = {
    "lme4": "lme4 has no monotonic effects; code('brms') has them",
    "glmmTMB": "glmmTMB has no monotonic effects; code('brms') has them",
    "mgcv": (
        "mgcv has no mo(); code('brms') has it, and the package scam has increasing curves, "
        's(x, bs = "mpi")'
    ),
    "bambi": "Bambi has no mo(); fit.model.pymc is this model in PyMC",
    "pymc": "it writes no monotonic effects; fit.model.pymc is this model in PyMC",
}


def code(spec: Spec, target: Target) -> str:
    """The same model as code for another package, to paste; with its priors, where it has any.

    Parameters
    ----------
    spec
        Of the model.
    target
        "lme4", "glmmTMB", "mgcv", "brms", "bambi" or "pymc".

    Returns
    -------
    The code; `data` in it is the user's data frame.

    Raises
    ------
    ModelError
        If the other package cannot express the model, or how it would is not known here; the
        message says what it is.

    See Also
    --------
    to_bambi : A Bambi model itself.
    pymc : The model in PyMC itself.
    build : In another formulation.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
    >>> print(model.code("lme4"))
    library(lme4)
    lmer(Reaction ~ 1 + Days + (1 + Days | Subject), data = data)
    >>> print(model.code("brms"))
    library(brms)
    # columns at their means, as the default priors are
    data$Days_at_means <- with(data, Days - 4.5)
    brm(
      Reaction ~ 1 + Days + (1 + Days_at_means | Subject),
      data = data,
      family = gaussian(link = "identity"),
      prior = c(
        set_prior("normal(298.508, 140.822)", class = "Intercept"),
        set_prior("normal(0, 48.8915)", class = "b"),
        set_prior("exponential(0.0177529)", class = "sd", group = "Subject", coef = "Intercept"),
    set_prior("exponential(0.0511336)", class = "sd", group = "Subject", coef = "Days_at_means"),
        set_prior("lkj(2)", class = "cor", group = "Subject"),
        set_prior("exponential(0.0177529)", class = "sigma")
      )
    )
    """
    writers: dict[str, Callable[[Spec], str]] = {
        "lme4": lme4_code,
        "glmmTMB": glmmtmb_code,
        "mgcv": mgcv_code,
        "brms": brms_code if spec.design.several is None else brms_of_several,
        "bambi": bambi_code,
        "pymc": plain_pymc,
    }
    if target not in writers:
        raise ModelError(f"code({target!r}): use one of {', '.join(map(repr, writers))}")
    if spec.design.several is not None and target != "brms":
        raise ModelError(
            f"code({target!r}) is not offered for several responses; code('brms') has them"
        )
    predictors = spec.design.predictors
    if target in _SMOOTHS and any(g.within or not g.grouping for p in predictors for g in p.groups):
        raise ModelError(f"code({target!r}): {_SMOOTHS[target]}")
    if target in _MONOTONIC and any(p.monotonic for p in predictors):
        raise ModelError(f"code({target!r}): {_MONOTONIC[target]}")
    plain, correlated = target not in ("brms", "mgcv"), target in ("brms", "glmmTMB")
    check_writable(spec, f"code({target!r})", target, plain=plain, residuals=correlated)
    if target not in ("brms", "mgcv"):
        for g in spec.design.factors:
            if g.arms is not None and target != "pymc":
                raise ModelError(
                    f"code({target!r}) is not offered here: the effects over {g.name} have "
                    f"variances by {g.arms.by}, which code('brms') has"
                )
    if target != "brms":
        check_unlimited(spec, f"code({target!r})")
    return writers[target](spec)


def plain_pymc(spec: Spec) -> str:
    """PyMC code for Gaussian models; the columns come from the model's design."""
    further = bool(spec.design.further)
    if not spec.family.closed_form or spec.design.weights is not None or further:
        raise ModelError(
            'code("pymc") writes Gaussian models with identity link whose rows are equally '
            "precise, by one formula; `pymc` is the PyMC model of any other"
        )
    return lines(
        "import mixedbayes as mb",
        "import numpy as np",
        "import pymc as pm",
        "import pytensor.tensor as pt",
        "",
        f"design = mb.Model({spec.design.formula.text!r}, data).design",
        "",
        pymc_code(spec),
    )
