"""Names, dimensions and coordinates of a model's variables: one place for all formulations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.design.values import label
from mixedbayes.distributions import Flat, Normal
from mixedbayes.errors import DataError, FileError
from mixedbayes.model.spec import Spec
from mixedbayes.priors.types import Assigned, PredictorPriors
from mixedbayes.undasked import keep_dask_unloaded

keep_dask_unloaded()


def model_coords(spec: Spec) -> dict[str, Any]:
    """All coordinates: labels of the rows, terms and levels."""
    out: dict[str, Any] = {names.OBS: spec.design.labels, **spec.family.response_labels}
    if spec.design.several is not None and spec.family.by_response:
        parts = zip(response_names(spec).values(), spec.design.parts, strict=True)
        for k, (name, part) in enumerate(parts):
            out[names.rows_dim(name)] = part.labels
            own = spec.family.of_response(k).response_labels
            out |= {names.of_response(d, name): labels for d, labels in own.items()}
    for name in spec.family.parameters:
        labels = spec.family.labels(name, spec.design)
        if labels is not None:
            out[names.vector_dim(name)] = list(labels)
    for predictor in spec.design.predictors:
        p = predictor.parameter
        if predictor.terms:
            out[names.term_dim(p)] = list(predictor.terms)
        for m in predictor.monotonic:
            out[names.step_dim(m.name, p)] = list(m.steps)
        for g in predictor.groups:
            out[g.level_dim(p)] = g.levels.to_numpy()
            out[names.group_term_dim(g.name, p)] = list(g.terms)
            out[sd_dim(g, p)] = list(g.sd_terms)
            if g.correlated and not spec.design.joined(g.name):
                told = [", ".join(of) for of in g.cor_terms]
                out[cor_dims(g, p)[-1]] = told or list(g.terms)
    for a in spec.design.across:
        out[names.effect_dim(a.name)] = out[names.effect_bis_dim(a.name)] = list(a.terms)
    if (own := spec.design.residual) is not None:
        out.setdefault(names.group_dim(own.name), own.levels.to_numpy())
        out |= own.coords
    return out


def dims_of(spec: Spec) -> dict[str, tuple[str, ...]]:
    """Dimensions of every parameter of the contract, besides chain and draw."""
    out: dict[str, tuple[str, ...]] = {
        name: (names.vector_dim(name),) if name in spec.family.vectors else ()
        for name in spec.family.estimated(spec.design)
    }
    for predictor, priors in zip(spec.design.predictors, spec.priors.predictors, strict=True):
        p = predictor.parameter
        if predictor.intercept:
            out[names.intercept(p)] = ()
        if predictor.terms:
            out[names.fixef(p)] = (names.term_dim(p),)
        for g in predictor.groups:
            term = names.group_term_dim(g.name, p)
            out[names.sd(g.name, p)] = (sd_dim(g, p),)
            out |= {names.law(n, g.name, p): () for n in g.law.estimated}
            own = [names.sd(g.name, p)]
            if g.correlated and not spec.design.joined(g.name):
                own.append(names.cor(g.name, p))
                out[own[1]] = cor_dims(g, p)
            if g.name in priors.placed:
                out |= {names.at_means(name): out[name] for name in own}
            out[names.ranef(g.name, p)] = (g.level_dim(p), term)
    for a in spec.design.across:
        cor = names.cor(a.name)
        out[cor] = (names.effect_dim(a.name), names.effect_bis_dim(a.name))
        if spec.priors.placement(a) is not None:
            out[names.at_means(cor)] = out[cor]
    return out if spec.design.residual is None else out | dict(spec.design.residual.dims)


def sd_dim(g: GroupDesign, parameter: str) -> str:
    """Dimension of a factor's sds: that of its effects, unless some have the same sd."""
    alone = len(g.sd_terms) == len(g.terms)
    return (names.group_term_dim if alone else names.group_sd_dim)(g.name, parameter)


def cor_dims(g: GroupDesign, parameter: str) -> tuple[str, ...]:
    """Dimensions of a factor's correlations: a matrix, or the numbers that a structure has."""
    if g.cor_terms:
        return (names.group_cor_dim(g.name, parameter),)
    return (
        names.group_term_dim(g.name, parameter),
        names.group_term_bis_dim(g.name, parameter),
    )


def check_labels(spec: Spec, tree: xr.DataTree) -> None:
    """Draws from elsewhere have the levels, terms and rows of this model, in its order.

    Raises
    ------
    FileError
        Naming the first label that differs.
    """
    coords = model_coords(spec)
    for node in tree.subtree:
        for dim, found in node.to_dataset(inherit=False).coords.items():
            if dim not in coords:
                continue
            kept, own = (_texts(labels) for labels in (found.to_numpy(), coords[str(dim)]))
            if kept != own:
                pairs = enumerate(zip(kept, own, strict=False))
                k = next((k for k, (a, b) in pairs if a != b), None)
                where = (
                    f"{len(kept)} labels of {dim!r}, {len(own)} in the data"
                    if k is None
                    else f"{kept[k]!r} as label {k + 1} of {dim!r}, where the data have {own[k]!r}"
                )
                raise FileError(
                    f"the draws ({node.path}) have {where}: draws and data do not belong together; "
                    "fit again"
                )


