"""The user's priors laid over the defaults, at every level of detail, with clear refusals."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mixedbayes import names
from mixedbayes.distributions import LKJ, Dirichlet, Flat, Prior, Share, Uniform
from mixedbayes.errors import PriorError
from mixedbayes.priors.proportion import check_proportion
from mixedbayes.priors.types import GIVEN, Assigned, MonotonicPrior, PredictorPriors, Priors
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.unstructured import UNSTRUCTURED


def resolve(
    defaults: Priors, user: Mapping[str, Any] | None, residual: Covariance | None = None
) -> Priors:
    """Replace defaults by the user's priors.

    `user` has the keys `Intercept`, `fixef`, `sd`, `cor` and the family's parameters (`sigma`),
    `nu_<group>` of Student-t effects, and `simo_<x>`, a Dirichlet of the steps of mo(x); and `rho`,
    `theta` or `range` of correlated residuals, whose structure is `residual`.
    `fixef` takes one prior or a dictionary by term; `sd` one prior, a dictionary by group, or by
    group and term; `cor` one LKJ or a dictionary by group. A parameter with a predictor of its
    own takes a dictionary with these same keys; effects that an id correlates across parameters
    have the prior of their correlations in the first `cor`. Category-specific effects are among
    those of the mean, each by its label, `x[low|middle]`, or all of a term by `x`. Where
    each category of the response has a predictor, `Intercept`, `fixef` and `sd` are those of all of
    them, unless a category's own dictionary says otherwise. Unknown names raise PriorError, and
    priors that are out of all proportion to the data (`check_proportion`) as well.
    """
    if user is None:
        return defaults
    if not isinstance(user, Mapping):
        raise PriorError(
            f"priors must be a dictionary such as {{'fixef': Normal(0, 50)}}, got {user!r}"
        )
    mu, parameters = defaults.mu, dict(defaults.parameters)
    parts = {p.parameter: p for p in defaults.predictors}
    specific = [p.parameter for p in _specific(defaults)]
    others = [p for p in parts if p != names.MU and p not in specific]
    mean = [mu.parameter] if mu.parameter == names.MU else others  # whom unnamed priors are of
    across = dict(defaults.across)
    own = list(dict.fromkeys(key for p in (*mean, *specific) for key in _keys(parts[p])))
    correlated = dict(defaults.residual)
    valid = [*own, *(["cor"] if across and "cor" not in own else []), *others, *parameters]
    valid += correlated
    for key, value in sorted(user.items(), key=lambda item: item[0] in others):
        if key in parameters:
            vector = parameters[key].prior.support == "real"  # thresholds
            check = _scalar if vector else _positive
            parameters[key] = Assigned(check(value, key), GIVEN)
        elif key in correlated:
            assert residual is not None
            if not isinstance(value, Prior):
                raise PriorError(f"{key}: a prior is an object such as mb.LKJ(2), got {value!r}")
            residual.check(value, key)
            correlated[key] = Assigned(value, GIVEN)
        elif key in others:
            if not isinstance(value, Mapping):
                raise PriorError(
                    f"{key} has a formula of its own, so its prior is a dictionary with keys "
                    f"among {', '.join(_keys(parts[key]))}"
                )
            for name, inner in value.items():
                if name == "cor":
                    _check_not_across(parts[key], inner, across)
                parts[key] = _apply(parts[key], name, inner, f"{key}: ", _keys(parts[key]))
        elif key == "cor" and across:
            across, rest = _across(across, mu, value)
            parts[mu.parameter] = (
                _apply(parts[mu.parameter], key, rest, "", valid) if rest else parts[mu.parameter]
            )
        elif specific and key == names.FIXEF:
            for p, part in _divided(value, [parts[q] for q in (mu.parameter, *specific)]):
                parts[p.parameter] = _apply(p, key, part, "", valid)
        else:
            for q, some in _among(key, value, [parts[q] for q in mean]).items():
                parts[q] = _apply(parts[q], key, some, "", valid)
    predictors = tuple(_placed_beside(p, across) for p in parts.values())
    found = Priors(predictors, parameters, dict(user), across, correlated)
    check_proportion(found, defaults)
    return found


def _specific(priors: Priors) -> list[PredictorPriors]:
    """Those of effects on single thresholds."""
    return [p for p in priors.predictors if p.threshold is not None]


def _divided(value: Any, parts: Sequence[PredictorPriors]) -> list[tuple[PredictorPriors, Any]]:
    """What `fixef` says of each of the mean's predictors that it speaks of.

    Names are those of tables, or a term, for its effects on all thresholds.
    """
    if not isinstance(value, Mapping) or names.INTERCEPT in value:
        return [(p, value) for p in parts if p.terms]
    bare = [t for p in parts for t in p.effects]
    labels = [names.label(p.parameter, t) for p in parts for t in p.effects]
    _check_names(names.FIXEF, value, list(dict.fromkeys([*labels, *bare])))
    found = []
    for p in parts:
        own = {t: names.label(p.parameter, t) for t in p.effects}
        given = {t: value.get(label, value.get(t)) for t, label in own.items()}
        given = {t: prior for t, prior in given.items() if t in value or own[t] in value}
        found += [(p, given)] if given else []
    return found


def _among(key: object, value: Any, mean: Sequence[PredictorPriors]) -> dict[str, Any]:
    """By predictor what a prior that is given of all says of it; of the first what is of none."""
    found: dict[str, Any] = {}
    for p in mean if len(mean) > 1 else []:
        known = list(p.effects if key == names.FIXEF else p.sd)
        if key not in _keys(p):
            continue
        if isinstance(value, Mapping):
            some = {name: inner for name, inner in value.items() if name in known}
            found |= {p.parameter: some} if some else {}
        else:
            found[p.parameter] = value
    strange = isinstance(value, Mapping) and set(value) - {n for v in found.values() for n in v}
    return {mean[0].parameter: value} if strange or not found else found


def _keys(p: PredictorPriors) -> list[str]:
    keys = [names.INTERCEPT] if p.intercept is not None else []
    keys += [names.FIXEF] if p.terms else []
    keys += ["sd"] if p.sd else []
    keys += ["cor"] if p.cor else []
    return [*keys, *_simplex_names(p), *_law_names(p)]


def _law_names(p: PredictorPriors) -> dict[str, tuple[str, str]]:
    """Factor and number of each number of a law, by the name of its variable."""
    return {names.law(n, g, p.parameter): (g, n) for g, n in p.law_numbers}


def _apply(
    p: PredictorPriors, key: object, value: Any, where: str, valid: Sequence[str]
) -> PredictorPriors:
    if key not in valid:
        raise PriorError(_unknown(f"{where}priors", key, valid, _reason(p, key)))
    if key == names.INTERCEPT:
        return replace(
            p, intercept=Assigned(_scalar(value, str(key)), GIVEN), intercept_at_means=False
        )
    if (of := _simplex_names(p).get(str(key))) is not None:
        shares = Assigned(_dirichlet(value, str(key), len(of.effect.steps)), GIVEN)
        every = (replace(m, shares=shares) if m == of else m for m in p.monotonic)
        return p.with_monotonic(tuple(every))
    if key == names.FIXEF:
        p = p.with_effects(_fixef(p, value))
        given = [k for k, a in enumerate(p.fixef) if a.given]
        return replace(p, population=p.population and p.population.keeping(given))
    if key == "sd":
        return _at_zero(replace(p, sd=_sds(p, value)))
    if key in (law := _law_names(p)):
        group, number = law[str(key)]
        own = {**p.laws[group], number: Assigned(_positive(value, str(key)), GIVEN)}
        return replace(p, laws={**p.laws, group: own})
    return _at_zero(replace(p, cor=_cors(p, value)))


def _at_zero(p: PredictorPriors) -> PredictorPriors:
    """Priors of group effects that the user gave stand at predictor values of zero."""
    placed = {}
    for group, placement in p.placed.items():
        whole = group in p.cor and p.cor[group].given
        given = [k for k, a in enumerate(p.sd[group]) if whole or a.given]
        kept = placement.keeping(given)
        if kept is not None:
            placed[group] = kept
    return replace(p, placed=placed)


def _fixef(p: PredictorPriors, value: Any) -> dict[str, Assigned]:
    if not isinstance(value, Mapping):
        prior = _scalar(value, names.FIXEF)
        return dict.fromkeys(p.effects, Assigned(prior, GIVEN))
    if names.INTERCEPT in value:
        raise PriorError(
            "the intercept's prior is not among fixef: give it as {'Intercept': Normal(...)}"
        )
    _check_names("fixef", value, list(p.effects))
    return {
        term: Assigned(_scalar(prior, f"fixef[{term}]"), GIVEN) for term, prior in value.items()
    }


def _simplex_names(p: PredictorPriors) -> dict[str, MonotonicPrior]:
    """Each monotonic effect by the name of the variable of its shares."""
    return {names.simplex(m.name, p.parameter): m for m in p.monotonic}


def _dirichlet(value: Any, where: str, size: int) -> Dirichlet:
    if not isinstance(value, Dirichlet):
        raise PriorError(
            f"{where}: the prior of shares that add up to 1 is mb.Dirichlet(1), or mb.Dirichlet("
            f"[...]) with a number for each of the {size} steps, got {value!r}"
        )
    try:
        return value.of(size)
    except PriorError as error:
        raise PriorError(f"{where}: {error}") from None


def _sds(p: PredictorPriors, value: Any) -> Mapping[str, tuple[Assigned, ...]]:
    by_group = value if isinstance(value, Mapping) else dict.fromkeys(p.sd, value)
    _check_names("sd", by_group, list(p.sd))
    sds = dict(p.sd)
    for group, given in by_group.items():
        terms = p.group_terms[group]
        by_term = given if isinstance(given, Mapping) else dict.fromkeys(terms, given)
        _check_names(f"sd[{group}]", by_term, terms)
        sds[group] = tuple(
            Assigned(_positive(by_term[term], f"sd_{group}[{term}]"), GIVEN)
            if term in by_term
            else default
            for term, default in zip(terms, p.sd[group], strict=True)
        )
    return sds


def _cors(p: PredictorPriors, value: Any) -> Mapping[str, Assigned]:
    by_group = value if isinstance(value, Mapping) else dict.fromkeys(p.cor, value)
    _check_names("cor", by_group, list(p.cor))
    for group, prior in by_group.items():
        p.covariances.get(group, UNSTRUCTURED).check(prior, f"cor_{group}")
    return {**p.cor, **{group: Assigned(prior, GIVEN) for group, prior in by_group.items()}}


def _across(
    across: Mapping[str, Assigned], mu: PredictorPriors, value: Any
) -> tuple[dict[str, Assigned], dict[str, Any]]:
    """Priors of correlations across parameters, and what is said of the mean's own."""
    by_group = value if isinstance(value, Mapping) else dict.fromkeys([*across, *mu.cor], value)
    _check_names("cor", by_group, [*across, *mu.cor])
    found, rest = dict(across), {}
    for group, prior in by_group.items():
        if group in across:
            UNSTRUCTURED.check(prior, f"cor_{group}")
            found[group] = Assigned(prior, GIVEN)
        else:
            rest[group] = prior
    return found, rest


