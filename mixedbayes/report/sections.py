"""The parts of the page."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from typing import Any

from mixedbayes.checks.check import check
from mixedbayes.distributions import Prior
from mixedbayes.errors import MixedBayesError, ModelError
from mixedbayes.families.registry import written
from mixedbayes.interop.code import code
from mixedbayes.printable import escaped
from mixedbayes.report.equations import model_equations, other_forms
from mixedbayes.report.estimates import check_figures, estimate_figures, population_figures
from mixedbayes.report.mathml import mathml
from mixedbayes.report.pictures import Figure, effect_figures, pooling_figures, shrinkage_figures
from mixedbayes.report.smooths import smooth_figures
from mixedbayes.report.source import Source, folded, or_reason, paragraph
from mixedbayes.report.tables import html_frame, tables
from mixedbayes.results.described import describe_model
from mixedbayes.results.text import Section, html_columns, html_facts
from mixedbayes.sample.convergence import ConvergenceReport

WORST = 30  # quantities in the table of diagnostics
TARGETS = ("lme4", "brms", "bambi", "pymc")


@dataclass(frozen=True)
class Part:
    """One section: the name in its link, its title, its HTML."""

    key: str
    title: str
    body: str


def parts(source: Source, *, checks: bool) -> list[Part]:
    """All sections, in the order of the page."""
    said = _checks(source) if checks else paragraph("Not run: the report was made without them.")
    seen = _pictures("checks", source, of_each(check_figures))
    effects = _pictures("population", source, of_each(population_figures))
    asked = _pictures("means", source, of_each(estimate_figures))
    return [
        Part("summary", "Summary", _summary(source)),
        Part("model", "Model", _model(source)),
        Part("population", "Population effects", effects),
        *_curves(source),
        Part("means", "Means and comparisons", asked),
        Part("shrinkage", "Shrinkage", _pictures("shrinkage", source, of_rows(shrinkage_figures))),
        Part("pooling", "Pooling", _pictures("pooling", source, of_rows(pooling_figures))),
        Part("effects", "Group effects", _pictures("effects", source, of_each(effect_figures))),
        Part("tables", "Tables", tables(source)),
        Part("checks", "Checks", seen + said),
        Part("diagnostics", "Diagnostics", _diagnostics(source)),
        Part("session", "Session", session(source)),
    ]


def of_each(make: Callable[[Source], list[Figure]]) -> Callable[[Source], list[Figure]]:
    """The pictures of every response, where there are several, with its name."""

    def made(source: Source) -> list[Figure]:
        if not source.responses:
            return make(source)
        found, reasons = list[Figure](), dict[str, list[str]]()
        for name, own in source.responses.items():
            try:
                found += [replace(f, title=f"{name}: {f.title}") for f in make(own)]
            except MixedBayesError as reason:
                reasons.setdefault(str(reason), []).append(name)
        if not found:
            raise ModelError("; ".join(f"{', '.join(of)}: {why}" for why, of in reasons.items()))
        return found

    return made


def of_rows(make: Callable[[Source], list[Figure]]) -> Callable[[Source], list[Figure]]:
    """`of_each`, of pictures that show the rows of each level."""

    def made(source: Source) -> list[Figure]:
        source.post.design.need_rows("a picture of levels")
        return of_each(make)(source)

    return made


def _curves(source: Source) -> list[Part]:
    """The section of the smooths, where there are any."""
    if not any(p.smooths for p in source.post.predictors):
        return []
    return [Part("smooths", "Smooths", _pictures("smooths", source, of_each(smooth_figures)))]


# ---- summary ----------------------------------------------------------------------------------


def _summary(source: Source) -> str:
    found = source.summary
    notes = "".join(paragraph(line, "note") for line in found.footnotes)
    return (
        html_facts(found.facts)
        + _verdict(found.health)
        + f'<div class="scroll">{_sections(found.heads, found.sections)}</div>'
        + notes
    )


def _sections(heads: tuple[str, ...], sections: tuple[Section, ...]) -> str:
    head = "".join(f'<th class="number">{escaped(h)}</th>' for h in heads)
    rows = [f"<thead><tr><th></th>{head}</tr></thead>"]
    for section in sections:
        heading = f'<tr><th colspan="{len(heads) + 1}">{escaped(section.title)}</th></tr>'
        rows.append(f"<tbody>{heading}")
        for row in section.rows:
            cells = "".join(f'<td class="number">{escaped(c)}</td>' for c in row.cells)
            empty = "" if row.cells else f' colspan="{len(heads) + 1}"'
            label = f'<td class="indent{row.indent}"{empty}>{escaped(row.label)}</td>'
            rows.append(f"<tr>{label}{cells}</tr>")
        rows.append("</tbody>")
    return f'<table class="summary">{"".join(rows)}</table>'


def _verdict(health: ConvergenceReport) -> str:
    first, *rest = str(health).splitlines()
    items = "".join(f"<li>{escaped(line[2:])}</li>" for line in rest)
    kind = "good" if health.ok else "look"
    return paragraph(first, kind) + (f"<ul>{items}</ul>" if items else "")


# ---- model ------------------------------------------------------------------------------------


def _model(source: Source) -> str:
    spec = source.post.spec
    said = describe_model(spec, source.post.made.formulation)
    equation = or_reason("equations", lambda: _equation(model_equations(spec)))
    forms = folded(
        "The same model in its textbook forms",
        or_reason("other forms", lambda: "".join(_forms(source))),
    )
    elsewhere = folded("The same model for other packages", "".join(_elsewhere(source)))
    priors = f'<div class="scroll">{html_columns(said.priors)}</div>'
    return f"{equation}<h3>Priors</h3>{priors}{forms}{elsewhere}"


def _equation(latex: str) -> str:
    return f'<div class="scroll">{mathml(latex)}</div>'


def _forms(source: Source) -> Iterator[str]:
    if source.responses:
        raise ModelError(f"these are of one response, and there are {', '.join(source.responses)}")
    for key, title, says, latex in other_forms(source.post):
        yield f"<h4>{escaped(key)}: {escaped(title)}</h4>{paragraph(says)}{_equation(latex)}"


def _elsewhere(source: Source) -> Iterator[str]:
    for target in TARGETS:

        def written(target: str = target) -> str:
            source.post.design.need_rows(f"the code of {target}")
            return f"<pre><code>{escaped(code(source.post.spec, target))}</code></pre>"  # type: ignore[arg-type]

        yield f"<h4>{target}</h4>" + or_reason(f"{target} code", written)


# ---- pictures ---------------------------------------------------------------------------------


def _pictures(key: str, source: Source, make: Callable[[Source], list[Figure]]) -> str:
    """A list to choose from where there are several; the page draws what is chosen."""
    return or_reason("picture", lambda: _chooser(key, make(source)))


def _chooser(key: str, figures: list[Figure]) -> str:
    if not figures:
        raise ModelError("the model has none")
    options = "".join(
        f'<option value="{k}">{escaped(f.title)}</option>' for k, f in enumerate(figures)
    )
    hidden = " hidden" if len(figures) == 1 else ""
    chooser = f'<p{hidden}><label>Picture <select class="chooser">{options}</select></label></p>'
    shown = "".join(
        f'<figure id="{key}-{k}"{"" if k == 0 else " hidden"}>'
        f"<figcaption>{escaped(f.says)}</figcaption>"
        f'<div class="controls"></div><div class="plot" role="img" aria-label="{escaped(f.title)}">'
        f'</div><script type="application/json">{f.json()}</script></figure>'
        for k, f in enumerate(figures)
    )
    return f'<div class="pictures">{chooser}{shown}</div>'


# ---- checks and diagnostics -------------------------------------------------------------------


def _checks(source: Source) -> str:
    def run() -> str:
        report = check(source.post)
        found = "".join(
            _finding(f.title, f.said, f.look, html_frame(f.table, most=200) if len(f.table) else "")
            for f in report.findings
        )
        return paragraph(report.verdict, "good" if report.ok else "look") + found

    return or_reason("checks", run)


def _finding(title: str, said: str, look: bool, table: str) -> str:
    mark = '<span class="mark look">look</span>' if look else '<span class="mark good">ok</span>'
    text = f"{mark} <b>{escaped(title)}</b>: {escaped(said)}"
    if not table:
        return f'<p class="finding">{text}</p>'
    return f'<details class="finding"><summary>{text}</summary>{table}</details>'


def _diagnostics(source: Source) -> str:
    health = source.summary.health
    worst = health.table.sort_values("ess_bulk", kind="stable").head(WORST)
    said = f"The {len(worst)} of {len(health.table):,} quantities with the fewest effective draws:"
    bfmi = ", ".join(f"{b:.2f}" for b in health.bfmi)
    facts = [
        ("divergences", f"{health.divergences:,} of {health.draws:,}"),
        *[("trees at full depth", f"{health.saturated:,}")] * _of_trees(source),
        ("E-BFMI by chain", bfmi or "not known"),
    ]
    table = html_frame(worst.reset_index(names="quantity"))
    return _verdict(health) + html_facts(facts) + paragraph(said) + table


def _of_trees(source: Source) -> bool:
    """Whether the sampler's trajectories are trees, which are cut off at a depth."""
    known = "sample_stats" in source.post.idata.children
    return known and "reached_max_treedepth" in source.post.sample_stats()


