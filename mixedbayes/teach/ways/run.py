"""All forms of a model, each executed and compared with another computation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.model.spec import Spec
from mixedbayes.results.posterior import Posterior
from mixedbayes.teach.ways import bayes, code, equations
from mixedbayes.teach.ways.context import Context, context
from mixedbayes.teach.ways.types import Check, Way, Ways

TOLERANCE = 1e-8
MEAN = "mean of every row"


@dataclass(frozen=True)
class Form:
    """How one form is made."""

    key: str
    title: str
    says: str
    equation: Callable[[equations.Symbols], str]
    code: Callable[[Context], str] | None  # None: the Bayesian form, which needs the priors
    compared: str


FORMS = (
    Form(
        "1a",
        "coefficients that vary",
        "A regression in which each level has coefficients of its own, drawn from a normal "
        "distribution around the population's, or around what predictors of the level say.",
        equations.varying_coefficients,
        code.varying_coefficients,
        MEAN,
    ),
    Form(
        "1b",
        "two levels",
        "An equation for the rows within a level, and one for the levels' coefficients, which are "
        "outcomes themselves: predictors of the level stand there, with an intercept, and those of "
        "a slope are interactions across levels.",
        equations.multilevel,
        code.multilevel,
        MEAN,
    ),
    Form(
        "2",
        "local regressions combined",
        "Each level's own least-squares regression and the population's coefficients, averaged by "
        "what each knows: the rows' information and the inverse variance between levels. Given the "
        "variances, and other factors' effects where there are any, this is the posterior mean.",
        equations.local_regressions,
        code.local_regressions,
        "coefficients of every level",
    ),
    Form(
        "3a",
        "indicator columns",
        "A column of zeros and ones for each level, times the covariate whose effect varies: a "
        "regression on all of them, whose coefficients are normal around zero.",
        equations.indicators,
        code.indicators,
        MEAN,
    ),
    Form(
        "3b",
        "a design for each level",
        "The rows of one level at a time, with their part of X and their own Z.",
        equations.clusters,
        code.clusters,
        MEAN,
    ),
    Form(
        "3c",
        "one matrix equation",
        "The levels' designs along the diagonal of one Z, the factors' Z beside each other, and "
        "all effects in one vector.",
        equations.general,
        code.general,
        MEAN,
    ),
    Form(
        "4a",
        "several error terms",
        "Effects of groups are errors too, shared by the rows of a level. The variance of a row's "
        "error adds up, and the groups' share of it is the intraclass correlation.",
        equations.error_terms,
        code.error_terms,
        "variance of every row's error",
    ),
    Form(
        "4b",
        "conditional and marginal",
        "Given the effects the rows are independent; without them they are jointly normal. The "
        "second density is the first integrated over the effects. By Bayes' theorem it is the "
        "joint density divided by that of the effects given the data, at whatever value of the "
        "effects.",
        equations.conditional_and_marginal,
        code.conditional_and_marginal,
        "log p(y)",
    ),
    Form(
        "5a",
        "correlated errors",
        "No effects at all, but errors that are correlated within a level: entry by entry from who "
        "shares a level with whom, and at once as Z Psi Z' + sigma^2 I.",
        equations.correlated_errors,
        code.correlated_errors,
        "covariance of the errors",
    ),
    Form(
        "5b",
        "one multivariate normal",
        "All responses are one draw from a normal distribution with that covariance.",
        equations.multivariate_normal,
        code.multivariate_normal,
        "log p(y)",
    ),
    Form(
        "6",
        "penalised least squares",
        "Least squares over population and group effects together, the latter penalised by their "
        "inverse variance. The solution is generalised least squares for the population and the "
        "posterior mean for the groups.",
        equations.penalised,
        code.penalised,
        "population and group effects",
    ),
    Form(
        "7",
        "Bayesian",
        "Priors for all that is not known; the distribution of the group effects is one of them. "
        "Here in PyMC, with this model's priors and the effects non-centred.",
        equations.bayesian,
        None,
        "log joint density",
    ),
)


def ways(model: Any, of: Spec | Posterior) -> Ways:
    """Write a model in all its forms, execute each, and check that they agree.

    Parameters
    ----------
    model
        The model, for the name `model` in the code.
    of
        Its spec, or the posterior of a fit: the forms are compared at its means. Without, at values
        of the order that the data suggest; the forms agree at any.

    Returns
    -------
    Ways

    Raises
    ------
    ModelError
        If the model has no such forms, see `context`, or two computations disagree by more than
        1e-8 of their size, which only an ill-conditioned covariance should do.
    """
    c, spec = context(of), of if isinstance(of, Spec) else of.spec
    symbols, start = equations.Symbols(c), code.setup(c)
    forms = []
    for form in FORMS:
        text = bayes.bayesian(c, spec) if form.code is None else form.code(c)
        left, right = execute(start, text, model)
        check = Check(form.compared, left, right)
        if not check.error < TOLERANCE:
            raise ModelError(
                f"form {form.key} disagrees with its other computation: {check}. Are standard "
                "deviations of group effects many orders apart, or columns nearly dependent?"
            )
        forms.append(Way(form.key, form.title, form.says, form.equation(symbols), text, check))
    return Ways(spec.design.formula.text, start, tuple(forms))


def execute(start: str, text: str, model: Any) -> tuple[Floats, Floats]:
    """Run a form's code after the setup; what it leaves in `left` and `right`."""
    space: dict[str, Any] = {"model": model}
    exec(compile(start, "<setup>", "exec"), space)
    exec(compile(text, "<form>", "exec"), space)
    return np.asarray(space["left"], float), np.asarray(space["right"], float)
