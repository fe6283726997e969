"""A model in words, before it is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mixedbayes import names
from mixedbayes.design.types import Design
from mixedbayes.distributions import Prior
from mixedbayes.engines.base import Chosen
from mixedbayes.families.base import Family
from mixedbayes.model.spec import Spec
from mixedbayes.results.text import (
    html_columns,
    html_facts,
    plural,
    text_columns,
    text_facts,
)
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.unstructured import UNSTRUCTURED

_PROB = 0.95


@dataclass(frozen=True)
class ModelDescription:
    """What a model is, with text and HTML forms.

    Attributes
    ----------
    facts
        (name, what is said about it): formula, family, rows, groups, formulation, notes.
    priors
        One row per parameter: what it is, its prior, where 95 % of the prior lies, where it comes
        from. The first row has the heads.
    """

    facts: tuple[tuple[str, str], ...]
    priors: tuple[tuple[str, str, str, str], ...]

    def __str__(self) -> str:
        return f"{text_facts(self.facts)}\n\n{text_columns(self.priors)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<div>{html_facts(self.facts)}{html_columns(self.priors)}</div>"


def describe_model(spec: Spec, formulation: Chosen) -> ModelDescription:
    """Formula, family, data, groups, every prior in words, and how it will be sampled and why."""
    facts = [*design_facts(spec.design, spec.family)]
    facts.append(("sampling", f"{formulation}: {formulation.reason}"))
    plan = formulation.engine.plan(spec, formulation)
    if plan:
        facts.append(("plan", plan))
    heads = ("parameter", "prior", f"{100 * _PROB:g} % of it", "from")
    return ModelDescription(tuple(facts), (heads, *_priors(spec)))


def design_facts(design: Design, family: Family) -> Iterator[tuple[str, str]]:
    """Formula, family, rows and groups, in words, and what the design has to note."""
    yield "formula", design.formula.text
    for other in design.formula.others:
        yield "", other.text
    yield "family", f"{family.name}, {family.link.name} link"
    yield "rows", f"{design.n:,} used"
    predictors = design.predictors
    groups = {g.name: g.n_levels for p in predictors for g in p.groups}
    if groups:
        yield "groups", ", ".join(f"{name}: {plural(n, 'level')}" for name, n in groups.items())
    for note in design.notes:  # rows left out among them
        yield "note", note


def _priors(spec: Spec) -> Iterator[tuple[str, str, str, str]]:
    labels: dict[str, str] = {}  # what stands before the term
    correlations: dict[str, tuple[int, Covariance]] = {}
    for predictor in spec.design.predictors:
        p = predictor.parameter
        labels[names.fixef(p)] = names.prefix(p)
        for g in predictor.groups:
            labels[names.sd(g.name, p)] = f"sd over {g.name}, {names.prefix(p)}"
            whose = "" if p == "mu" else f", {p}"
            labels[names.cor(g.name, p)] = f"correlations over {g.name}{whose}"
            correlations[names.cor(g.name, p)] = max(map(len, g.blocks)), g.covariance
    for parameter, term, assigned in spec.priors.rows():
        what = labels.get(parameter, parameter)
        origin = assigned.origin
        if parameter in labels:
            what = f"{what}{term}"
        elif term:  # an intercept, and where the prior is on it
            origin = f"{term}: {origin}"
        where = reach(assigned.prior, *correlations.get(parameter, ()))
        yield what, str(assigned.prior), where, origin


def reach(prior: Prior, k: int = 0, covariance: Covariance = UNSTRUCTURED) -> str:
    """Where the central 95 % of a prior lies; of one of k effects' correlations, each of these."""
    if not prior.proper:
        return "anywhere"
    ends = [(1 - _PROB) / 2, (1 + _PROB) / 2]
    if k:
        low, high = covariance.margin(k, prior).distribution().ppf(ends)
        return f"{low:.2f} to {high:.2f}"
    low, high = prior.frozen().ppf(ends)
    return f"{low:.3g} to {high:.3g}"
