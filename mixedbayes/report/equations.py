"""The model of a fit in LaTeX: the response, its predictors, the laws of effects and priors."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from mixedbayes import names
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor
from mixedbayes.families.base import Family
from mixedbayes.model.spec import Spec
from mixedbayes.results.posterior import Posterior
from mixedbayes.teach.context import INDEX, context, tex
from mixedbayes.teach.equations import Symbols, aligned, times, total
from mixedbayes.teach.run import FORMS

MOST_TERMS = 12  # of one predictor that are written out


def likelihood(design: Design, family: Family) -> str:
    """The distribution of one row's response, with alignment marks."""

    def symbol(name: str) -> str:  # with the row's index where it has a formula of its own
        return family.parameter(name).symbol + ("_i" if name in design.further else "")

    y, weighted = rf"{tex(design.response)}_i", design.weights is not None
    return family.latex(y, symbol, weighted=weighted)


def _link(family: Family, inside: str, name: str | None = None) -> str:
    link = family.link.name if name is None else name
    return inside if link == "identity" else rf"\mathrm{{{link}}}({inside})"


def model_equations(spec: Spec) -> str:
    """The whole model: likelihood, predictors, laws of the group effects; `aligned` lines."""
    design, family = spec.design, spec.family
    lines = [likelihood(design, family)]
    mean = r"\mu_i" if family.thresholds else _link(family, r"\mu_i")
    lines += _predictor(mean, design.mu, r"\mu")
    for predictor in design.predictors[1:]:
        name = predictor.parameter
        symbol = family.parameter(name).symbol
        left = _link(family, rf"{symbol}_i", family.parameter_link(name).name)
        lines += _predictor(left, predictor, symbol)
    return aligned(*lines)


def _predictor(left: str, predictor: LinearPredictor, symbol: str) -> list[str]:
    # A further parameter's effects are told from those of the mean by a superscript.
    m = "" if predictor.parameter == "mu" else rf"({symbol})"
    beta = rf"\beta^{{{m}}}" if m else r"\beta"
    terms = ((names.INTERCEPT,) if predictor.intercept else ()) + predictor.terms
    parts = [times(rf"{beta}_{{{tex(t)}}}", t) for t in terms]
    if len(parts) > MOST_TERMS:
        left_out = len(parts) - MOST_TERMS
        parts = [*parts[:MOST_TERMS], rf"\dots\text{{ ({left_out} more)}}"]
    if predictor.offset is not None:
        parts.append(r"\mathrm{offset}_i")
    lines: list[str] = []
    for g, j in zip(predictor.groups, INDEX, strict=False):
        parts += [times(_effect(r"\gamma", m, g, t, f"{j}[i]"), t) for t in g.terms]
        lines += _laws(g, j, m)
    return [rf"{left} &= {total(parts)}", *lines]


def _effect(symbol: str, mark: str, g: GroupDesign, term: str, level: str = "") -> str:
    above = rf"{mark}\,{tex(g.name)}" if mark else tex(g.name)
    below = rf"{tex(term)},\,{level}" if level else tex(term)
    return rf"{symbol}^{{{above}}}_{{{below}}}"


def _laws(g: GroupDesign, j: str, mark: str) -> Iterator[str]:
    """Laws of a factor's effects, one for each block of correlated ones."""
    for block in g.blocks:
        terms = [g.terms[k] for k in block]
        effects = [_effect(r"\gamma", mark, g, t, j) for t in terms]
        sds = [_effect(r"\tau", mark, g, t) for t in terms]
        if len(terms) == 1:
            yield rf"{effects[0]} &\sim {g.law.latex}\left(0,\, \left({sds[0]}\right)^2\right)"
            continue
        D, R = rf"D_{{{tex(g.name)}}}", rf"R_{{{tex(g.name)}}}"
        column, diagonal = r",\ ".join(effects), r",\ ".join(sds)
        yield rf"\left({column}\right)^\top &\sim {g.law.latex}\left(0,\, {D} {R} {D}\right)"
        yield rf"{D} &= \mathrm{{diag}}\left({diagonal}\right), \quad {R}{g.covariance.latex}"


def other_forms(model: Spec | Posterior) -> list[tuple[str, str, str, str]]:
    """(key, title, what it says, equation) of the model's textbook forms.

    ModelError where the model has none, with the reason.
    """
    symbols = Symbols(context(model, most_rows=inf))
    return [(f.key, f.title, f.says, f.equation(symbols)) for f in FORMS]
