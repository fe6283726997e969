"""One of several responses as a model by itself, under the priors that it has among all."""

from __future__ import annotations

from dataclasses import replace

from mixedbayes.families.defaults import default_priors
from mixedbayes.model.spec import Spec
from mixedbayes.priors.several import of_part


def spec_of(spec: Spec, k: int) -> Spec:
    """The marginal model of the k-th response.

    A parameter without a formula is a number here, whose prior is that of it on its link's scale
    among all; what is given of it is a default.
    """
    design = spec.design
    part = replace(design.parts[k], one_of=design.response, library=design.library)
    family = spec.family.of_response(k)
    defaults = default_priors(part, family)
    predictors = tuple(
        of_part(design, k, spec.priors.predictor(own.parameter), p, own)
        for p, own in zip(part.predictors, defaults.predictors, strict=True)
    )
    across = {a.name: spec.priors.across[a.name] for a in part.across}
    parameters, every = dict(defaults.parameters), design.several
    if family.thresholds is not None and every is not None:
        parameters[family.thresholds] = spec.priors.parameters[every.vectors[k]]
    return Spec(
        part, family,
        replace(defaults, predictors=predictors, across=across, parameters=parameters),
    )  # fmt: skip
