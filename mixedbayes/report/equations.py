"""The model of a fit in LaTeX."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import inf

from mixedbayes import names
from mixedbayes.design.several_terms import together
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor, Monotonic
from mixedbayes.families.base import Family
from mixedbayes.interop.writing import parts as parts_of
from mixedbayes.model.responses import spec_of
from mixedbayes.model.spec import Spec
from mixedbayes.results.posterior import Posterior
from mixedbayes.teach.context import INDEX, context, tex
from mixedbayes.teach.equations import Symbols, aligned, times, total
from mixedbayes.teach.run import forms_of

MOST_TERMS = 12  # of one predictor that are written out


def likelihood(design: Design, family: Family, of: str = "") -> str:
    """The distribution of one row's response, with alignment marks.

    `of` stands below the parameters of one of several responses.
    """

    def symbol(name: str) -> str:  # with the row's index where it has a formula of its own
        own = name in (design.mu.parameter, *design.further)
        return below(family.parameter(name).symbol, of, row=own)

    y, weighted = rf"{tex(design.response)}_i", design.weighted
    latex = family.latex(y, symbol, weighted=weighted)
    return latex.replace(r"\mu_i", below(r"\mu", of)) if of else latex


def below(symbol: str, of: str, *, row: bool = True) -> str:
    r"""A parameter in row i, of one of several responses: `\mu_i`, `\mu_{weight,\,i}`."""
    own = [tex(of)] * bool(of) + ["i"] * row
    return symbol + (f"_{{{r',\,'.join(own)}}}" if of else "_i" * row)


def _link(family: Family, inside: str, name: str | None = None) -> str:
    link = family.link.name if name is None else name
    return inside if link == "identity" else rf"\mathrm{{{link}}}({inside})"


def model_equations(spec: Spec) -> str:
    """The whole model: likelihood, predictors, laws of the group effects; `aligned` lines."""
    design = spec.design
    if design.several is None:
        return aligned(*equations(spec), *_across(spec, [("", design)]))
    own = [spec_of(spec, k) for k in range(len(design.parts))]
    every = list(zip(design.several.names, (part.design for part in own), strict=True))
    common = frozenset(a.name for p in design.predictors for a in together(design, p.parameter))
    lines = [line for k, (of, _) in enumerate(every) for line in equations(own[k], of, common)]
    if design.residual is not None:
        lines += _correlated(spec, every)
    for p in design.predictors:
        for a in together(design, p.parameter):
            if design.joined(a.name) is None:
                of = [
                    (_mark(p.parameter, _symbol(spec, p.parameter), name), t)
                    for name, g in a.members
                    for t in g.terms
                ]
                lines += _laws(p.group(a.name), of, INDEX[0])
    return aligned(*lines, *_across(spec, every))


type Each = Sequence[tuple[str, Design]]  # the responses by name; of one "" and its design


def _across(spec: Spec, every: Each) -> Iterator[str]:
    """Laws of effects that are correlated across parameters."""
    for a in spec.design.across:
        of = []
        for p, whole in a.members:
            symbol = _symbol(spec, p)
            parts = {x.name: x for x in together(spec.design, p)} if spec.design.several else {}
            if whole.name in parts:
                found = parts[whole.name].members
            else:
                found = tuple(
                    (name, g)
                    for name, design in every
                    if p in (design.mu.parameter, names.MU, *design.further)
                    for g in design.predictor(p).groups
                    if g.name == whole.name
                )
            of += [(_mark(p, symbol, name), t) for name, g in found for t in g.terms]
        yield from _laws(a.effects, of, INDEX[0])


def _symbol(spec: Spec, parameter: str) -> str:
    return "" if parameter == names.MU else spec.family.parameter(parameter).symbol


def _correlated(spec: Spec, every: Each) -> Iterator[str]:
    """How the residuals of several responses of a row are correlated."""
    assert spec.design.residual is not None
    mean = r",\ ".join(f"{tex(name)}_i - {below(chr(92) + 'mu', name)}" for name, _ in every)
    sds = r",\ ".join(
        below(r"\sigma", name, row=names.SIGMA in design.further) for name, design in every
    )
    yield rf"\left({mean}\right)^\top &\sim \mathcal{{N}}\left(0,\, D R D\right)"
    yield (
        rf"D &= \mathrm{{diag}}\left({sds}\right), \quad "
        rf"R{spec.design.residual.structure.latex}"
    )


def equations(spec: Spec, of: str = "", common: frozenset[str] = frozenset()) -> list[str]:
    """Lines of the model of one response; `of` is its name, where it is one of several.

    Without the laws of effects over the factors `common`, and of those correlated across
    parameters.
    """
    design, family = spec.design, spec.family
    lines = [likelihood(design, family, of)]
    if (own := design.residual) is not None:
        arm = rf", \text{{ for each }} {tex(own.by)}" if own.by else ""
        lines.append(
            r"\mathrm{cor}(y_i,\, y_{i'}) &= R_{v[i],\,v[i']} \text{ of rows of one } "
            rf"{tex(own.name)}, \quad R{own.structure.latex}{arm}"
        )
    if limits := design.formula.response.limits:
        lines.append(r"&\quad\text{observed through }" + r"\text{ and }".join(map(tex, limits)))
    first = (
        r"\mu" if design.mu.parameter == names.MU else family.parameter(design.mu.parameter).symbol
    )
    mean = below(first, of)
    mean = mean if family.thresholds or family.unordered else _link(family, mean)
    across = frozenset(a.name for a in design.across) | common
    lines += _predictor(mean, design.mu, first, across, of)
    for predictor in design.predictors[1:]:
        name = predictor.parameter
        if predictor in design.moving[2:]:  # the same on each threshold
            continue
        symbol = family.parameter(name).symbol
        left = _link(family, below(symbol, of), family.parameter_link(name).name)
        lines += _predictor(left, predictor, symbol, across, of)
    return lines


def _mark(parameter: str, symbol: str, of: str = "") -> str:
    """What tells a further parameter's effects from those of the mean: a superscript.

    And those of one of several responses, `of`.
    """
    if names.threshold_of(parameter) is not None:
        return "(k)"
    own = "" if parameter == "mu" else rf"({symbol})"
    return r"\,".join(filter(None, [own, tex(of) if of else ""]))


def _predictor(
    left: str, predictor: LinearPredictor, symbol: str, across: Collection[str], of: str = ""
) -> list[str]:
    """Its equation, and the laws of its effects but of those over the factors `across`."""
    m = _mark(predictor.parameter, symbol, of)
    beta = rf"\beta^{{{m}}}" if m else r"\beta"
    terms = ((names.INTERCEPT,) if predictor.intercept else ()) + predictor.effects
    stepped = {e.name: e for e in predictor.monotonic}
    parts = [
        _stepped(beta, m, stepped[t]) if t in stepped else times(rf"{beta}_{{{tex(t)}}}", t)
        for t in terms
    ]
    if len(parts) > MOST_TERMS:
        left_out = len(parts) - MOST_TERMS
        parts = [*parts[:MOST_TERMS], rf"\dots\text{{ ({left_out} more)}}"]
    if predictor.offset is not None:
        parts.append(r"\mathrm{offset}_i")
    lines: list[str] = []
    for g, j in zip(predictor.factors, INDEX, strict=False):
        if len(g.pieces) > 1:  # the sum over the levels of a row
            inside = (_effect(r"\gamma", m, g, t, f"{j}_k[i]") for t in g.terms)
            sums = (rf"\textstyle\sum_k w_{{ik}} {effect}" for effect in inside)
            parts += [times(summed, t) for summed, t in zip(sums, g.terms, strict=True)]
        else:
            each = g.of_one_arm.terms
            parts += [times(_effect(r"\gamma", m, g, t, f"{j}[i]"), t) for t in each]
        if g.name not in across:
            lines += _laws(g, [(m, t) for t in g.terms], j)
    for effect in predictor.monotonic:
        shares = _shares(m, effect)
        lines.append(
            rf"{shares}_k &\ge 0, \quad k = 1, \dots, {len(effect.steps)}, \quad "
            rf"\textstyle\sum_k {shares}_k = 1"
        )
    for bent in predictor.smooths:
        own = rf"{m}\,{tex(bent.name)}" if m else tex(bent.name)
        parts.append(rf"\textstyle\sum_k Z^{{{own}}}_{{ik}}\, u^{{{own}}}_k")
        law = rf"{bent.law.latex}\left(0,\, \left(\tau^{{{own}}}\right)^2\right)"
        lines.append(rf"u^{{{own}}}_k &\sim {law}, \quad k = 1, \dots, {bent.n_levels}")
    return [rf"{left} &= {total(parts)}", *lines]


def _stepped(beta: str, mark: str, effect: Monotonic) -> str:
    """A monotonic effect in row i: b D sum of the shares of the steps that the row has passed."""
    inside = effect.of.removeprefix("mo(").removesuffix(")")
    passed = rf"\textstyle\sum_{{k \le {tex(inside)}_i}} {_shares(mark, effect)}_k"
    coefficient = rf"{beta}_{{{tex(effect.name)}}}\, {len(effect.steps)} {passed}"
    others = [part for part in parts_of(effect.name) if part != effect.of]
    return times(coefficient, ":".join(others)) if others else coefficient


def _shares(mark: str, effect: Monotonic) -> str:
    own = tex(effect.name)
    return rf"\zeta^{{{mark}\,{own}}}" if mark else rf"\zeta^{{{own}}}"


def _effect(symbol: str, mark: str, g: GroupDesign, term: str, level: str = "") -> str:
    above = rf"{mark}\,{tex(g.name)}" if mark else tex(g.name)
    below = rf"{tex(term)},\,{level}" if level else tex(term)
    return rf"{symbol}^{{{above}}}_{{{below}}}"


def _laws(g: GroupDesign, of: Sequence[tuple[str, str]], j: str) -> Iterator[str]:
    """Laws of a factor's effects, one for each block of correlated ones.

    `of` has the mark of the parameter and the term of each effect.
    """
    for block in g.blocks:
        own, arm, within = [of[k] for k in block], "", ""
        effects = [
            _effect(r"\gamma", mark, g, g.population[k] if g.arms else t, j)
            for k, (mark, t) in zip(block, own, strict=True)
        ]
        if g.arms is not None:
            level = tex(str(g.arms.levels[block[0] // (len(g.terms) // len(g.arms.levels))]))
            arm, within = rf",\,{level}", rf", \quad {tex(g.arms.by)}_{j} = {level}"
        sds = [_effect(r"\tau", mark, g, t) for mark, t in own]
        if g.related_to is not None:
            A = tex(g.related_to.name) + ("^{-1}" if g.related_to.relation.precision else "")
            vectors = [rf"\left({effect}\right)_{j}" for effect in effects]
            if len(own) == 1:
                yield (
                    rf"{vectors[0]} &\sim {g.law.latex}"
                    rf"\left(0,\, \left({sds[0]}\right)^2 {A}\right)"
                )
                continue
            D, R = rf"D_{{{tex(g.name)}}}", rf"R_{{{tex(g.name)}}}"
            yield (
                rf"\left({r',\ '.join(vectors)}\right)^\top &\sim {g.law.latex}"
                rf"\left(0,\, {D} {R} {D} \otimes {A}\right)"
            )
            diagonal = r",\ ".join(sds)
            yield rf"{D} &= \mathrm{{diag}}\left({diagonal}\right), \quad {R}{g.covariance.latex}"
            continue
        if len(own) == 1:
            law = rf"{g.law.latex}\left(0,\, \left({sds[0]}\right)^2\right)"
            yield rf"{effects[0]} &\sim {law}{within}"
            continue
        D, R = rf"D_{{{tex(g.name)}{arm}}}", rf"R_{{{tex(g.name)}{arm}}}"
        column, diagonal = r",\ ".join(effects), r",\ ".join(sds)
        law = rf"{g.law.latex}\left(0,\, {D} {R} {D}\right)"
        yield rf"\left({column}\right)^\top &\sim {law}{within}"
        yield rf"{D} &= \mathrm{{diag}}\left({diagonal}\right), \quad {R}{g.covariance.latex}"


def other_forms(model: Spec | Posterior) -> list[tuple[str, str, str, str]]:
    """(key, title, what it says, equation) of the model's textbook forms.

    ModelError where the model has none, with the reason.
    """
    c = context(model, most_rows=inf)
    symbols = Symbols(c)
    return [(f.key, f.title, f.says, f.equation(symbols)) for f in forms_of(c)]
