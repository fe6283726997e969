"""A model for Bambi: as code, and as an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixedbayes import names
from mixedbayes.design import coding_of
from mixedbayes.design.types import Floats, LinearPredictor
from mixedbayes.design.used import used_columns
from mixedbayes.design.values import label
from mixedbayes.distributions import Flat, Prior
from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.families.registry import FAMILIES
from mixedbayes.formula import Formula, parse_expression, parse_terms
from mixedbayes.formula.nodes import Name, column
from mixedbayes.interop import bambi_categories, mirror
from mixedbayes.interop.bambi_model import BambiModel, Described, Made
from mixedbayes.interop.numpy_columns import py_text, sum_text
from mixedbayes.interop.writing import check_unlimited, check_writable
from mixedbayes.model.spec import Spec
from mixedbayes.names import MU
from mixedbayes.priors.types import PredictorPriors

NO_RESIDUALS = "Bambi has none; model.pymc is this one in PyMC"
_LINKS = ("log", "identity", "logit", "probit", "cloglog")  # of further parameters


def bambi_code(spec: Spec) -> str:
    """Code that makes the model in Bambi, with its priors."""
    return described(spec).text()


def to_bambi(spec: Spec) -> Any:
    """The same model as a `bambi.Model`, not yet built.

    Parameters
    ----------
    spec
        Of the model.

    Returns
    -------
    The `bambi.Model`.

    Raises
    ------
    MissingExtraError
        If Bambi is not installed.
    ModelError
        If Bambi cannot express the model, such as correlated group effects.

    See Also
    --------
    code : The same as text.
    from_bambi : The way back, with its draws.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> model = mb.Model("Reaction ~ Days + (Days || Subject)", mb.load_data("sleepstudy"))
    >>> model.to_bambi().formula.main
    'Reaction ~ 1 + Days + (1|Subject) + (0 + Days|Subject)'
    """
    if any(p.smooths for p in spec.design.predictors):
        raise ModelError("to_bambi(): Bambi has no s() and no t2(); model.pymc is this one in PyMC")
    if any(p.monotonic for p in spec.design.predictors):
        raise ModelError("to_bambi(): Bambi has no mo(); model.pymc is this one in PyMC")
    check_writable(spec, "to_bambi()", NO_RESIDUALS)
    check_unlimited(spec, "to_bambi()")
    wanted = described(spec)
    try:
        import bambi
    except ImportError as e:
        raise MissingExtraError("to_bambi() needs Bambi: pip install mixedbayes[bambi]") from e
    priors = {
        name: prior.build(bambi)
        if isinstance(prior, Described)
        else {inner: own.build(bambi) for inner, own in prior.items()}
        for name, prior in wanted.priors.items()
    }
    data = spec.design.frame.assign(**{k: made.values for k, made in wanted.columns.items()})
    if wanted.response is not None:
        data = data.assign(**{wanted.response.name: wanted.response.values(data)})
    return bambi.Model(
        bambi.Formula(*wanted.formulas),
        data,
        family=wanted.family,
        link=wanted.link,
        center_predictors=wanted.center,
        priors=priors,
    )


def described(spec: Spec) -> BambiModel:
    """What to pass to bambi.Model; ModelError where Bambi cannot express it."""
    _check(spec)
    design, theirs = spec.design, spec.family.elsewhere
    used = used_columns(design.formula).columns
    columns = _Columns(frozenset(used))
    center = all(_as_bambi_centres(spec, p.parameter) for p in design.predictors)
    if design.mu.parameter != MU:
        return _of_categories(spec, columns, tuple(used), center=center)
    right, found = _component(spec, MU, columns, center=center)
    formulas = [f"{_response(spec, columns)} ~ {right}"]
    priors: dict[str, Described | dict[str, Described]] = {**found}
    own = theirs.bambi_parameters
    for p in design.further:
        right, found = _component(spec, p, columns, center=center)
        formulas.append(f"{own[p]} ~ {right}")
        priors[own[p]] = found
    for name, assigned in spec.priors.parameters.items():
        positive = not spec.family.parameter(name).real
        prior = mirror.of_share(assigned.prior) if name in theirs.bambi_rest else assigned.prior
        priors[own[name]] = _described(prior, positive=positive)
    notes = [
        f"Bambi's {own[name]} is 1 - {name}"
        + (", so that effects on it have the other sign" if name in design.further else "")
        for name in theirs.bambi_rest
    ]
    return BambiModel(
        tuple(formulas),
        str(theirs.bambi),
        _links(spec),
        priors,
        center,
        columns.made,
        tuple(used) if design.dropped else (),
        tuple(notes),
    )


def _of_categories(
    spec: Spec, columns: _Columns, used: tuple[str, ...], *, center: bool
) -> BambiModel:
    """The model of categories without an order, or counts of them."""
    bambi_categories.check(spec)
    every = [_component(spec, p.parameter, columns, center=center) for p in spec.design.predictors]
    right, found = bambi_categories.joined(spec, every)
    if not spec.family.columns:
        _response(spec)  # a column of its own
    left, ordered = bambi_categories.response(spec)
    return BambiModel(
        (f"{left} ~ {right}",),
        str(spec.family.elsewhere.bambi),
        str(spec.family.elsewhere.bambi_link),
        {**found},
        center,
        columns.made,
        used if spec.design.dropped else (),
        response=ordered,
    )


def _links(spec: Spec) -> str | dict[str, str]:
    """The mean's link, or, where links of further parameters are chosen, all by parameter."""
    family, further = spec.family, spec.design.further
    chosen = {p: link.name for p, link in family.links if p in further}
    if not chosen:
        return family.link.name
    own = family.elsewhere.bambi_parameters
    others = {own[p]: chosen.get(p, family.parameter(p).link.name) for p in family.parameters}
    return {"p" if family.trials else MU: family.link.name, **others}


