"""Gaussian models with correlated residuals, as specs."""

from mixedbayes.design import build_design
from mixedbayes.families.defaults import default_priors
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.formula import parse_all, with_residual
from mixedbayes.model.spec import Spec
from mixedbayes.priors.resolve import resolve


def residual_spec(formula, data, residual=None, priors=None, family=None):
    """The model of a formula, or of several, with this structure of residuals."""
    family = family or Gaussian()
    parsed = parse_all(formula)
    parsed = parsed if residual is None else with_residual(parsed, residual)
    design = family.prepare(build_design(parsed, data, expand=family.expanded))
    structure = None if design.residual is None else design.residual.structure
    return Spec(design, family, resolve(default_priors(design, family), priors, structure))
