"""The reference: every public function, class and method, from its docstring."""

from __future__ import annotations

import inspect
from typing import Any

from docstring_markdown import markdown

import mixedbayes as mb

# Methods by what they are for; one that is in no list is in the last, so that none is missing.
METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "tables": (
        "Tables",
        ("summary", "describe", "fixef", "ranef", "coef", "varcorr", "parameters", "vcov", "icc",
         "r2", "explained", "shrinkage", "pooling", "smooths", "edf", "fitted", "residuals",
         "by_batch", "draws", "diagnostics"),
    ),
    "questions": (
        "Predictions and questions",
        ("predict", "condition_on", "missing", "imputed", "grid", "means", "comparisons", "slopes",
         "hypothesis", "posterior_predictive", "prior_predictive", "simulate"),
    ),
    "checks": (
        "Checks and comparison",
        ("check", "loo", "kfold", "log_likelihood", "log_evidence", "prior_sensitivity",
         "pp_check"),
    ),
    "pictures": ("Pictures", ()),
    "output": (
        "Reports, papers, files",
        ("report", "explore", "table", "methods", "ways", "save", "code"),
    ),
}  # fmt: skip
FUNCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "fitting": (
        "Fitting", ("fit", "Model", "Fit", "fit_many", "load", "from_bambi", "from_pymc", "source"),
    ),
    "several": (
        "Several fits and data",
        ("average", "compare", "bayes_factor", "table", "ways", "pooling", "plot_data",
         "plot_funnel"),
    ),
    "data": (
        "Data, simulation, planning",
        ("load_data", "list_data", "describe_data", "simulate", "simulate_simpson", "truth",
         "study"),
    ),
    "formulas": ("Formulas", ("formula_functions",)),
    "relations": ("Known relations", ("Relation", "pedigree", "phylogeny", "car", "icar")),
    "sampling": (
        "Formulations",
        ("Marginal", "Quadrature", "PartiallyCentered", "NonCentered", "Centered"),
    ),
    "priors": (
        "Distributions of priors",
        ("Normal", "StudentT", "Cauchy", "Flat", "Uniform", "HalfNormal", "HalfStudentT",
         "HalfCauchy", "Exponential", "Gamma", "InverseGamma", "LKJ", "Dirichlet"),
    ),
    "errors": (
        "Errors",
        ("MixedBayesError", "FormulaError", "DataError", "PriorError", "ModelError",
         "SamplingError", "FileError", "MissingExtraError"),
    ),
}  # fmt: skip


def reference(made: Any) -> None:
    """Write one page for each topic, and their list."""
    pages = [*_functions(made), *_methods(made)]
    lines = ["# Reference", "", "From the docstrings: `help(mb.fit)` says the same.", ""]
    lines += ["```{toctree}", ":maxdepth: 2", "", *pages, "```", ""]
    made.write("reference/index.md", "\n".join(lines))


def _functions(made: Any) -> list[str]:
    named = {n for _, names in FUNCTIONS.values() for n in names}
    links = tuple(n for n in mb.__all__ if n in _LINKS)
    families = tuple(n for n in mb.families.__all__)
    left = [n for n in mb.__all__ if n not in named | {"__version__", "families", "priors"}]
    left = [n for n in left if n not in links and not _is_family(getattr(mb, n))]
    topics = {**FUNCTIONS, "links": ("Links", links)}
    if left:
        topics["other"] = ("Other", tuple(left))
    for name, (title, members) in topics.items():
        entries = [_entry(f"mixedbayes.{m}", getattr(mb, m)) for m in members if hasattr(mb, m)]
        made.write(f"reference/{name}.md", _page(title, entries))
    entries = [_entry(f"mixedbayes.families.{f}", getattr(mb.families, f)) for f in families]
    entries.append(_entry("mixedbayes.custom", mb.custom))
    made.write("reference/families.md", _page("Classes of families", entries))
    return [*topics, "families"]


_LINKS = ("Identity", "Log", "Logit", "Probit", "Cloglog", "Inverse", "TanHalf", "Softplus")


def _is_family(value: Any) -> bool:
    from mixedbayes.families.base import Family

    return value is mb.custom or (isinstance(value, type) and issubclass(value, Family))


def _methods(made: Any) -> list[str]:
    found: dict[str, list[str]] = {name: [] for name in METHODS}
    topic = {m: name for name, (_, members) in METHODS.items() for m in members}
    for owner in (mb.Model, mb.Fit):
        for name, value in inspect.getmembers(owner):
            if name.startswith("_") or not (callable(value) or isinstance(value, property)):
                continue
            if owner is mb.Model and hasattr(mb.Fit, name) and callable(value):
                continue  # the same function, said of a fit
            place = topic.get(name, "pictures" if name.startswith("plot_") else "output")
            if owner is mb.Model:
                place = "model"
            entry = _entry(f"mixedbayes.{owner.__name__}.{name}", value)
            found.setdefault(place, []).append(entry)
    titles = {name: f"Fit: {title}" for name, (title, _) in METHODS.items()}
    titles["model"] = "Model: methods"
    for name, entries in found.items():
        made.write(f"reference/fit-{name}.md", _page(titles[name], entries))
    return [f"fit-{name}" for name in ("model", *METHODS)]


def _page(title: str, entries: list[str]) -> str:
    return "\n\n".join([f"# {title}", *entries]) + "\n"


def _entry(name: str, value: Any) -> str:
    """A directive of Sphinx's domain, with the docstring as its content."""
    kind, signature = _kind(name, value), ""
    if kind != "attribute":
        signature = _signature(value)
    doc = inspect.getdoc(value) or ""
    if isinstance(value, property):
        doc = inspect.getdoc(value.fget) or ""
    return f"````````{{py:{kind}}} {name}{signature}\n\n{markdown(doc)}````````"


def _kind(name: str, value: Any) -> str:
    if isinstance(value, property):
        return "attribute"
    if isinstance(value, type):
        return "exception" if issubclass(value, BaseException) else "class"
    return (
        "method" if name.count(".") == 2 and name.split(".")[1] in ("Fit", "Model") else "function"
    )


def _signature(value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "()"
    own = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    own = [p.replace(default=_Shown(p.default)) if p.default is not p.empty else p for p in own]
    return str(inspect.Signature(own))


class _Shown:
    """A default as a signature shows it: no addresses of objects."""

    def __init__(self, value: Any) -> None:
        text = repr(value)
        self.text = "..." if " at 0x" in text or len(text) > 40 else text

    def __repr__(self) -> str:
        return self.text