def _component(
    spec: Spec, p: str, columns: _Columns, *, center: bool
) -> tuple[str, dict[str, Described]]:
    """The right side of one parameter's formula, and the priors of its effects."""
    predictor, priors = spec.design.predictor(p), spec.priors.predictor(p)
    rest = p in spec.family.elsewhere.bambi_rest
    of = _Of(spec, p, mirror.of_effect if rest else lambda prior: prior)
    shift = not center and priors.intercept is not None and priors.intercept_at_means
    common, found = _population(of, columns, shift=shift and bool(predictor.terms))
    if priors.intercept is not None:
        found = {names.INTERCEPT: of.described(priors.intercept.prior)} | found
    bars = []
    for g in predictor.factors:
        group = ":".join(map(column, g.factors))
        for k, (term, assigned) in enumerate(zip(g.terms, priors.sd[g.name], strict=True)):
            effect = "1" if term == names.INTERCEPT else term
            if effect != "1" and not _is_numeric(spec, term):
                effect = columns.add(term, {term: 1.0}, g.Z[:, k])
            bars.append(f"(1|{group})" if effect == "1" else f"(0 + {column(effect)}|{group})")
            spread = _described(assigned.prior, positive=True)
            found[f"{effect}|{g.name}"] = Described("Normal", {"mu": 0.0, "sigma": spread})
    if predictor.offset is not None:
        name = columns.known(of.formula, -predictor.offset if rest else predictor.offset, rest)
        common.append(f"offset({name})")
    return " + ".join([*common, *bars]), found


@dataclass(frozen=True, eq=False)
class _Of:
    """A parameter's formula, and what Bambi's effects are of ours."""

    spec: Spec
    parameter: str
    of_effect: Callable[[Prior], Prior]

    @property
    def predictor(self) -> LinearPredictor:
        return self.spec.design.predictor(self.parameter)

    @property
    def priors(self) -> PredictorPriors:
        return self.spec.priors.predictor(self.parameter)

    @property
    def formula(self) -> Formula:
        formula = self.spec.design.formula
        every = {o.response.text: o for o in formula.others}
        return formula if self.parameter in (MU, formula.parameter) else every[self.parameter]

    def described(self, prior: Prior) -> Described:
        return _described(self.of_effect(prior))