def _check_not_across(p: PredictorPriors, value: Any, across: Mapping[str, Assigned]) -> None:
    """PriorError where a predictor's own prior is given to correlations across parameters."""
    named = list(value) if isinstance(value, Mapping) else [] if p.cor else list(p.sd)
    for group in named:
        if group in across and group in p.sd:
            raise PriorError(
                f"{p.parameter}: the effects over {group} are correlated across parameters by an "
                f"id, with one prior for all correlations: give it as {{'cor': {{{group!r}: "
                f"LKJ(2)}}}}, not within {p.parameter!r}"
            )


def _placed_beside(p: PredictorPriors, across: Mapping[str, Assigned]) -> PredictorPriors:
    """With effects at predictor values of zero where the user gave the prior across parameters."""
    given = {group for group, a in across.items() if a.given}
    if not given & p.placed.keys():
        return p
    return replace(p, placed={g: t for g, t in p.placed.items() if g not in given})


def _scalar(value: Any, where: str) -> Prior:
    if not isinstance(value, Prior):
        raise PriorError(f"{where}: a prior is an object such as mb.Normal(0, 50), got {value!r}")
    if isinstance(value, LKJ):
        raise PriorError(f"{where}: LKJ is for correlations ('cor'), not for a single number")
    if isinstance(value, Dirichlet | Share):
        raise PriorError(f"{where}: {value} is of shares that add up to 1, not of a single number")
    return value


