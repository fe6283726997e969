"""A model as a call of R's glmmTMB."""

from __future__ import annotations

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.formula import parse_expression
from mixedbayes.interop.lme4_code import r_response
from mixedbayes.interop.r_formula import r_columns, r_name, r_right, r_text, structured_effects
from mixedbayes.interop.writing import check_columns
from mixedbayes.model.spec import Spec

PACKAGE = "glmmTMB"


def glmmtmb_code(spec: Spec) -> str:
    """`glmmTMB`, which has structured covariances; there are no priors.

    Correlated residuals are effects of visits there, beside a residual whose variance is 0.
    """
    design, family = spec.design, spec.family
    check_columns(spec, PACKAGE)
    own = family.elsewhere.glmmtmb
    theirs = family.elsewhere.lme4 if own is None else own
    if not theirs or theirs.startswith("glmer.") or design.mu.parameter != names.MU:
        brms = "" if family.elsewhere.brms is None else "; code('brms') has it"
        raise ModelError(f"how glmmTMB writes the {family.name} family is not known here{brms}")
    if design.weights is not None or design.formula.response.se is not None:
        said = design.formula.response.weighing
        raise ModelError(
            f"{said}: glmmTMB's weights multiply the log likelihood of a row, which is another "
            "model; code('lme4') has weights of a gaussian response"
        )
    written = (design.formula.source or design.formula).others
    if written or (design.further and design.residual is None):
        further = ", ".join(names.said(design.further))
        raise ModelError(
            f"formulas of the mean alone are written for glmmTMB, and {further} has one here; "
            "code('brms') has it"
        )
    right = r_right(design.formula, design.mu, PACKAGE)
    arguments = [f"{r_response(spec)} ~ {right}{_residual(spec)}", "data = data"]
    arguments.append(f'family = {theirs}(link = "{family.link.name}")')
    if design.residual is not None:
        arguments.append("dispformula = ~ 0")
    if family.closed_form:
        arguments.append("REML = TRUE")
    return "\n".join(["library(glmmTMB)", *r_columns(design), f"glmmTMB({', '.join(arguments)})"])


def _residual(spec: Spec) -> str:
    """The term of residuals that are correlated."""
    said, own = spec.design.formula.residual, spec.design.residual
    if said is None or own is None:
        return ""
    if own.by or not said.of:
        why = "has correlations by arm" if own.by else "does not name visits, cosy(visit | g)"
        raise ModelError(f"code('glmmTMB') writes residuals of visits, and {own.text} {why}")
    effects = structured_effects(own.structure, r_text(parse_expression(said.of)), PACKAGE)
    group = ":".join(map(r_name, said.factors))
    return f" + {own.structure.written(PACKAGE, effects=effects, group=group)}"
