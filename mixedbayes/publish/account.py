"""What there is to say of a fit in a methods section: sentences, in no format yet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mixedbayes import names
from mixedbayes.design.build import smooths_of
from mixedbayes.design.limits import INTERVAL, LEFT, RIGHT, Limits
from mixedbayes.design.several_terms import together
from mixedbayes.design.smooths import Fitted as FittedSmooth
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor
from mixedbayes.families.base import Family
from mixedbayes.formula.nodes import unparse
from mixedbayes.publish.pieces import Cite, Code, Piece, Sentences, listed
from mixedbayes.publish.sampled import convergence, sampling, software
from mixedbayes.publish.words import (
    family_name,
    formulas,
    grouped,
    joined,
    priors_by_prior,
    priors_of,
    reference_levels,
    title,
)
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.several import each
from mixedbayes.results.text import plural
from mixedbayes.smooths.registry import BASES
from mixedbayes.terms.unstructured import UNSTRUCTURED

# What the numbers of a prior are.
_ARGUMENTS = {
    "Normal": "mean and standard deviation", "StudentT": "degrees of freedom, location and scale",
    "Cauchy": "location and scale", "HalfNormal": "scale", "HalfCauchy": "scale",
    "HalfStudentT": "degrees of freedom and scale", "Exponential": "rate",
    "Gamma": "shape and rate", "InverseGamma": "shape and scale", "Uniform": "lower and upper end",
    "LKJ": "shape",
}  # fmt: skip


def paragraphs(post: Posterior) -> list[Sentences]:
    """Model and data; priors; sampling and convergence; software."""
    found = [
        [*_model(post), *_each(post), *_data(post.design)],
        _priors(post),
        [*sampling(post), *convergence(post)],
        software(post),
    ]
    return [p for p in found if p]


# ---- the model ---------------------------------------------------------------------------------


def _model(post: Posterior) -> Iterator[Piece]:
    design = post.design
    every = [post] if design.several is None else list(each(post).values())
    linear = all(own.family.link.name == "identity" for own in every)
    mixed = "mixed model" if any(p.factors for p in design.predictors) else "model"
    laws = [_law(own.family) for own in every]
    responses = [own.design.response for own in every]
    with_law = f" with a {laws[0]}"
    if len(set(laws)) > 1:
        each_law = (f"{y} with a {law}" for y, law in zip(responses, laws, strict=True))
        with_law = f", {joined(list(each_law))}"
    were = "was modelled" if len(every) == 1 else "were modelled together"
    kind = "linear" if linear else "generalized linear"
    yield (
        f"{joined(responses)} {were} by a Bayesian {kind} {mixed}{with_law}. In the notation of "
        "lme4 "
    )
    yield Cite(("formula",))
    several = formulas(design)
    yield " the formula is " if len(several) == 1 else " the formulas are "
    for k, text in enumerate(several):
        yield ("" if k == 0 else " and " if k == len(several) - 1 else ", ")
        yield Code(text)
    yield ". "


def _law(family: Family) -> str:
    return f"{family_name(family)} likelihood and {family.link.name} link"


def _each(post: Posterior) -> Iterator[Piece]:
    """The predictors of every response, and how several are correlated."""
    every = post.design.several
    if every is None:
        yield from _predictors(post)
        yield from _references(post.design)
        return
    for own in each(post).values():
        yield from _predictors(own)
    yield from _together(post.design)
    yield from _references(post.design)


def _together(design: Design) -> Iterator[str]:
    """What several responses have in common."""
    assert design.several is not None
    for p in design.predictors:
        for a in together(design, p.parameter):
            owners = [name for name, g in a.members for _ in g.terms]
            if not any(len({owners[k] for k in block}) > 1 for block in a.blocks):
                continue
            blocks = "" if len(a.blocks) == 1 else ", within each id in the formulas,"
            of = "" if p.parameter == names.MU else f"{p.parameter} of "
            yield (
                f"The effects over {a.name} on {of}{joined(list(dict.fromkeys(owners)))} are "
                f"correlated with each other: the correlations of all of them{blocks} were "
                "estimated together. "
            )
    every = joined(design.several.names)
    if design.residual is not None:
        yield (
            f"The residuals of {every} in one row are correlated, and their correlations were "
            "estimated. "
        )
    else:
        yield f"Given these effects {every} of one row are independent. "


def _predictors(post: Posterior) -> Iterator[Piece]:
    design, family = post.design, post.family
    further = [p for p in design.further if names.owner(p) == p]
    _, *apart = design.moving
    for p in design.predictors:
        if p in apart:
            continue
        link = family.link if p.parameter == "mu" else family.parameter_link(p.parameter)
        what = _mean(post) if p.parameter == "mu" else p.parameter
        if family.thresholds and p.parameter == "mu":
            whole = _sum(p)
            if apart:
                own = f"{_sum(apart[0])} on that threshold alone"
                whole = own if whole == "zero" else f"{whole} and of {own}"
            distance = f"the threshold less {whole}"
            if family.goes_up:
                distance = f"{whole}, less the threshold"
            distance = (
                f"{joined(further)} times the difference: {distance}" if further else distance
            )
            yield f"The {link.name} of {family.at_threshold} is {distance}. "
        else:
            left = what if link.name == "identity" else f"the {link.name} of {what}"
            yield f"{title(left)} is {_sum(p)}. "
        for g in p.factors:
            yield _group(g, p, across=design.joined(g.name) is not None)
        for smooth in smooths_of(design, p.parameter):
            yield from _smooth(smooth)
    for a in design.across:
        of = joined([p for p, _ in a.members])
        blocks = "" if len(a.blocks) == 1 else ", within each id in the formulas,"
        yield (
            f"The effects over {a.name} on {of} are correlated with each other: the correlations "
            f"of all of them{blocks} were estimated together. "
        )
        if p.left_out:
            which = joined(p.left_out)
            yield f"Columns that others determine were left out: {which}. "
    if (residual := design.residual) is not None:
        of = residual.structure.of
        arms = f", for each level of {residual.by}" if residual.by else ""
        yield f"The residuals of the rows of one {residual.name} are correlated, "
        yield Code(residual.text)
        yield f": {residual.structure.said}, of {f'values of {of}' if of else 'rows'}{arms}. "


def _references(design: Design) -> Iterator[str]:
    references: dict[str, object] = {}
    for part in design.parts or (design,):
        references |= reference_levels(part)
    if references:
        said = joined([f"{level} of {factor}" for factor, level in references.items()])
        levels = "level" if len(references) == 1 else "levels"
        yield f"Categories are coded by treatment contrasts, with the reference {levels} {said}. "


def _mean(post: Posterior) -> str:
    """What the predictor of the mean is about."""
    family, response = post.family, post.design.response
    if said := family.predictor_words(response):
        return said
    if family.probability:
        return f"the probability of {response}"
    if family.mean_link != family.link.name:  # the response is normal on another scale
        return f"the mean of the {family.mean_link} of {response}"
    said = family.mean_words(response)
    return f"the {said}" if said else f"the mean of {response}"


def _sum(p: LinearPredictor) -> str:
    parts = ["an intercept"] * p.intercept
    if p.terms:
        words = grouped(p.effects)
        one = len(p.effects) == 1
        parts.append(f"the population {'effect' if one else 'effects'} of {joined(words)}")
    if p.factors:
        parts.append(f"the group effects of {joined([g.name for g in p.factors])}")
    if p.smooths:
        bent = dict.fromkeys(getattr(g, "within", g.name) for g in p.smooths)
        parts.append(f"what bends in {joined(list(bent))}")
    if p.offset is not None:
        parts.append("an offset")
    if len(parts) < 2:
        return "".join(parts) or "zero"
    *first, last = parts  # which have lists of their own in them
    return f"the sum of {', '.join(first)}{',' * (len(first) > 1)} and {last}"


def _smooth(s: FittedSmooth) -> Iterator[Piece]:
    """Bases and penalties of one smooth."""
    said = s.said
    bases = joined([BASES[name].title for name in dict.fromkeys(said.bases)])
    if said.level is not None:
        yield (
            f"{said.name} has a curve for each level of {said.level.name}: effects on its level, "
            f"its slope, and the coefficients of {s.curve.shares[0].shape[1]} penalised functions "
            "of a thin plate regression spline, each of the three with a standard deviation that "
            "was estimated "
        )
        yield Cite(("smooths",))
        yield ". "
        return
    functions, penalties = sum(Z.shape[1] for Z in s.curve.shares), len(s.curve.units)
    each = ""
    if said.by is not None:
        of = unparse(said.by)
        each = f", multiplied by {of}" if s.numeric else f", one for each level of {of}"
    own = "one penalty" if penalties == 1 else f"{penalties} separable penalties"
    spread = "whose coefficients have a normal prior with a standard deviation that was estimated"
    yield (
        f"{said.name} is a smooth{each}: {bases} with {functions} penalised functions and {own}, "
        f"{spread} "
    )
    yield Cite(("smooths",))
    yield ". "


def _related(g: GroupDesign) -> str:
    """What levels have besides independent effects of one covariance."""
    said = []
    if len(g.pieces) > 1:
        said.append(f"up to {len(g.pieces)} of which a row belongs to, with weights")
    if g.related_to is not None:
        kind = "inverse covariance" if g.related_to.relation.precision else "covariance"
        said.append(f"related by the known {kind} {g.related_to.name}")
    if g.arms is not None:
        arms = plural(len(g.arms.levels), "level")
        said.append(f"with a distribution for each of the {arms} of {g.arms.by}")
    return "".join(f", {text}," for text in said)


def _group(g: GroupDesign, p: LinearPredictor, *, across: bool) -> str:
    levels = g.covariance.of if g.cor_terms and g.covariance.at else ""
    own = g.of_one_arm.terms
    shown = [t for k, t in enumerate(own) if not levels or (k,) in g.blocks]
    effects = ["the intercept" if t == names.INTERCEPT else f"the effect of {t}" for t in shown]
    if levels:
        effects.append(f"the effects of the {len(g.covariance.at)} levels of {levels}")
    rows = g.rows_per_level
    low, high = int(rows.min()), int(rows.max())
    each = f"{plural(low, 'row')} each"
    if low != high:
        each = f"{low:,} to {high:,} rows each, median {np.median(rows):,.6g}"
    of = "" if p.parameter == "mu" else f" of the predictor of {p.parameter}"
    if levels:
        sds = "standard deviation" if len(g.sd_terms) == 1 else "standard deviations"
        estimated = f"those of {levels} with the covariance structure {g.covariance.name}, whose "
        estimated += f"{sds} and {g.covariance.about} were estimated"
    elif len(effects) == 1:
        estimated = "whose standard deviation was estimated"
    elif across:
        estimated = "whose standard deviations were estimated"
    elif g.correlated and g.arms is not None:
        estimated = "whose standard deviations and correlations were estimated"
    elif g.correlated:
        structure = "" if g.covariance == UNSTRUCTURED else f", of structure {g.covariance.name},"
        between = (
            "whose standard deviations and correlations"
            if len(g.blocks) == 1
            else "whose standard deviations, and correlations within each term in the formula,"
        )
        estimated = f"{between}{structure} were estimated"
    else:
        estimated = "independent of one another, whose standard deviations were estimated"
    one = len(effects) == 1 and not levels
    return (
        f"{title(joined(effects))}{of} {'varies' if one else 'vary'} over the "
        f"{plural(g.n_levels, 'level')} of {g.name} ({each}){_related(g)} with "
        f"{g.law.title} deviations of mean zero, {estimated}. "
    )


def _data(design: Design) -> Iterator[str]:
    several = design.several
    rows = design.used if several is None else several.m
    said = f"The model was fitted to {plural(rows, 'row')} of data"
    if several is not None:
        whole = several.m * len(several.names) - design.n
        lacking = f", in which {plural(whole, 'response')} are missing" if whole else ""
        said += f" with {design.n:,} responses{lacking}"
    if design.trials is not None:
        said += f" with {design.every_trial:,} trials in all"
    response = design.formula.response
    if response.weights is not None:
        said += f", weighted by {response.weights}"
    if response.se is not None:
        said += f", with the known standard errors {response.se}"
    if design.limits is not None:
        said += _limits(design, design.limits)
    if design.dropped and design.data is not None:
        missing = joined([f"{name} ({count:,})" for name, count in design.dropped.items()])
        kept = rows + (0 if design.unobserved is None else len(design.unobserved))
        total = len(design.data) if design.standing is None else design.standing.total
        left_out = total - kept
        said += f"; {plural(left_out, 'row')} with missing values in {missing} were left out"
    without = 0 if design.unobserved is None else len(design.unobserved)
    if without:
        said += (
            f"; {plural(without, 'row')} without a response stayed in the model, to be predicted"
        )
    yield f"{said}."
    if design.standing is not None:
        yield f" {design.standing.read}."


def _limits(design: Design, limits: Limits) -> str:
    """How many responses are censored in which way, and between which bounds all are."""
    said = ""
    if limits.censoring is not None:
        kinds = [
            f"{count:,} {name}-censored"
            for name, code in (("left", LEFT), ("right", RIGHT), ("interval", INTERVAL))
            if (count := int(np.sum(limits.censoring == code)))
        ]
        said += f", with {joined(kinds)} responses" if kinds else ""
    if limits.truncated:
        said += f"; responses were truncated, {design.formula.response.limits[-1]}"
    return said


# ---- priors ------------------------------------------------------------------------------------


def _priors(post: Posterior) -> Sentences:
    told = priors_of(post.spec)
    if not told:
        return []
    by_prior = priors_by_prior(post.spec)
    said = "; ".join(f"{prior} for {' and for '.join(of)}" for prior, of in by_prior.items())
    one = len(told) == 1
    out: Sentences = [f"The {'prior is' if one else 'priors are'} {said}. "]
    kinds = dict.fromkeys(type(t.assigned.prior).__name__ for t in told)
    known = [kind for kind in kinds if kind in _ARGUMENTS]
    if known:
        parts = [_given_by(kind, " is given" * (k == 0)) for k, kind in enumerate(known)]
        out += ["Here ", *listed(parts), ". "]
    if not all(t.assigned.prior.proper for t in told):
        out.append("Flat is the improper uniform prior. ")
    given = [t.what for t in told if t.assigned.given]
    default = "of mixedbayes, weakly informative on the scale of the data"
    if not given:
        out.append(f"{'It is a default' if one else 'All are defaults'} {default}.")
    elif len(given) == len(told):
        out.append(f"{'It is no' if one else 'None is a'} default of mixedbayes.")
    else:
        own = joined(grouped(given))
        out.append(f"Those of {own} were set for this analysis; the others are defaults {default}.")
    return out


def _given_by(kind: str, said: str) -> Sentences:
    is_what: Sentences = []
    if kind == "LKJ":
        is_what = [", a distribution of correlation matrices ", Cite(("lkj",)), ","]
    return [kind, *is_what, f"{said} by its {_ARGUMENTS[kind]}"]
