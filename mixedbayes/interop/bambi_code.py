"""A model for Bambi: as code, and as an object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixedbayes import names
from mixedbayes.design import coding_of
from mixedbayes.design.functions import REGISTERED
from mixedbayes.design.types import Design, Floats
from mixedbayes.design.used import used_columns
from mixedbayes.distributions import Flat, Prior
from mixedbayes.errors import FormulaError, MissingExtraError, ModelError
from mixedbayes.families.registry import FAMILIES
from mixedbayes.formula import parse_expression, parse_terms
from mixedbayes.formula.nodes import Call, Literal, Name, Node, Operation, Paren, Sign, column
from mixedbayes.interop.writing import parts
from mixedbayes.model.spec import Spec

type Value = float | list[float] | Described


@dataclass(frozen=True)
class Described:
    """A prior as Bambi has it: name and arguments, which may be priors themselves."""

    name: str
    arguments: dict[str, Value]

    def text(self) -> str:
        shown = [
            f"{k}={v.text() if isinstance(v, Described) else repr(v)}"
            for k, v in self.arguments.items()
        ]
        return f"bmb.Prior({', '.join([repr(self.name), *shown])})"

    def build(self, bambi: Any) -> Any:
        made = {
            k: v.build(bambi) if isinstance(v, Described) else np.asarray(v)
            for k, v in self.arguments.items()
        }
        return bambi.Prior(self.name, **made)


@dataclass(frozen=True, eq=False)
class Made:
    """A column that the data have not: as code, and its values (n,)."""

    text: str
    values: Floats


@dataclass(frozen=True, eq=False)
class BambiModel:
    """The arguments of bambi.Model besides the data, and columns that it needs in them."""

    formula: str
    family: str
    link: str
    priors: dict[str, Described]
    center: bool
    columns: dict[str, Made]
    complete: tuple[str, ...]  # columns whose missing values leave rows out

    def text(self) -> str:
        priors = [f"        {name!r}: {prior.text()}," for name, prior in self.priors.items()]
        columns = [f"        {name!r}: {made.text}," for name, made in self.columns.items()]
        about = ["# numeric columns of the effects that the priors are about"]
        rows = f"data = data.dropna(subset={list(self.complete)!r})"
        imports = ["import numpy as np"] if any("np." in c for c in columns) else []
        return "\n".join(
            [
                "import bambi as bmb",
                *imports,
                "",
                *([rows] if self.complete else []),
                *(
                    [*about, "data = data.assign(", "    **{", *columns, "    }", ")"]
                    * bool(columns)
                ),
                "model = bmb.Model(",
                f"    {self.formula!r},",
                "    data,",
                f"    family={self.family!r},",
                f"    link={self.link!r},",
                f"    center_predictors={self.center},",
                "    priors={",
                *priors,
                "    },",
                ")",
            ]
        )


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

    Examples
    --------
    >>> model.to_bambi().fit()  # doctest: +SKIP
    """
    wanted = described(spec)
    try:
        import bambi
    except ImportError as e:
        raise MissingExtraError("to_bambi() needs Bambi: pip install mixedbayes[bambi]") from e
    return bambi.Model(
        wanted.formula,
        spec.design.frame.assign(**{k: made.values for k, made in wanted.columns.items()}),
        family=wanted.family,
        link=wanted.link,
        center_predictors=wanted.center,
        priors={name: prior.build(bambi) for name, prior in wanted.priors.items()},
    )