# ---- where the numbers come from ---------------------------------------------------------------


PACKAGES = ("mixedbayes", "pymc", "nutpie", "numba", "arviz", "numpy", "scipy", "pandas", "xarray")


def session(source: Source) -> str:
    """The last section of the page."""
    known = source.post.made.settings.seed is not None
    said = (
        "The same draws again, with the same data and versions:"
        if known
        else "The same model, fitted here; the draws above are those of a trace, and not repeated:"
    )
    return (
        paragraph(said)
        + f"<pre><code>{escaped(session_code(source))}</code></pre>"
        + html_facts(list(_facts(source)))
    )


def session_code(source: Source) -> str:
    """The call that made the fit; `data` is the user's data frame."""
    formula = source.post.design.formula
    texts = formula.texts
    said = repr(texts[0]) if len(texts) == 1 else f"[{', '.join(map(repr, texts))}]"
    family, given = source.post.family, source.post.priors.given
    chosen = source.post.made.formulation
    options = {
        "family": written(family),
        "residual": "" if formula.residual is None else repr(formula.residual.text),
        "priors": _python(given) if given else "",
        "formulation": chosen.engine.code(chosen.groups),
    }
    s = source.post.made.settings
    for name in ("draws", "tune", "chains", "seed", "sampler", "target_accept", "max_treedepth"):
        options[name] = repr(getattr(s, name))
    lines = [f"    {name}={value}," for name, value in options.items() if value not in ("", "None")]
    return "\n".join(
        ["import mixedbayes as mb", "", "fit = mb.fit(", f"    {said},", "    data,", *lines, ")"]
    )