def _texts(labels: Any) -> list[str]:
    return [label(value) for value in pd.Index(labels).tolist()]


def response_name(spec: Spec) -> str:
    """Name of the observed variable: the response's, kept apart from every other name."""
    return names.response(spec.design.response, frozenset(name for name, _ in _named(spec)))


def response_names(spec: Spec) -> dict[str, str]:
    """The observed variables of several responses of different families, by response."""
    assert spec.design.several is not None
    taken = frozenset(name for name, _ in _named(spec))
    return {name: names.response(name, taken) for name in spec.design.several.names}


def response_dims(spec: Spec, k: int, name: str) -> tuple[str, ...]:
    """Dimensions of the observed variable of the k-th of several responses."""
    own = spec.family.of_response(k).response_labels
    return (names.rows_dim(name), *(names.of_response(d, name) for d in own))


def check_names(spec: Spec) -> None:
    """Every variable and dimension of the model has a name of its own.

    Raises
    ------
    DataError
        Naming two that would share one, before anything is sampled.
    """
    seen: dict[str, str] = {}
    for name, what in _named(spec):
        other = seen.setdefault(name, what)
        if other != what:
            raise DataError(
                f"{other} and {what} would both be called {name!r} in the results; rename a column"
            )


def _named(spec: Spec) -> Iterator[tuple[str, str]]:
    """Names of variables and dimensions in PyMC's model and in a fit, and what each is of."""
    for name in spec.family.parameters:
        yield name, f"the parameter {name}"
        yield names.at_means(name), f"the parameter {name} at the means"
        if name in spec.family.vectors:
            yield names.vector_dim(name), f"the elements of {name}"
    for predictor in spec.design.predictors:
        p = predictor.parameter
        priors = spec.priors.predictor(p)
        of = "" if p == "mu" else f" of {p}"
        yield from ((name, f"what is called {name} otherwise") for name in names.of_predictor(p))
        fixef = names.fixef(p)
        whole = fixef if priors.population is None else names.at_means(fixef)
        for _, name, term in coefficient_parts(spec, whole, priors):
            yield name, f"the coefficient{of} of {term}"
        for m in predictor.monotonic:
            yield names.average_step(m.name, p), f"the average step{of} of {m.name}"
            yield names.simplex(m.name, p), f"the shares{of} of the steps of {m.name}"
            yield names.step_dim(m.name, p), f"the steps{of} of {m.name}"
        for g in predictor.groups:
            yield g.level_dim(p), f"the levels of {g.name}"
            for name in names.of_group(g.name, p, len(g.blocks)):
                yield name, f"the effects of {g.name}{of}"
            sd = names.sd(g.name, p)
            for whole in (sd, names.at_means(sd)):
                for _, name, term in parts(spec, whole, g.sd_terms, priors.sd[g.name]):
                    yield name, f"the effects of {g.name}{of} on {term}"
    for a in spec.design.across:
        for name in names.of_across(a.name, len(a.blocks)):
            yield name, f"the effects of {a.name}"
    if spec.design.residual is not None:
        own = spec.design.residual
        for symbol in own.symbols:
            yield symbol, f"the correlation of residuals, {symbol}"
            yield names.partial_residual(symbol), f"the numbers behind {symbol}"
        for name in own.coords:
            yield name, f"what correlations of residuals are of, {name}"


def coefficient_parts(
    spec: Spec, name: str, priors: PredictorPriors
) -> Iterator[tuple[int, str, str]]:
    """`parts` of a predictor's coefficients, but for those of monotonic effects."""
    plain = set(priors.plain)
    every = parts(spec, name, priors.terms, priors.fixef)
    return (found for found in every if found[0] in plain)


def parts(
    spec: Spec, name: str, labels: tuple[str, ...], priors: tuple[Assigned, ...]
) -> Iterator[tuple[int, str, str]]:
    """Elements of a vector that some model has as variables of their own: place, name, label.

    Where priors are of several kinds; and coefficients that the marginal model cannot integrate.
    """
    alike = len({type(a.prior) for a in priors}) <= 1
    integrated = all(isinstance(a.prior, Normal | Flat) for a in priors)
    coefficients = name in (names.FIXEF, names.at_means(names.FIXEF))
    marginal = coefficients and spec.closed_form_obstacle is None
    if not alike or (marginal and not integrated):
        yield from ((k, names.part(name, label), label) for k, label in enumerate(labels))