def _as_bambi_centres(spec: Spec, p: str) -> bool:
    """Whether the prior of a predictor's intercept is where Bambi has it if it centres columns."""
    priors = spec.priors.predictor(p)
    return priors.intercept is None or (
        priors.intercept_at_means and not _counted_otherwise(spec.design.predictor(p))
    )


@dataclass
class _Columns:
    """Columns that have to be made, under names that the data have not."""

    taken: frozenset[str]
    made: dict[str, Made] = field(default_factory=dict)

    def add(self, term: str, shares: Mapping[str, float], values: Floats) -> str:
        """The name of a sum of columns; of one that is made already, that one's."""
        name = names.identifier(term) + ("" if set(shares) == {term} else "_at_means")
        return self._put(name, Made(sum_text(shares), values))

    def known(self, formula: Formula, values: Floats, negative: bool) -> str:
        """The name of the sum of the offsets, or of minus that."""
        text = " + ".join(py_text(parse_expression(text)) for text in formula.offsets)
        return self._put("known_part", Made(f"-({text})" if negative else text, values))

    def indicator(self, name: str, level: str, values: Floats) -> str:
        """The name of a column (n,) that is 1 where a column is at a level."""
        text = f"1.0 * (data[{name!r}].astype(str) == {level!r})"
        return self._put(names.identifier(f"{name}_{level}"), Made(text, np.asarray(values, float)))

    def _put(self, name: str, made: Made) -> str:
        while name in self.taken or self.made.get(name, made).text != made.text:
            name += "_"
        self.made[name] = made
        return name


def _counted_otherwise(predictor: LinearPredictor) -> bool:
    """Whether its means are those of rows that do not count alike, as they do for Bambi."""
    return not np.allclose(predictor.means, predictor.X.mean(axis=0), rtol=1e-12, atol=0)


def _check(spec: Spec) -> None:
    design = spec.design
    theirs = spec.family.elsewhere
    if theirs.bambi is None or not theirs.bambi_builtin:
        raise ModelError(
            f"the {spec.family.name} family is not written for Bambi; it has its own or none"
        )
    for a in design.across if design.mu.parameter == MU else ():
        raise ModelError(
            f"Bambi has no correlations between effects on several parameters, and those of "
            f"{a.name} ({', '.join(a.terms)}) are correlated here: leave out the id, and write "
            f"(x || {a.name})"
        )
    for p in design.further if design.mu.parameter == MU else ():
        if p not in theirs.bambi_parameters:
            raise ModelError(f"{p} of the {spec.family.name} family is no parameter of Bambi's")
    for p in design.further:
        link, mirrored = spec.family.parameter_link(p), p in theirs.bambi_rest
        if link.name not in _LINKS or (mirrored and not getattr(link, "symmetric", True)):
            why = f", whose {theirs.bambi_parameters[p]} is 1 - {p}" if mirrored else ""
            raise ModelError(f"{p} has the {link.name} link here, which it has not in Bambi{why}")
    for g in (g for p in design.predictors for g in p.factors):
        if g.correlated:
            raise ModelError(
                f"Bambi has no correlations between group effects, and those of {g.name} "
                f"({', '.join(g.terms)}) are correlated here: write (x || {g.name})"
            )
    if design.formula.response.se is not None:
        raise ModelError("Bambi has no known standard errors; code('brms') has")
    if design.weights is not None and not theirs.bambi_weights:
        raise ModelError(
            "Bambi has weights that count a row several times, and these for "
            f"{' and '.join(n for n, f in FAMILIES.items() if f.elsewhere.bambi_weights)} alone; "
            f"write the rows of the {spec.family.name} family one by one, or use code('brms')"
            if spec.family.repeats_rows
            else f"Bambi has weights that count a row several times, and weights() of the "
            f"{spec.family.name} family divide its variance"
        )


