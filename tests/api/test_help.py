"""`help()` teaches: what it answers, arguments, results, errors, an example, and where to go on.

Everything that a user can reach by name is walked; what is missing is named.
"""

import inspect
import re

import pytest
from docstrings import examples, failures, runs, shared_fits
from public_api import classes, functions, methods, names, results, sections

import mixedbayes as mb
from mixedbayes.families.chosen import taken
from mixedbayes.families.registry import FAMILIES

CALLED = {
    **functions(),
    **{name: f for name, f in methods().items() if inspect.isfunction(f)},
}
READ = {name: p for name, p in methods().items() if not inspect.isfunction(p)}
KINDS = {**classes(), **{f"result {name}": kind for name, kind in results().items()}}
# They raise nothing of their own.
QUIET = {
    "list_data", "Fit.diagnostics", "Fits.table", "Fits.units", "RegressionTable.to_html",
    "RegressionTable.to_latex", "RegressionTable.to_markdown", "RegressionTable.to_typst",
    "Ways.markdown", "Ways.table",
}  # fmt: skip


def passed_on(doc: str) -> bool:
    """Whether a method says no more than that it is another's, or refused."""
    return bool(re.match(r"(`\w+\.\w+`|Refused:)", doc)) and "\n\n" not in doc


def missing_of_function(name: str, function: object) -> list[str]:
    """What the docstring of a function lacks, in words."""
    doc = inspect.getdoc(function) or ""
    if passed_on(doc):
        return []
    found = sections(doc)
    summary = found[""].strip().split("\n\n")[0]
    lacks = []
    if not re.search(r"[.:?]$", summary) or "\n" in summary:
        lacks.append("one line that ends in a full stop")
    parameters = {*inspect.signature(function).parameters} - {"self"}
    described = set(names(found.get("Parameters", "")))
    if described != parameters:
        lacks.append(f"Parameters {sorted(parameters ^ described)}")
    wanted = {"Returns", "See Also", "Examples"} | (set() if name in QUIET else {"Raises"})
    lacks += sorted(wanted - set(found))
    test = examples(name, doc)
    if test is None or not runs(test):
        lacks.append("an example that runs")
    return lacks


def missing_of_class(name: str, kind: type) -> list[str]:
    """What the docstring of a class lacks."""
    doc = inspect.getdoc(kind) or ""
    found = sections(doc)
    lacks = []
    if not re.search(r"[.:?]$", found[""].strip().split("\n\n")[0]):
        lacks.append("one line that ends in a full stop")
    if name.startswith("result "):
        return lacks
    if not issubclass(kind, Exception):
        parameters = {*inspect.signature(kind).parameters} - {"self"}
        described = set(names(found.get("Parameters", "")))
        if described != parameters:
            lacks.append(f"Parameters {sorted(parameters ^ described)}")
    lacks += [title for title in ("See Also", "Examples") if title not in found]
    test = examples(name, doc)
    if test is None or not runs(test):
        lacks.append("an example that runs")
    return lacks


def see_also(doc: str | None) -> list[str]:
    return re.findall(r"(?m)^([\w., ]+?) : ", sections(doc).get("See Also", ""))


def known(name: str) -> bool:
    """Whether a name in See Also is one: of the package, its namespaces or its results."""
    return any(hasattr(kind, name) for kind in (mb, mb.families, mb.priors, *results().values()))


def test_functions_and_methods_are_described():
    lacks = {name: missing_of_function(name, f) for name, f in CALLED.items()}
    assert {name: what for name, what in lacks.items() if what} == {}


def test_classes_are_described():
    lacks = {name: missing_of_class(name, kind) for name, kind in KINDS.items()}
    assert {name: what for name, what in lacks.items() if what} == {}


def test_properties_say_what_they_are():
    assert [n for n, p in READ.items() if not (inspect.getdoc(p) or "").strip()] == []


def test_see_also_names_what_there_is():
    strangers = {}
    for name, described in {**CALLED, **KINDS}.items():
        others = see_also(inspect.getdoc(described))
        strangers[name] = [other for other in others if not known(other)]
    assert {name: others for name, others in strangers.items() if others} == {}


@pytest.mark.parametrize("kind", FAMILIES.values(), ids=lambda kind: kind.name)
def test_families_say_the_links_that_they_have(kind):
    """Those of the mean in their order, and of each further parameter that may have a formula."""
    said = sections(inspect.getdoc(kind))["Parameters"]
    of_mean, of_others = (
        re.search(rf"(?m)^{entry}\n((?:    .*\n?)+)", said)[1] for entry in ("link", "links")
    )
    of_others = re.sub(r"``.*?``", "", " ".join(of_others.split()))  # without the example
    assert links_of(of_mean) == [link.__name__ for link in kind.mean_links]
    told = re.findall(r"((?:\w+(?:, | and )?)+): ((?:[^.]|\.(?=\w))+)\.", of_others)
    told = {name: links_of(links) for names, links in told for name in re.split(", | and ", names)}
    wanted = {p.name: [link.__name__ for link in taken(p)] for p in kind.declared if p.formula}
    assert told == (wanted or {"None": []})


