"""Draws as data frames: long or wide, of the library of your choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.design.values import label
from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.results.fitted import fitted
from mixedbayes.results.named import LEVELS, Named, OfLevel
from mixedbayes.results.own_priors import AVERAGE, SHARE, Quantity
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import coef_draws, ranef_draws
from mixedbayes.results.statements import evaluated, no_name

Library = Literal["pandas", "polars", "arrow", "pyarrow"]

POPULATION = ("fixef", "sd", "cor", "parameters")
WHAT = (*POPULATION, *LEVELS, "predictions")
_KINDS = {
    "fixef": ("intercept", "fixef", AVERAGE),
    "sd": ("sd",),
    "cor": ("cor",),
    "parameters": ("family", SHARE, "residual"),
}
_LABELS = ("parameter", "group", "level", "term", "term2", "element", names.OBS, names.CATEGORY)
_MOST_BYTES = 2e9
_REMEDY = {"polars": "pip install mixedbayes[polars]", "pyarrow": "pip install pyarrow"}
_BACKEND: dict[str, Literal["polars", "pyarrow"]] = {
    "polars": "polars",
    "arrow": "pyarrow",
    "pyarrow": "pyarrow",
}


@dataclass(frozen=True)
class _Block:
    """Quantities of one kind: their labels, and when asked for their draws (S, K)."""

    what: str
    quantities: Sequence[str]  # (K,)
    labels: Sequence[Mapping[str, Any]]  # (K,)
    values: Callable[[], Floats]


def draws(
    post: Posterior,
    what: str | Sequence[str] | None = None,
    *,
    wide: bool = False,
    library: Library = "pandas",
) -> Any:
    """The posterior's draws as a data frame.

    Parameters
    ----------
    post
        The posterior.
    what
        One or several of "fixef", "sd", "cor", "parameters" (the family's own, such as sigma, and
        those of correlated residuals),
        "coef" and "ranef" (of every level), "predictions" (expected values of the rows used, on the
        response scale, as in `fitted`); or names and expressions as `hypothesis` has them,
        ``["Days", "coef[Subject=308, Days]", "sd_Subject[Days] / sigma"]``. By default the first
        four: all but group effects and predictions.
    wide
        One row per draw and a column for each quantity, in the place of a row for each draw and
        quantity.
    library
        Of the data frame: "pandas", "polars" or "arrow" (a table of pyarrow), whatever that of the
        data was.

    Returns
    -------
    DataFrame
        Long, by default:

        - chain, draw: numbers, from 0;
        - what: "fixef", "sd", "cor", ...;
        - quantity: the name by which `hypothesis` knows it;
        - parameter (where further parameters have formulas), group, level, term, term2 (of
          correlations), element (of vectors), obs (row of the data), category: those of its labels
          that are of use;
        - value: the draw.

        All draws of a quantity stand together, in the order of tables. In pandas labels are
        categorical, in this order; levels of one factor that are no text keep their type. Wide:
        columns chain, draw, and one for each quantity by its name. All on the link scale but
        predictions.

    Raises
    ------
    ModelError
        There is nothing of what is asked for, only summaries of the group effects were kept, or the
        data frame would take more than 2 GB.
    FormulaError
        An expression is not understood; carets show the place.
    MissingExtraError
        The library is not installed.

    See Also
    --------
    describe : Statistics of them.
    hypothesis : Probabilities of statements about them.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> long = fit.draws()
    >>> long.drop(columns="value").head(3)
       chain  draw   what   quantity group       term term2
    0      0     0  fixef  Intercept   NaN  Intercept   NaN
    1      0     1  fixef  Intercept   NaN  Intercept   NaN
    2      0     2  fixef  Intercept   NaN  Intercept   NaN
    >>> wide = fit.draws(["Days", "coef[Subject=308, Days]"], wide=True)
    >>> wide.shape, wide.columns.tolist()
    ((4000, 4), ['chain', 'draw', 'Days', 'coef[Subject=308, Days]'])
    >>> len(fit.draws("coef"))
    144000
    """
    _check_library(library)
    blocks = _asked(post, what)
    chains, n = post.shape
    columns = _size(blocks, chains * n, wide)
    chain, draw = np.repeat(np.arange(chains), n), np.tile(np.arange(n), chains)
    if wide:
        seen = dict.fromkeys(name for block in blocks for name in block.quantities)
        found = {name: column for block in blocks for name, column in _columns(block)}
        table = {names.CHAIN: chain, names.DRAW: draw}
        # Only a predictor of the user's can be called as these.
        called = {name: f"fixef[{name}]" if name in table else name for name in seen}
        return _made(table | {called[name]: found[name] for name in seen}, library)
    values = np.concatenate([block.values().T.reshape(-1) for block in blocks])
    K, S = len(values) // (chains * n), chains * n
    long: dict[str, Any] = {names.CHAIN: np.tile(chain, K), names.DRAW: np.tile(draw, K)}
    for name in columns:
        long[name] = _repeated(_label_values(blocks, name), S, library)
    return _made(long | {"value": values}, library)


# ---- what is asked for ---------------------------------------------------------------------------


def _asked(post: Posterior, what: str | Sequence[str] | None) -> list[_Block]:
    named = Named(post)
    if what is None:
        found = [_block(post, named, each) for each in POPULATION]
        blocks = [block for block in found if block is not None]
        if not blocks:
            raise ModelError('the model has no population effects or parameters; ask for "ranef"')
        return blocks
    several = [what] if isinstance(what, str) else list(what) if isinstance(what, Sequence) else []
    if not several or not all(isinstance(each, str) for each in several):
        raise ModelError(
            f"what={what!r}: name one or several of {', '.join(WHAT)}, or quantities such as "
            f"{', '.join(named.names[:2])}"
        )
    blocks = []
    for each in dict.fromkeys(several):
        block = _block(post, named, each) if each in WHAT else _one(post, named, each)
        if block is None:
            raise ModelError(_nothing(post, each))
        blocks.append(block)
    return blocks


def _nothing(post: Posterior, what: str) -> str:
    if what == "parameters":
        return f"the {post.family.name} family has no parameters of its own beside its formulas"
    if what == "cor":
        return "no effects of this model are correlated"
    return f"the model has no {'population' if what == 'fixef' else 'group'} effects"


def _block(post: Posterior, named: Named, what: str) -> _Block | None:
    """Everything of one kind; None where the model has nothing of it."""
    if what == "predictions":
        return _predictions(post)
    if what in LEVELS:
        return _of_levels(post, named, what)
    own = {name: q for name, q in named.own.items() if q.kind in _KINDS[what]}
    if not own:
        return None
    labels = [_labels(q, bool(post.design.further)) for q in own.values()]
    return _Block(what, list(own), labels, lambda: np.column_stack([q.draws for q in own.values()]))


def _labels(q: Quantity, further: bool) -> dict[str, Any]:
    of: dict[str, Any] = {}
    if further:
        own = q.kind in _KINDS["parameters"]
        of["parameter"] = q.parameter if own else names.owner(q.predictor)

    def full(term: str) -> str:
        return term if q.across else names.label(q.predictor, term)

    match q.kind:
        case "intercept":
            return of | {"term": q.parameter}
        case "fixef" | "average":
            return of | {"term": full(q.term)}
        case "sd":
            return of | {"group": q.group, "term": full(q.term)}
        case "cor":
            if q.across and further:
                of["parameter"] = ", ".join(dict.fromkeys(map(names.owner, q.across)))
            return of | {"group": q.group, "term": full(q.terms[0]), "term2": full(q.terms[1])}
    return of | ({"element": q.term} if q.terms else {})


def _of_levels(post: Posterior, named: Named, what: str) -> _Block | None:
    found = list(named.of_levels(what))
    if not found:
        return None

    def values() -> Floats:
        tree = (coef_draws if what == "coef" else ranef_draws)(post, None)
        parts = []
        for x in tree.data_vars.values():
            own = x.transpose(names.CHAIN, names.DRAW, ...).to_numpy()
            parts.append(own.reshape(post.n_draws, -1))
        return np.concatenate(parts, axis=1)

    further = bool(post.design.further)
    return _Block(what, [of.name for of in found], [_level(of, further) for of in found], values)


def _level(of: OfLevel, further: bool) -> dict[str, Any]:
    parameter = {"parameter": names.owner(of.parameter)} if further else {}
    level = of.group.levels[of.level]
    term = names.label(of.parameter, of.term)
    return parameter | {"group": of.group.name, "level": level, "term": term}


def _predictions(post: Posterior) -> _Block:
    post.need_same_predictors("draws of predictions")
    post.design.need_rows("draws of predictions")
    rows, categories = pd.Index(post.design.labels).tolist(), post.family.categories(post.design)
    if categories is None:
        labels = [{names.OBS: row} for row in rows]
        quantities = [f"prediction[{label(row)}]" for row in rows]
    else:
        labels = [{names.OBS: r, names.CATEGORY: str(c)} for r in rows for c in categories]
        quantities = [f"prediction[{label(row)}, {c}]" for row in rows for c in categories]

    def values() -> Floats:
        x = fitted(post, draws=True).transpose(names.CHAIN, names.DRAW, ...).to_numpy()
        return np.asarray(x.reshape(post.n_draws, -1))

    return _Block("predictions", quantities, labels, values)


def _one(post: Posterior, named: Named, text: str) -> _Block:
    """One named quantity, or an expression."""
    name = named.find(text)
    if name is not None:
        q = named.quantity(name)
        further = bool(post.design.further)
        of: Mapping[str, Any] = {}
        what = name.split("[")[0]
        if isinstance(q, Quantity):
            of = _labels(q, further)
            what = next(kind for kind, kinds in _KINDS.items() if q.kind in kinds)
        elif isinstance(q, OfLevel):
            of = _level(q, further)
        return _Block(what, [name], [of], lambda: named.draws(name)[:, None])
    if text.isidentifier():
        fact, remedy = no_name(text, [*WHAT, *named.names])
        raise ModelError(f"what={text!r}: {fact}; {remedy}")
    (found,) = evaluated([text], named, post.shape[0])
    if found.truth:
        raise ModelError(
            f"what={text!r} compares: hypothesis({text!r}, draws=True) has in which draws it holds"
        )
    (estimate,) = found.values  # noqa: PD011
    return _Block("expression", [found.text], [{}], lambda: estimate[:, None])


# ---- the data frame ------------------------------------------------------------------------------


def _size(blocks: Sequence[_Block], S: int, wide: bool) -> list[str]:
    """The label columns of the long table; ModelError where a table would be too large."""
    used = {key for block in blocks for of in block.labels for key in of}
    columns = ["what", "quantity", *(name for name in _LABELS if name in used)]
    K = sum(len(block.quantities) for block in blocks)
    size = 8.0 * S * K * (1 if wide else 3 + len(columns) / 2)
    if size > _MOST_BYTES:
        largest = max(blocks, key=lambda block: len(block.quantities))
        other = "" if wide else f"wide=True, which takes {8e-9 * S * K:,.1f} GB; "
        raise ModelError(
            f"{K:,} quantities x {S:,} draws would take {size / 1e9:,.1f} GB, more than "
            f"{_MOST_BYTES / 1e9:.0f} GB: ask for {other}for single quantities by name, such as "
            f"{largest.quantities[0]!r}; or for the table that {largest.what} has without draws"
        )
    return columns


def _columns(block: _Block) -> list[tuple[str, Floats]]:
    return list(zip(block.quantities, block.values().T, strict=True))


def _label_values(blocks: Sequence[_Block], name: str) -> list[Any]:
    """(K,) one label of every quantity; None where it has none."""
    if name == "what":
        return [block.what for block in blocks for _ in block.quantities]
    if name == "quantity":
        return [q for block in blocks for q in block.quantities]
    return [of.get(name) for block in blocks for of in block.labels]


def _repeated(values: list[Any], S: int, library: Library) -> Any:
    """Labels (K,), each for S draws: numbers and times as they are, else text."""
    index = pd.Index(values)
    if index.dtype.kind in "biufmM" and None not in values:
        return np.repeat(index.to_numpy(), S)
    texts = [None if value is None else label(value) for value in values]
    known = list(dict.fromkeys(text for text in texts if text is not None))
    codes = {text: code for code, text in enumerate(known)} | {None: -1}
    at = np.repeat(np.array([codes[text] for text in texts], np.int32), S)
    if library == "pandas":
        return pd.Categorical.from_codes(at, known)
    return np.array([*known, None], object)[at].tolist()


def _check_library(library: str) -> None:
    if library not in ("pandas", *_BACKEND):
        raise ModelError(f'library={library!r}: use "pandas", "polars" or "arrow"')


def _made(columns: dict[str, Any], library: Library) -> Any:
    if library == "pandas":
        return pd.DataFrame(columns)
    import narwhals as nw

    try:
        import_module(_BACKEND[library])
    except ImportError as e:
        remedy = f'{_REMEDY[_BACKEND[library]]}, or use library="pandas"'
        raise MissingExtraError(f"library={library!r} is not installed: {remedy}") from e
    return nw.from_dict(columns, backend=_BACKEND[library]).to_native()
