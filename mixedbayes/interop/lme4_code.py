"""A model as a call of R's lme4."""

from __future__ import annotations

import numpy as np

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.formula import parse_expression
from mixedbayes.interop.r_formula import r_columns, r_right, r_string, r_text
from mixedbayes.interop.writing import check_columns
from mixedbayes.model.spec import Spec


def lme4_code(spec: Spec) -> str:
    """`lmer` or `glmer`; `lm` or `glm` where there are no group effects. There are no priors."""
    design, family = spec.design, spec.family
    check_columns(spec, "lme4", drops=True)
    if design.mu.parameter != names.MU:
        raise ModelError(_no_categories(spec))
    brms = "" if family.elsewhere.brms is None else "; code('brms') has it"
    theirs = family.elsewhere.lme4
    if theirs is None:
        raise ModelError(f"lme4 has no {family.name} family{brms}")
    if design.further:
        further = ", ".join(names.said(design.further))
        raise ModelError(f"lme4 has formulas of the mean alone, and {further} has one here{brms}")
    if design.weights is not None and family.repeats_rows:
        raise ModelError(
            f"weights() of the {family.name} family count rows several times, which lme4's weights "
            "of this family do not mean"
        )
    if design.formula.response.se is not None:
        raise ModelError("lme4 has no known standard errors: its weights are relative to a sigma")
    _check_uncorrelated(spec)
    formula = f"{r_response(spec)} ~ {r_right(design.formula, design.mu, 'lme4')}"
    arguments = [formula, "data = data"]
    mixed = "er" if design.mu.factors else ""
    if theirs.startswith("glmer."):
        if not mixed or family.link.name != "log":
            raise ModelError(f"lme4's {theirs} has group effects and the log link")
        call = theirs
    elif family.closed_form:
        call = f"lm{mixed}"
    else:
        call = f"glm{mixed}"
        arguments.append(f'family = {theirs}(link = "{family.link.name}")')
    weights = design.formula.response.weights
    if weights is not None:
        arguments.append(f"weights = {r_text(parse_expression(weights))}")
    head = ["library(lme4)"] if mixed else []
    return "\n".join([*head, *r_columns(design), f"{call}({', '.join(arguments)})"])


def _no_categories(spec: Spec) -> str:
    """That lme4 has no predictors of several categories, and what of R has them."""
    family, grouped = spec.family, any(p.groups for p in spec.design.predictors)
    said = f"lme4 has no {family.name} family"
    if grouped:
        return (
            f"{said}: code('brms') has it, and by penalised quasi-likelihood R's "
            "mclogit::mblogit(..., random = ~ 1 | g), with effects correlated across categories"
        )
    return f"{said}: code('brms') has it, by maximum likelihood R's nnet::multinom"


def r_response(spec: Spec) -> str:
    """The left side, of trials with both counts."""
    response = spec.design.formula.response
    y = r_text(parse_expression(response.text))
    levels = spec.design.response_levels
    if levels is not None and not any(isinstance(v, bool | np.bool_) for v in levels):
        y = f"factor({y}, levels = c({', '.join(r_string(str(v)) for v in levels)}))"
    if response.trials is None:
        return y
    return f"cbind({y}, {r_text(parse_expression(response.trials))} - {y})"


def _check_uncorrelated(spec: Spec) -> None:
    """lme4's || keeps the correlations between the columns of one categorical predictor."""
    for g in spec.design.mu.factors:
        coded = [t for k, t in enumerate(g.terms) if "[" in t and (k,) in g.blocks]
        if len(coded) > 1:
            raise ModelError(
                f"{', '.join(coded)} are uncorrelated over {g.name} here; lme4's || correlates the "
                "columns of one categorical predictor: make indicator columns of it first"
            )