def _positive(value: Any, where: str) -> Prior:
    prior = _scalar(value, where)
    ok = prior.support == "positive" or isinstance(prior, Flat)
    if isinstance(prior, Uniform):
        ok = prior.lower >= 0
    if not ok:
        raise PriorError(
            f"{where} is positive, but {prior} has mass below 0; use HalfNormal, HalfStudentT, "
            "Exponential, Gamma or Uniform(0, upper)"
        )
    return prior


def _check_names(where: str, given: Mapping[Any, Any], valid: Sequence[str]) -> None:
    for name in given:
        if name not in valid:
            raise PriorError(_unknown(where, name, valid, ""))


def _reason(p: PredictorPriors, key: object) -> str:
    if key in p.terms:
        return f"a population effect has its prior among fixef, {{'fixef': {{{key!r}: ...}}}}; "
    if key in p.sd:
        return f"the effects of a factor have theirs by sd, {{'sd': {{{key!r}: ...}}}}; "
    if key == names.INTERCEPT:
        return "the formula has no intercept. "
    if key == names.FIXEF:
        return "the formula has no population effect besides the intercept. "
    if key == "sd":
        return "the formula has no group effects. "
    if key == "cor":
        return "no group effects are correlated: (x | g) correlates them, (x || g) does not. "
    return ""


def _unknown(where: str, name: object, valid: Sequence[str], reason: str) -> str:
    near = difflib.get_close_matches(str(name), valid, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(valid) or "none"
    return f"{where}: {name!r} is not a parameter here: {reason}valid names: {shown}.{hint}"
