"""Where the numbers come from: code that makes them again, settings, versions, times."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib.metadata import version
from typing import Any

from mixedbayes.distributions import Prior
from mixedbayes.printable import escaped
from mixedbayes.report.source import Source, paragraph
from mixedbayes.results.text import html_facts

PACKAGES = ("mixedbayes", "pymc", "nutpie", "numba", "arviz", "numpy", "scipy", "pandas", "xarray")


def session(source: Source) -> str:
    """The last section of the page."""
    return (
        paragraph("The same draws again, with the same data and versions:")
        + f"<pre><code>{escaped(code(source))}</code></pre>"
        + html_facts(list(_facts(source)))
    )


def code(source: Source) -> str:
    """The call that made the fit; `data` is the user's data frame."""
    formula = source.post.design.formula
    texts = formula.texts
    said = repr(texts[0]) if len(texts) == 1 else f"[{', '.join(map(repr, texts))}]"
    family, given = source.post.family, source.post.priors.given
    chosen = source.post.made.formulation
    options = {
        "family": f"mb.{type(family).__name__}(link=mb.{type(family.link).__name__}())",
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
    made = {
        str(attrs[k]): str(attrs.get(f"{k}_version", ""))
        for k in ("creation_library", "inference_library", "modeling_interface")
        if k in attrs
    }
    if made:
        yield "fitted by", ", ".join(f"{name} {number}".strip() for name, number in made.items())
    yield "reported by", ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    yield "Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}"
