"""A model as code for other packages, to paste."""

from __future__ import annotations

from typing import Literal

from mixedbayes.errors import ModelError
from mixedbayes.interop.targets import TARGETS, having
from mixedbayes.interop.writing import check_unlimited, check_writable
from mixedbayes.model.spec import Spec

type Target = Literal["lme4", "glmmTMB", "mgcv", "brms", "bambi", "pymc"]


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
    if target not in TARGETS:
        raise ModelError(f"code({target!r}): use one of {', '.join(map(repr, TARGETS))}")
    package, call = TARGETS[target], f"code({target!r})"
    write = package.write if spec.design.several is None else package.several
    if write is None:
        raise ModelError(
            f"{call} is not offered for several responses; {having('several')} has them"
        )
    predictors = spec.design.predictors
    smooth = any(g.within or not g.grouping for p in predictors for g in p.groups)
    if smooth and package.no_smooths:
        raise ModelError(f"{call}: {package.no_smooths}")
    if any(p.monotonic for p in predictors) and package.no_monotonic:
        raise ModelError(f"{call}: {package.no_monotonic}")
    check_writable(spec, call, package.no_residuals, plain=not package.groupers)
    for g in spec.design.factors:
        if g.arms is not None and not package.arms:
            raise ModelError(
                f"{call} is not offered here: the effects over {g.name} have variances by "
                f"{g.arms.by}, which code('brms') has"
            )
    if not package.limits:
        check_unlimited(spec, call)
    return write(spec)