def links_of(text: str) -> list[str]:
    return re.findall(r"mb\.(\w+)\(\)", text)


def test_packages_list_what_they_have():
    for space in (mb.families, mb.priors):
        named = re.findall(r"`(\w+)`", inspect.getdoc(space))
        assert [name for name in space.__all__ if name not in named] == []
    named = re.findall(r"`(\w+)`", mb.__doc__)
    described = {*functions(), "Model", "Relation", "families", "priors"}
    assert sorted(described - set(named)) == []


def test_what_lacks_a_section_is_found():
    def f(x: int) -> int:
        """Twice x.

        Parameters
        ----------
        y
            A number.
        """
        return 2 * x

    assert missing_of_function("f", f) == [
        "Parameters ['x', 'y']", "Examples", "Raises", "Returns", "See Also",
        "an example that runs",
    ]  # fmt: skip


# ---- columns -----------------------------------------------------------------------------------

SMOOTH = ("edf", "smooths")
TABLES = (
    "coef", "comparisons", "describe", "draws", "explained", "fitted", "fixef", "hypothesis",
    "icc", "means", "parameters", "pooling", "predict", "prior_sensitivity", "r2", "ranef",
    "residuals", "shrinkage", "slopes", "varcorr", *SMOOTH,
)  # fmt: skip


def asked(fit, name):
    """A table of a fit, with what it has to be told."""
    given = {
        "comparisons": ("Days",), "slopes": ("Days",), "means": ("Subject",),
        "hypothesis": ("Days > 0",), "predict": (fit.model.data.head(3),),
    }  # fmt: skip
    more = {"hypothesis": {"rope": (-1, 1)}}
    found = getattr(fit, name)(*given.get(name, ()), **more.get(name, {}))
    return [*found]


@pytest.mark.parametrize("name", TABLES)
def test_every_column_of_a_table_is_explained(name):
    formula = "Reaction ~ s(Days, k=5) + (1 | Subject)"
    if name not in SMOOTH:
        formula = "Reaction ~ Days + (Days | Subject)"
    fit = mb.fit(formula, mb.load_data("sleepstudy"), seed=1)
    returns = sections(inspect.getdoc(getattr(mb.Fit, name)))["Returns"]
    of_the_user = {"Days", "Subject", "Reaction"}
    explained = set(re.findall(r"\w+", " ".join(re.findall(r"(?m)^ +- ([^:;]+):", returns))))
    assert set(asked(fit, name)) - of_the_user - explained == set()


def test_columns_of_other_tables_are_explained():
    sleep = mb.load_data("sleepstudy")
    lines = mb.fit("Reaction ~ Days + (1 | Subject)", sleep, seed=1)
    slopes = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    made = mb.simulate("y ~ x + (1 | g)", {"g": 20}, 10, sd={"g": 1}, seed=1)
    true = mb.truth(made)
    many = mb.fit_many("Reaction ~ Days", sleep.head(20), by="Subject", seed=1)
    tables = {
        mb.list_data: mb.list_data(),
        mb.compare: mb.compare({"lines": lines, "slopes": slopes}),
        mb.formula_functions: mb.formula_functions(),
        type(true).compare: true.compare(mb.fit("y ~ x + (1 | g)", made, seed=1)),
        type(many).units: many.units(),
        type(many).table: many.table(),
    }
    for function, table in tables.items():
        returns = sections(inspect.getdoc(function))["Returns"]
        explained = set(re.findall(r"\w+", " ".join(re.findall(r"(?m)^ +- ([^:;]+):", returns))))
        assert set(table) - explained - {"Subject"} == set(), function.__name__


# ---- the examples ------------------------------------------------------------------------------

SPACES = {space.__name__: space for space in (mb, mb.families, mb.priors)}
DOCUMENTED = {**SPACES, **CALLED, **KINDS}
DOCS = {name: doc for name, o in DOCUMENTED.items() if examples(name, doc := inspect.getdoc(o))}


@pytest.fixture(scope="module", autouse=True)
def _fits(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, shared_fits():
        patch.chdir(tmp_path_factory.mktemp("examples"))
        yield


@pytest.fixture(autouse=True)
def _no_open_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", DOCS)
def test_examples_print_what_they_say(name):
    assert failures(name, DOCS[name]) == ""


@pytest.mark.parametrize(
    ("example", "fine"),
    [
        (">>> print('mean 10.42')\nmean 10.40", True),
        (">>> print('mean 12.42')\nmean 10.40", False),
        (">>> print('ess 4,024')\ness 3,900", True),
        (">>> print('rows 180')\nrows 181", False),
        (">>> print('a 1.00')\nb 1.00", False),
        (">>> print('row 1, row 2')\nrow 1, ...", True),
        (">>> print('sd 31')  # doctest: +ESTIMATES\nsd 30", True),
        (">>> print('a')\n>>> print('b 1.0\\n\\nc')\nb 1.0\n<BLANKLINE>\nc", False),
        (">>> print('b 1.01\\n\\nc')\nb 1.00\n<BLANKLINE>\nc", True),
    ],
)
def test_examples_are_compared_within_monte_carlo_error(example, fine):
    assert (failures("f", example) == "") == fine
