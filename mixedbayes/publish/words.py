"""What tables and paragraphs say of a model in the same words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixedbayes import names
from mixedbayes.design.build import Fitted
from mixedbayes.design.types import Design
from mixedbayes.families import chosen
from mixedbayes.families.base import Family
from mixedbayes.model.spec import Spec
from mixedbayes.priors.types import Assigned
from mixedbayes.terms.unstructured import UNSTRUCTURED

_LEVEL = re.compile(r"\[[^\[\]]*\]")
_PROPER = {name.lower(): name for name in ("Gaussian", "Poisson", "Bernoulli", "Student")}
AT_MEANS = "at the predictors' means"


def joined(words: Sequence[str], last: str = "and") -> str:
    """ "a, b and c"."""
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end


def title(text: str) -> str:
    """The text with a capital at its start, where it begins with a word of ours."""
    return text[:1].upper() + text[1:] if text.startswith(("the ", "an ")) else text


def family_name(family: Family) -> str:
    """ "Gaussian", "negative binomial"."""
    return family.title or " ".join(_PROPER.get(word, word) for word in family.name.split("_"))


def likelihood(family: Family) -> str:
    """ "negative binomial family, log link"."""
    fixed = "".join(
        f", {name} = {value if isinstance(value, str) else format(value, 'g')}"
        for name, value in family.fixed.items()
    )
    links = f"{family.link.name} link{chosen.words(family.links)}"
    return f"{family_name(family)} family, {links}{fixed}"


@dataclass(frozen=True)
class Told:
    """A prior, and of what it is."""

    what: str  # "Days", "sd of Days over Subject"
    at_means: bool  # whether of effects at the predictors' means
    assigned: Assigned


def priors_of(spec: Spec) -> list[Told]:
    """Every prior of a model."""
    found = []
    for p in spec.priors.predictors:
        of = "" if names.owner(p.parameter) == "mu" else f" on {p.parameter}"
        sds = {names.sd(g, p.parameter): g for g in p.sd}
        cors = {names.cor(g, p.parameter): g for g in p.cor}
        laws = {names.law(n, g, p.parameter): (n, g) for g, n in p.law_numbers}
        shares = {names.simplex(m.name, p.parameter): m.name for m in p.monotonic}
        bent = {g.name for g in spec.design.predictor(p.parameter).smooths}
        for parameter, term, assigned in p.rows():
            at_means = AT_MEANS in f"{term} {assigned.origin}"
            term = term if p.threshold is None else names.label(p.parameter, term)
            if parameter in sds and sds[parameter] in bent:
                what = f"how far {sds[parameter]} bends{of}"
            elif parameter in sds:
                what = f"sd of {term} over {sds[parameter]}{of}"
            elif parameter in cors:
                structure = p.covariances.get(cors[parameter], UNSTRUCTURED)
                named = f" of {structure.of}" if structure.of else ""
                what = f"{structure.about}{named} over {cors[parameter]}{of}"
            elif parameter in shares:
                what = f"shares of the steps of {shares[parameter]}{of}"
            elif parameter in laws:
                number, group = laws[parameter]
                what = f"{number} of the effects over {group}{of}"
            elif spec.design.several is not None and term in spec.design.several.names:
                link = spec.family.parameter_link(p.parameter).name
                what = f"{p.parameter} of {term}" + ("" if link == "identity" else f", {link}")
            else:
                intercept = parameter == names.intercept(p.parameter)
                what = f"{names.INTERCEPT if intercept else term}{of}"
            found.append(Told(what, at_means, assigned))
    for a in spec.design.across:
        assigned = spec.priors.across[a.name]
        of = " and ".join(p for p, _ in a.members)
        at_means = spec.priors.placement(a) is not None
        found.append(Told(f"correlations over {a.name} across {of}", at_means, assigned))
    for name, assigned in spec.priors.parameters.items():
        found.append(Told(name, AT_MEANS in assigned.origin, assigned))
    for name, assigned in spec.priors.residual.items():
        found.append(Told(f"{name} of residuals", False, assigned))
    return found


def priors_by_prior(spec: Spec) -> dict[str, list[str]]:
    """Parameters in words by their prior, in the order in which they first come.

    Effects of one factor's levels that share a prior are one word, `recipe (2 effects)`.
    """
    found: dict[str, dict[bool, list[str]]] = {}
    for told in priors_of(spec):
        of = found.setdefault(str(told.assigned.prior), {})
        of.setdefault(told.at_means, []).append(told.what)
    mark = {True: f" ({AT_MEANS})", False: ""}
    return {
        prior: [word + mark[there] for there, of in parts.items() for word in grouped(of)]
        for prior, parts in found.items()
    }


def grouped(words: Sequence[str]) -> list[str]:
    """Names of effects, those of one factor's levels as one word: `recipe (2 effects)`."""
    sets: dict[str, list[str]] = {}
    for word in words:
        sets.setdefault(_LEVEL.sub("", word), []).append(word)
    return [of[0] if len(of) == 1 else f"{name} ({len(of)} effects)" for name, of in sets.items()]


def prior_words(spec: Spec) -> Iterable[str]:
    """ "Normal(0, 10) for Days and for age" of every prior."""
    return (f"{prior} for {' and for '.join(of)}" for prior, of in priors_by_prior(spec).items())


def reference_levels(design: Design) -> Mapping[str, str]:
    """Of every factor with treatment contrasts the level that has no column.

    Nothing is known of a design made by hand.
    """
    if not isinstance(design.columns, Fitted):
        return {}
    out: dict[str, str] = {}
    for factor, levels in design.columns.memory.levels.items():
        first, *others = (str(level) for level in levels)
        for p in design.predictors:
            terms = [f"{factor}[{level}]" for level in others]
            if not others or f"{factor}[{first}]" in p.terms or not {*terms} <= {*p.terms}:
                continue
            columns = p.X[:, [p.terms.index(t) for t in terms]]
            if np.isin(columns, (0.0, 1.0)).all():
                out[factor] = first
    return out


def formulas(design: Design) -> list[str]:
    """The formula, and those of further parameters."""
    return list(design.formula.texts)