def _is_numeric(spec: Spec, term: str) -> bool:
    """Whether Bambi reads a term as the one numeric column that it is here."""
    used = used_columns(spec.design.formula).columns
    return term in used and term not in coding_of(spec.design).logical


def _population(
    of: _Of, columns: _Columns, *, shift: bool
) -> tuple[list[str], dict[str, Described]]:
    """Terms of the population part, and the priors of the columns that each of them makes.

    Terms as they are written where Bambi makes the same columns of them, and the priors are about
    their effects; else a numeric column for each effect, less its mean with `shift`.
    """
    mu, priors = of.predictor, of.priors
    first = "1" if parse_terms(of.formula.fixed).intercept else "0"
    left = dict(zip(priors.terms, (a.prior for a in priors.fixef), strict=True))
    if priors.population is None and not shift:
        plain = _as_written(of, left)
        if plain is not None:
            return [first, *plain[0]], plain[1]
    T = np.eye(len(left)) if priors.population is None else priors.population.T
    common, found = [first], {}
    for k, (term, prior) in enumerate(left.items()):
        shares = {term: 1.0} | {t: s for t, s in zip(left, T[:, k], strict=True) if s and t != term}
        values, mean = mu.X @ T[:, k], float(mu.means @ T[:, k])
        if shift:
            shares, values = shares | {names.INTERCEPT: -mean}, values - mean
        if set(shares) == {term} and _is_numeric(of.spec, term):
            name = term
        else:
            name = columns.add(term, shares, values)
        common.append(column(name))
        found[name] = of.described(prior)
    return common, found


def _as_written(
    of: _Of, left: Mapping[str, Prior]
) -> tuple[list[str], dict[str, Described]] | None:
    """The formula's own terms with their priors; None where Bambi might make other columns."""
    terms = parse_terms(of.formula.fixed)
    common, found = [], {}
    for term in terms.terms:
        text = str(term)
        factors = [f.name for f in term.factors if isinstance(f, Name)]
        plain = ":".join(factors)
        coded = [prior for t, prior in left.items() if t.startswith(f"{plain}[")]
        kinds = {prior.pymc()[0] for prior in coded}
        if len(factors) != len(term.factors) or of.predictor.left_out:
            return None
        if plain in left and all(_is_numeric(of.spec, f) for f in factors):
            found[plain] = of.described(left[plain])
        elif len(factors) == 1 and len(kinds) == 1 and terms.intercept:
            found[plain] = _vector(list(map(of.of_effect, coded)))
        else:
            return None
        common.append(text)
    return common, found


def _response(spec: Spec, columns: _Columns | None = None) -> str:
    """The left side; of two labels a column that is 1 at the second: Bambi takes the first."""
    response, levels = spec.design.formula.response, spec.design.response_levels
    parts = [response.text] if response.trials is None else [response.text, response.trials]
    if not all(isinstance(parse_expression(p), Name) for p in parts):
        raise ModelError(f"the response {response.text!r} must be a column of its own for Bambi")
    weights = response.weights
    if weights is not None and not isinstance(parse_expression(weights), Name):
        raise ModelError(f"weights({weights}) must be a column of its own for Bambi")
    logical = all(isinstance(level, bool | np.bool_) for level in levels or ())
    if columns is not None and levels is not None and not logical:
        parts[0] = columns.indicator(spec.design.response, label(levels[-1]), spec.design.y)
    if weights is not None:
        return f"weighted({parts[0]}, {weights})"
    return parts[0] if len(parts) == 1 else f"p({', '.join(parts)})"


def _described(prior: Prior, *, positive: bool = False) -> Described:
    if positive and isinstance(prior, Flat):
        return Described("HalfFlat", {})
    name, arguments = prior.pymc()
    return Described(name, {k: _number(v) for k, v in arguments.items()})


def _vector(priors: Sequence[Prior]) -> Described:
    """One prior, of one kind, for the columns of a category, with an argument for each."""
    name, first = priors[0].pymc()
    return Described(name, {k: [_number(p.pymc()[1][k]) for p in priors] for k in first})


def _number(value: float) -> float:
    return float(f"{float(value):.12g}")