def _python(value: Any) -> str:
    """Priors as code."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {_python(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Prior):
        arguments = ", ".join(f"{f.name}={getattr(value, f.name):.12g}" for f in fields(value))
        return f"mb.{type(value).__name__}({arguments})"
    return repr(value)


def _facts(source: Source) -> Iterator[tuple[str, str]]:
    attrs = {**source.post.idata.attrs, **source.post.draws.attrs}
    f = source.post.made.formulation
    yield "formulation", f"{f}: {f.reason}"
    if source.post.made.note:
        yield "note", source.post.made.note
    if "created_at" in attrs:
        yield "fitted", str(attrs["created_at"])
    times = {
        "sampling_time": "in all",
        "compile_time": "preparing and compiling",
        "tuning_time": "tuning",
    }
    said = [f"{said} {float(attrs[k]):.2f} s" for k, said in times.items() if k in attrs]
    if said:
        yield "time", ", ".join(said)
    if "inference_method" in attrs:
        yield "sampled by", str(attrs["inference_method"])
    made = {
        str(attrs[k]): str(attrs.get(f"{k}_version", ""))
        for k in ("creation_library", "inference_library", "modeling_interface")
        if k in attrs
    }
    if made:
        yield "fitted by", ", ".join(f"{name} {number}".strip() for name, number in made.items())
    yield "reported by", ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    yield "Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}"