def described(spec: Spec) -> BambiModel:
    """What to pass to bambi.Model; ModelError where Bambi cannot express it."""
    _check(spec)
    design, priors = spec.design, spec.priors.mu
    theirs = spec.family.elsewhere
    family, own = str(theirs.bambi), theirs.bambi_parameters
    used = used_columns(design.formula).columns
    columns = _Columns(frozenset(used))
    common, found = _population(spec, columns)
    if priors.intercept is not None:
        found = {names.INTERCEPT: _described(priors.intercept.prior)} | found
    bars = []
    for g in design.mu.groups:
        group = ":".join(map(column, g.factors))
        for k, (term, assigned) in enumerate(zip(g.terms, priors.sd[g.name], strict=True)):
            effect = "1" if term == names.INTERCEPT else term
            if effect != "1" and not _is_numeric(spec, term):
                effect = columns.add(term, {term: 1.0}, g.Z[:, k])
            bars.append(f"(1|{group})" if effect == "1" else f"(0 + {column(effect)}|{group})")
            spread = _described(assigned.prior, positive=True)
            found[f"{effect}|{g.name}"] = Described("Normal", {"mu": 0.0, "sigma": spread})
    if design.mu.offset is not None:
        common.append(f"offset({columns.known(design)})")
    for name, assigned in spec.priors.parameters.items():
        positive = not spec.family.parameter(name).real
        found[own[name]] = _described(assigned.prior, positive=positive)
    formula = f"{_response(spec)} ~ {' + '.join([*common, *bars])}"
    center = priors.intercept is None or (
        priors.intercept_at_means and not _counted_otherwise(spec)
    )
    complete = tuple(used) if design.dropped else ()
    link = spec.family.link.name
    return BambiModel(formula, family, link, found, center, columns.made, complete)


@dataclass
class _Columns:
    """Columns that have to be made, under names that the data have not."""

    taken: frozenset[str]
    made: dict[str, Made] = field(default_factory=dict)

    def add(self, term: str, shares: Mapping[str, float], values: Floats) -> str:
        """The name of a sum of columns; of one that is made already, that one's."""
        name = names.identifier(term) + ("" if set(shares) == {term} else "_at_means")
        return self._put(name, Made(sum_text(shares), values))

    def known(self, design: Design) -> str:
        """The name of the sum of the offsets."""
        assert design.mu.offset is not None
        texts = [py_text(parse_expression(text)) for text in design.formula.offsets]
        return self._put("known_part", Made(" + ".join(texts), design.mu.offset))

    def _put(self, name: str, made: Made) -> str:
        while name in self.taken or self.made.get(name, made).text != made.text:
            name += "_"
        self.made[name] = made
        return name


def _counted_otherwise(spec: Spec) -> bool:
    """Whether the priors are at means in which rows do not count alike, as they do for Bambi."""
    mu, priors = spec.design.mu, spec.priors.mu
    at_means = priors.intercept is not None and priors.intercept_at_means
    return at_means and not np.allclose(mu.means, mu.X.mean(axis=0), rtol=1e-12, atol=0)


def _check(spec: Spec) -> None:
    design = spec.design
    theirs = spec.family.elsewhere
    if theirs.bambi is None or not theirs.bambi_builtin:
        raise ModelError(
            f"the {spec.family.name} family is not written for Bambi; it has its own or none"
        )
    for g in design.mu.groups:
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


def _population(spec: Spec, columns: _Columns) -> tuple[list[str], dict[str, Described]]:
    """Terms of the population part, and the priors of the columns that each of them makes.

    Terms as they are written where Bambi makes the same columns of them, and the priors are about
    their effects; else a numeric column for each effect.
    """
    mu, priors = spec.design.mu, spec.priors.mu
    written = parse_terms(spec.design.formula.fixed)
    first = "1" if written.intercept else "0"
    left = dict(zip(priors.terms, (a.prior for a in priors.fixef), strict=True))
    shift = _counted_otherwise(spec)
    if priors.population is None and not shift:
        plain = _as_written(spec, left)
        if plain is not None:
            return [first, *plain[0]], plain[1]
    T = np.eye(len(left)) if priors.population is None else priors.population.T
    common, found = [first], {}
    for k, (term, prior) in enumerate(left.items()):
        shares = {term: 1.0} | {t: s for t, s in zip(left, T[:, k], strict=True) if s and t != term}
        values, mean = mu.X @ T[:, k], float(mu.means @ T[:, k])
        if shift:
            shares, values = shares | {names.INTERCEPT: -mean}, values - mean
        if set(shares) == {term} and _is_numeric(spec, term):
            name = term
        else:
            name = columns.add(term, shares, values)
        common.append(column(name))
        found[name] = _described(prior)
    return common, found


