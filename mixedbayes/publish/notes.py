"""What stands below a table: what the numbers are, of which models, priors and sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mixedbayes.checks.held_out import Data
from mixedbayes.design.types import Design
from mixedbayes.publish.digits import Asked
from mixedbayes.publish.entries import Column
from mixedbayes.publish.references import cited
from mixedbayes.publish.words import (
    formulas,
    joined,
    likelihood,
    prior_words,
    reference_levels,
)
from mixedbayes.results.summary import diagnostics
from mixedbayes.results.text import plural

_SAID = {"icc": "ICC", "r2": "R²", "elpd": "elpd"}


def notes(columns: Sequence[Column], asked: Asked, digits: int) -> tuple[str, ...]:
    """All notes, each a sentence or a few."""
    found = [_numbers(columns, asked, digits)]
    found += _by_model(columns, "Model", lambda c: _model(c.post.design, c))
    found += _by_model(columns, "Priors", lambda c: "; ".join(prior_words(c.post.spec)))
    found += _by_model(columns, "Reference levels", lambda c: _levels(c.post.design))
    found += _by_model(columns, "Draws", _draws)
    found += _statistics(columns)
    found += _by_model(columns, "Left out", _left_out)
    found += _by_model(columns, "Caution", lambda c: "; ".join(map(_first, c.cautions)))
    found += _by_model(columns, "Not converged", _convergence)
    return tuple(found)


def _by_model(columns: Sequence[Column], what: str, say: Callable[[Column], str]) -> Iterator[str]:
    """What is said of each model: once where it is the same of all."""
    said = [say(c) for c in columns]
    if not any(said):
        return
    if len(set(said)) == 1:
        yield f"{what}: {said[0].rstrip('.')}."
        return
    parts = (f"{c.name}: {s.rstrip('.')}." for c, s in zip(columns, said, strict=True) if s)
    yield f"{what}, " + " ".join(parts)


def _numbers(columns: Sequence[Column], asked: Asked, digits: int) -> str:
    said = f"Posterior {asked.estimate} and {asked.said}"
    ratios = [c for c in columns if c.ratio is not None]
    for name in dict.fromkeys(c.ratio.name for c in ratios if c.ratio):
        of = [c for c in ratios if c.ratio and c.ratio.name == name]
        where = "" if len(of) == len(columns) else f" in {joined([c.name for c in of])}"
        said += f"; {name}{where}: posterior median and {asked.said} of exp() of the effect"
        levels = list(dict.fromkeys(t for c in of for t in c.levels))
        if levels:
            level = next(c.ratio.level for c in of if c.ratio)
            said += f", of {joined(levels)} the {level}"
    kept = f"{digits} significant digit{'s' * (digits > 1)} of the posterior sd"
    said += f". Rounded to {kept}, or to fewer where the Monte Carlo error is larger."
    if any(p.factors for c in columns for p in c.post.predictors):
        said += " sd, cor: standard deviations and correlations of effects over a group's levels."
    if any(p.smooths for c in columns for p in c.post.predictors):
        said += " sd of a smooth: root mean square over the rows of how far the curve bends."
    return said


def _model(design: Design, column: Column) -> str:
    return "; ".join([*filter(None, formulas(design)), likelihood(column.post.family)])


def _levels(design: Design) -> str:
    return ", ".join(f"{factor} {level}" for factor, level in reference_levels(design).items())


def _draws(column: Column) -> str:
    chains, draws = column.post.shape
    said = f"{plural(chains, 'chain')} of {plural(draws, 'draw')} after tuning"
    sets = [p.design.n for p in column.post.data_sets]
    if len(sets) == 1:
        return said
    rows = "" if len(set(sets)) == 1 else "; rows are those of the first"
    return f"{said}, of {len(sets)} imputed data sets{rows}"


def _statistics(columns: Sequence[Column]) -> Iterator[str]:
    kinds = {e.key.kind for c in columns for e in c.entries}
    slopes = any(len(g.terms) > 1 for c in columns for g in c.post.design.mu.factors)
    source = cited("icc", *(["slopes"] if slopes else []))
    said = []
    if "icc" in kinds:
        said.append("ICC: variance of the group effects over theirs and the residual's together")
    if "r2" in kinds:
        both = any(e.key.heading == "conditional" for c in columns for e in c.entries)
        whole = ", conditional: with the group effects" if both else ""
        said.append(f"R²: share of variance explained, marginal: by the population effects{whole}")
    if said:
        yield f"{'. '.join(said)}{_scale(columns)} ({source})."
    if "elpd" in kinds:
        yield (
            "elpd: expected log predictive density of left-out observations, higher is better, "
            f"with its standard error SE ({cited('loo')})."
        )
        yield from _comparable([c for c in columns if any(e.score for e in c.entries)])


def _scale(columns: Sequence[Column]) -> str:
    latent = any(c.post.family.link.name != "identity" for c in columns)
    return ", on the link scale" if latent else ""


def _comparable(columns: Sequence[Column]) -> Iterator[str]:
    """Which scores may be compared with which, where that is not all with all."""
    sets: list[tuple[Data, list[str]]] = []
    why = None
    for c in columns:
        data = Data.of(c.post.design, c.post.family)
        for known, of in sets:
            reason = known.difference(data)
            if reason is None:
                of.append(c.name)
                break
            why = why or reason
        else:
            sets.append((data, [c.name]))
    named = [joined(of) for _, of in sets]
    if len(sets) == 2:
        yield f"The elpd of {named[0]} cannot be compared with that of {named[1]}: {why}."
    elif len(sets) > 2:
        several = [name for name, (_, of) in zip(named, sets, strict=True) if len(of) > 1]
        within = f"only among {'; among '.join(several)}" if several else "between none of these"
        yield f"elpd can be compared {within}: their responses or rows differ."


def _left_out(column: Column) -> str:
    return "; ".join(f"{_SAID[what]} ({_first(why)})" for what, why in column.left_out)


def _first(sentences: str) -> str:
    """What is the matter, without the advice that follows."""
    return sentences.split(". ")[0].rstrip(".")


def _convergence(column: Column) -> str:
    found = diagnostics(column.post)
    return "" if found.ok else str(found).splitlines()[0].removeprefix("Not converged: ")
