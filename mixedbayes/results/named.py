"""Every number of a fit by its name, as tables have it: what statements and draws are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.design.values import label
from mixedbayes.errors import FormulaError, ModelError
from mixedbayes.formula.statements import FUNCTIONS, plain
from mixedbayes.formula.tokens import Token, tokenize
from mixedbayes.results.icc import KINDS, icc
from mixedbayes.results.own_priors import Quantity, quantities
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import r2
from mixedbayes.results.ranef import constant_intercept
from mixedbayes.results.statements import match, no_name

LEVELS = ("coef", "ranef")
DERIVED = ("icc", "r2")


@dataclass(frozen=True, eq=False)
class OfLevel:
    """A group effect or a coefficient of one level: `ranef[Subject=308, Days]`."""

    kind: str  # "coef" or "ranef"
    parameter: str
    group: GroupDesign
    level: int
    term: str  # bare, "Intercept"

    @property
    def name(self) -> str:
        level = _quoted(label(self.group.levels[self.level]))
        term = names.label(self.parameter, self.term)
        return f"{self.kind}[{_quoted(self.group.name)}={level}, {term}]"


class _Unknown(Exception):
    """A text that names no level or effect: the fact and the remedy."""


class Named:
    """The named numbers of a posterior, found by what a user writes, with their draws.

    - population effects as in `fixef`: `Days`, `Intercept`, `sigma_Intercept`, `x[low|middle]` of
      cs(x); also `fixef[Days]`;
    - `sd_Subject[Days]`, `cor_Subject[Intercept, Days]`;
    - of correlated residuals `rho`, `theta`, `range`: `rho[lag 1]`, `rho[drug, 1, 2]`;
    - the family's own parameters: `sigma`, `thresholds[low|high]`; also `parameters[sigma]`;
    - `coef[Subject=308, Days]` and `ranef[Subject=308, Days]`, of combined levels
      `ranef[batch:cask=A:a, Intercept]` or `ranef[batch=A, cask=a]`;
    - `icc[Subject]`, `icc[Subject, unadjusted]`, `r2[marginal]`, `r2[conditional]`.
    """

    def __init__(self, post: Posterior) -> None:
        self.post = post
        self._levels: dict[str, OfLevel] = {}

    # ---- numbers with a prior of their own -----------------------------------------------------

    @cached_property
    def own(self) -> dict[str, Quantity]:
        """By the name that is shown: what several share is shown by its longer name."""
        found = list(quantities(self.post))
        short = [q.name for q in found]
        return {q.name if short.count(q.name) == 1 else _longer(q): q for q in found}

    @cached_property
    def _spelled(self) -> dict[str, str]:
        """Every way to write a name, and the name."""
        ways: dict[str, list[str]] = {}
        for name, q in self.own.items():
            for way in {name, q.name, q.label, _longer(q), *_by_group(q)}:
                ways.setdefault(way, []).append(name)
        for name in self.derived:
            ways.setdefault(name, []).append(name)
            if name.startswith("icc") and not name.endswith(f", {KINDS[1]}]"):
                ways.setdefault(f"{name[:-1]}, {KINDS[0]}]", []).append(name)
        return {way: found[0] for way, found in ways.items() if len(found) == 1}

    @cached_property
    def icc_names(self) -> tuple[str, ...]:
        """Of each factor and of all, adjusted and then unadjusted."""
        groups = [_quoted(g.name) for g in self.post.design.mu.factors]
        every = [*groups, "all"] if len(groups) > 1 else groups
        return *(f"icc[{g}]" for g in every), *(f"icc[{g}, {KINDS[1]}]" for g in every)

    @cached_property
    def derived(self) -> tuple[str, ...]:
        """Shares of variance: intraclass correlations and R2."""
        kinds = ("marginal", "conditional") if self.icc_names else ("marginal",)
        return *self.icc_names, *(f"r2[{kind}]" for kind in kinds)

    @property
    def names(self) -> list[str]:
        """Of everything but levels."""
        return [*self.own, *self.derived]

    # ---- levels --------------------------------------------------------------------------------

    def of_levels(self, kind: str) -> Iterator[OfLevel]:
        """Every effect, or coefficient, of every level, level by level, as tables have them."""
        for p, g in self._factors():
            terms = self._terms(kind, p, g)
            yield from (OfLevel(kind, p, g, j, t) for j in range(g.n_levels) for t in terms)

    def _factors(self) -> list[tuple[str, GroupDesign]]:
        return [(p.parameter, g) for p in self.post.predictors for g in p.factors]

    def _terms(self, kind: str, parameter: str, g: GroupDesign) -> tuple[str, ...]:
        constant = kind == "coef" and constant_intercept(self.post, g, parameter)
        return (names.INTERCEPT, *g.terms) if constant else g.terms

    def _located(self, text: str) -> OfLevel:
        """What `coef[...]` or `ranef[...]` stands for; _Unknown, with the reason."""
        kind, inner = text.split("[", 1)
        kind, inner = kind.strip(), inner.strip().removesuffix("]")
        keys, rest = _pieces(inner)
        factors = self._factors()
        if not factors:
            raise _Unknown("the model has no group effects", "its names are those of fixef()")
        example = self._example(kind)
        if not keys:
            raise _Unknown(f"`{text}` names no level", f"write for example {example}")
        if len(rest) > 1:
            raise _Unknown(f"`{text}` names {len(rest)} effects", f"write for example {example}")
        groups = {g.name: g for _, g in factors}
        group = next((g for g in groups.values() if _is_of(g, keys)), None)
        if group is None:
            raise _Unknown(
                f"{':'.join(keys)} is no grouping factor of this model",
                f"it has {', '.join(groups)}: write for example {example}",
            )
        level = self._level(group, keys)
        terms = {
            names.label(p, t): (p, g, t)
            for p, g in factors
            if g.name == group.name
            for t in self._terms(kind, p, g)
        }
        wanted = rest[0] if rest else (next(iter(terms)) if len(terms) == 1 else None)
        if wanted is None:
            raise _Unknown(f"`{text}` does not say which effect", f"name one of {', '.join(terms)}")
        term = match(wanted, terms)
        if term is None:
            raise _Unknown(
                f"no effect `{wanted}` varies over {group.name}", f"these do: {', '.join(terms)}"
            )
        p, g, bare = terms[term]
        return OfLevel(kind, p, g, level, bare)

    def _level(self, g: GroupDesign, keys: dict[str, str]) -> int:
        if len(keys) == 1:
            known = self.post.once(("levels", g.name), lambda: _codes(g.levels.tolist()))
            ((_, wanted),) = keys.items()
            found = match(wanted, known)
            if found is None:
                fact, remedy = no_name(wanted, list(known))
                raise _Unknown(fact.replace("no quantity", f"no level of {g.name} called"), remedy)
            return int(known[found])
        inside = np.ones(g.n_levels, bool)
        for factor in g.factors:
            wanted = next(v for k, v in keys.items() if plain(k) == plain(factor))
            parts = [label(v) for v in g.parts[factor].tolist()]
            found = match(wanted, list(dict.fromkeys(parts)))
            if found is None:
                fact, remedy = no_name(wanted, list(dict.fromkeys(parts)))
                raise _Unknown(fact.replace("no quantity", f"no level of {factor} called"), remedy)
            inside &= np.array([part == found for part in parts])
        if not inside.any():
            said = ", ".join(f"{k}={v}" for k, v in keys.items())
            raise _Unknown(f"no row of the data has {said}", "levels that occur are in ranef()")
        return int(np.argmax(inside))

    def _example(self, kind: str) -> str:
        p, g = self._factors()[0]
        return OfLevel(kind, p, g, 0, self._terms(kind, p, g)[0]).name

    # ---- what statements ask -------------------------------------------------------------------

    def find(self, text: str) -> str | None:
        name = match(text, self._spelled)
        if name is not None:
            return self._spelled[name]
        if not text.replace(" ", "").startswith(tuple(f"{kind}[" for kind in LEVELS)):
            return None
        try:
            found = self._located(text)
        except _Unknown:
            return None
        self._levels[found.name] = found
        return found.name

    def unknown(self, text: str) -> tuple[str, str]:
        if text.replace(" ", "").startswith(tuple(f"{kind}[" for kind in LEVELS)):
            try:
                self._located(text)
            except _Unknown as reason:
                fact, remedy = reason.args
                return str(fact), str(remedy)
        shared = [name for name, q in self.own.items() if text in (q.name, q.label)]
        if len(shared) > 1:
            return f"`{text}` may be {' or '.join(shared)}", "write which"
        fact, remedy = no_name(text, self.names)
        if text.endswith(")"):
            stop = "" if remedy.endswith("?") else "."
            remedy = f"{remedy}{stop} Functions are {', '.join(FUNCTIONS)}"
        return fact, remedy

    def quantity(self, name: str) -> Quantity | OfLevel | None:
        """What a name found stands for; None for shares of variance."""
        return self.own.get(name) or self._levels.get(name)

    def draws(self, name: str) -> Floats:
        found = self.quantity(name)
        if isinstance(found, Quantity):
            return found.draws
        if isinstance(found, OfLevel):
            return self.level_draws(found)
        if name not in self.derived:
            raise ModelError(f"{name!r} is not a name that was found")
        return self._share(name)

    def level_draws(self, of: OfLevel) -> Floats:
        """(S,) of one level's effect or coefficient."""
        post, p, g = self.post, of.parameter, of.group
        population = post.population(of.term, p) if of.kind == "coef" else 0.0
        if of.term not in g.terms:  # an intercept that all levels share
            return np.asarray(population)
        post.need_ranef(g.name, p)
        values = post.idata["posterior"][names.ranef(g.name, p)]
        dims = g.level_dim(p), names.group_term_dim(g.name, p)
        one = values.isel({dims[0]: of.level, dims[1]: g.terms.index(of.term)})
        own = one.transpose(names.CHAIN, names.DRAW).to_numpy().reshape(-1)
        return np.asarray(own, float) + population

    def _share(self, name: str) -> Floats:
        kind, inner = name.removesuffix("]").split("[", 1)
        if kind == "r2":
            return np.asarray(r2(self.post, draws=True)[inner]).reshape(-1)
        place, number = self.icc_names.index(name), len(self.icc_names) // 2
        which, k = KINDS[place // number], place % number
        values = icc(self.post, draws=True)[which].isel(group=k)
        return np.asarray(values.transpose(names.CHAIN, names.DRAW)).reshape(-1)


# ---- names ---------------------------------------------------------------------------------------


def _longer(q: Quantity) -> str:
    """A name that says what it is of."""
    match q.kind:
        case "fixef" | "intercept" | "average":
            term = q.term or names.INTERCEPT
            return f"fixef[{names.label(q.predictor, term)}]"
        case "family" | "share" | "residual":
            return f"parameters[{q.label}]"
    return q.label


def _by_group(q: Quantity) -> list[str]:
    """`sd_batch:cask[...]` beside `sd_batch_cask[...]`; `sd_g[sigma_x]` beside `sd_sigma_g[x]`.

    Of a correlation, with its two terms in either order.
    """
    if q.kind not in ("sd", "cor"):
        return []
    tag, ways = names.prefix(q.predictor), []
    if q.told not in ("", q.kind):  # range_g[time]
        groups = {q.group, names.identifier(q.group)}
        ways += [f"{q.told}_{tag}{group}[{q.terms[0]}]" for group in groups]
    for terms in {q.terms, q.terms[::-1]}:
        bare = ", ".join(terms)
        full = ", ".join(names.label(q.predictor, term) for term in terms)
        ways += [f"{q.parameter}[{bare}]", f"{q.kind}_{tag}{q.group}[{bare}]"]
        ways.append(f"{q.kind}_{q.group}[{full}]")
    return ways


def _codes(levels: list[object]) -> dict[str, int]:
    return {label(level): code for code, level in enumerate(levels)}


def _is_of(g: GroupDesign, keys: dict[str, str]) -> bool:
    written = {plain(key) for key in keys}
    return written in ({plain(g.name)}, {plain(factor) for factor in g.factors})


def _quoted(text: str) -> str:
    """A level or factor in brackets, in quotes where it would else be read otherwise."""
    try:
        keys, rest = _pieces(text)
    except _Unknown:
        keys, rest = {}, []
    if not keys and rest == [text]:
        return text
    return f"'{text}'" if '"' in text else f'"{text}"'


def _pieces(text: str) -> tuple[dict[str, str], list[str]]:
    """`g=1, x` as {"g": "1"} and ["x"]: what stands between commas outside brackets."""
    try:
        tokens = tokenize(text)
    except FormulaError as error:
        raise _Unknown(
            f"`{text}` is not understood", 'put a level with signs in it in quotes: g="a&b"'
        ) from error
    keys: dict[str, str] = {}
    rest: list[str] = []
    depth, piece, key = 0, list[Token](), ""
    for token in tokens:
        mark = token.value if token.kind == "op" else ""
        depth += (mark in ("(", "[")) - (mark in (")", "]"))
        if token.kind == "end" or (mark == "," and depth == 0):
            value = _text(text, piece)
            if key:
                keys[key] = value
            elif value:
                rest.append(value)
            piece, key = [], ""
        elif mark == "=" and depth == 0 and not key:
            key, piece = _text(text, piece), []
        else:
            piece.append(token)
    return keys, rest


def _text(text: str, piece: list[Token]) -> str:
    """The text of some tokens, without quotes around it."""
    if not piece:
        return ""
    if len(piece) == 1 and piece[0].kind in ("string", "column"):
        return piece[0].value
    return text[piece[0].span.start : piece[-1].span.end]