def _as_written(
    spec: Spec, left: Mapping[str, Prior]
) -> tuple[list[str], dict[str, Described]] | None:
    """The formula's own terms with their priors; None where Bambi might make other columns."""
    terms = parse_terms(spec.design.formula.fixed)
    common, found = [], {}
    for term in terms.terms:
        text = str(term)
        factors = [f.name for f in term.factors if isinstance(f, Name)]
        plain = ":".join(factors)
        coded = [prior for t, prior in left.items() if t.startswith(f"{plain}[")]
        kinds = {prior.pymc()[0] for prior in coded}
        if len(factors) != len(term.factors) or spec.design.mu.left_out:
            return None
        if plain in left and all(_is_numeric(spec, f) for f in factors):
            found[plain] = _described(left[plain])
        elif len(factors) == 1 and len(kinds) == 1 and terms.intercept:
            found[plain] = _vector(coded)
        else:
            return None
        common.append(text)
    return common, found


def _response(spec: Spec) -> str:
    response = spec.design.formula.response
    parts = [response.text] if response.trials is None else [response.text, response.trials]
    if not all(isinstance(parse_expression(p), Name) for p in parts):
        raise ModelError(f"the response {response.text!r} must be a column of its own for Bambi")
    if response.weights is not None:
        if not isinstance(parse_expression(response.weights), Name):
            raise ModelError(f"weights({response.weights}) must be a column of its own for Bambi")
        return f"weighted({parts[0]}, {response.weights})"
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


# ---- columns as pandas and NumPy expressions ---------------------------------------------------


_LEVEL = re.compile(r"(?P<name>.*?)\[(?P<level>[^\]]*)\]", re.DOTALL)


def py_text(node: Node) -> str:
    """An expression of numbers in NumPy; ModelError for what is not one number for each row."""
    match node:
        case Name(name=name):
            return f"data[{name!r}].astype(float)"
        case Literal(value=int() | float(), text=text):
            return text
        case Paren(inner=inner):
            return f"({py_text(inner)})"
        case Sign(operator=operator, operand=operand):
            return f"{operator}{py_text(operand)}"
        case Operation(operator=operator, left=left, right=right):
            return f"{py_text(left)} {operator} {py_text(right)}"
        case Call(function="I", arguments=(inner,), keywords=()):
            return f"({py_text(inner)})"
        case Call(function="center", arguments=(inner,), keywords=()):
            return f"(({py_text(inner)}) - ({py_text(inner)}).mean())"
        case Call(function="scale", arguments=(inner,), keywords=()):
            return (
                f"({py_text(Call('center', (inner,), (), node.span))} / ({py_text(inner)}).std())"
            )
        case Call(function=function, arguments=arguments, keywords=()) if isinstance(
            REGISTERED.get(function), np.ufunc
        ):
            return f"np.{function}({', '.join(map(py_text, arguments))})"
    what = f"{node.function}()" if isinstance(node, Call) else "a part of the formula"
    raise ModelError(
        f"{what} is not written with NumPy here: make its columns numeric columns of the data, and "
        "use these in the formula"
    )


def column_text(term: str) -> str:
    """The column of a term: ``1.0 * data['x'].astype(float) * (data['f'].astype(str) == 'b')``."""
    return " * ".join(["1.0", *map(_factor, parts(term))])


def _factor(part: str) -> str:
    found = _LEVEL.fullmatch(part)
    text = part if found is None else found["name"]
    try:
        node = parse_expression(text)
    except FormulaError:
        node = None
    call = node if isinstance(node, Call) else None  # else it is a column's own name
    if found is None:
        return f"data[{_name(text, node)!r}].astype(float)" if call is None else _value(call)
    match call:
        case Call(function="C", arguments=(Name(name=name),), keywords=()):
            pass
        case None:
            name = _name(text, node)
        case _:
            raise ModelError(
                f"the columns of {text!r} are not written with NumPy here: make them numeric "
                "columns of the data, and use these in the formula"
            )
    return f"(data[{name!r}].astype(str) == {found['level']!r})"


def _name(text: str, node: Node | None) -> str:
    return node.name if isinstance(node, Name) else text


def _value(call: Call) -> str:
    return f"({py_text(call)})"


def sum_text(shares: Mapping[str, float]) -> str:
    """A sum of columns, each times its share; the intercept's is a number."""
    out = ""
    for term, share in shares.items():
        sign = "-" if share < 0 else "+" if out else ""
        size = [] if abs(share) == 1 and term != names.INTERCEPT else [f"{abs(share):.17g}"]
        value = [] if term == names.INTERCEPT else [column_text(term)]
        out += f" {sign} {' * '.join(size + value)}"
    return out.strip()
