"""The pipeline's order, held by walking every import in the package.

A stage imports only stages to its left. Imports inside functions and for type checkers count too,
and no modules import one another in a circle.
Heavy libraries are imported in their stage alone; for type checkers, which load nothing, anywhere.
"""

import ast
from collections.abc import Callable, Collection, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from mixedbayes.engines.registry import ENGINES
from mixedbayes.families.registry import FAMILIES
from mixedbayes.terms.registry import COVARIANCES, LAWS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mixedbayes"
MODULES = sorted(PACKAGE.rglob("*.py"))

# From left to right; `mixedbayes` stands for the public names, `__init__.py`.
STAGES = [
    {"printable"},
    {"errors", "names", "interrupts", "progress", "beside", "undasked"},
    {"linking"},
    {"jit"},
    {"numerics"},
    {"data"},
    {"sources"},
    {"distributions"},
    {"theta"},
    {"smooths"},
    {"terms"},
    {"formula"},
    {"design"},
    {"batches"},
    {"priors"},
    {"families"},
    {"marginal"},
    {"joint"},
    {"quadrature"},
    {"model"},
    {"sample"},
    {"engines"},
    {"results"},
    {"predict"},
    {"estimands"},
    {"checks"},
    {"plots"},
    {"simulation"},
    {"interop"},
    {"teach"},
    {"report"},
    {"explore"},
    {"publish"},
    {"api"},
    {"lab"},
    {"mixedbayes"},
    {"cli", "__main__"},
]
POSITION = {name: i for i, names in enumerate(STAGES) for name in names}

# Where a library that is slow to import, or that one stage hides from the others, may be imported;
# and the one module that may rely on a library's internals.
HOMES = {
    ("pymc", "numpyro", "jax"): ("model/", "sample/", "engines/"),
    ("pytensor",): ("model/", "sample/", "engines/", "families/pytensor_rows.py"),
    ("nutpie",): ("sample/nutpie.py",),
    ("numba.core", "numba.np", "numba.extending._Intrinsic", "llvmlite"): ("jit.py", "linking.py"),
    ("matplotlib", "plotly", "bokeh", "arviz_plots", "seaborn"): ("plots/",),
    ("formulaic",): ("design/columns.py",),
    ("docx", "great_tables", "maketables"): ("publish/",),
    ("duckdb", "ibis", "dask", "distributed"): ("sources/",),
}
LONGEST_MODULE = 500
OWN_FILES = {kind.__module__.split(".")[-1] for kind in FAMILIES.values()}
ENGINE_FILES = {type(engine).__module__ for engine in ENGINES}
FORMULATIONS = {kind.__name__ for engine in ENGINES for kind in engine.formulations}
STRUCTURED = {type(kind).__module__ for kind in (*COVARIANCES.values(), *LAWS.values())}
SAID = FORMULATIONS | {engine.name for engine in ENGINES}


@cache
def nodes(source: str) -> list[ast.AST]:
    """All of a module's tree, which nobody changes; walked once for all rules."""
    return list(ast.walk(ast.parse(source)))


@cache
def for_types(source: str) -> frozenset[int]:
    """Ids of those that only type checkers read."""
    only = [
        node
        for node in nodes(source)
        if isinstance(node, ast.If)
        and getattr(node.test, "attr", getattr(node.test, "id", "")) == "TYPE_CHECKING"
    ]
    return frozenset(id(inner) for node in only for line in node.body for inner in ast.walk(line))


def imports(source: str, package: str, loaded: bool = False) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of every import in a module of `package`.

    `loaded`: but for those that only type checkers read.
    """
    left_out = for_types(source) if loaded else ()
    for node in nodes(source):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(parents if node.level else []), *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def stage(dotted: str) -> str | None:
    """The stage a dotted name belongs to; None outside the package."""
    root, *rest = dotted.split(".")
    if root != PACKAGE.name:
        return None
    return rest[0] if rest and rest[0] in POSITION else root


def own_stage(path: Path) -> str | None:
    """The stage of a module; None where it is in none."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts == (PACKAGE.name, "__init__"):
        return PACKAGE.name
    own = stage(".".join(parts))
    return None if own == PACKAGE.name else own


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def order_violations(source: str, own: str, package: str) -> list[str]:
    found = []
    for line, dotted in imports(source, package):
        other = stage(dotted)
        if other is not None and POSITION[other] > POSITION[own]:
            found.append(f"line {line}: {own} imports {dotted}, which is to its right")
    return found


def home_violations(source: str, path: str, package: str) -> list[str]:
    found = []
    for line, dotted in imports(source, package, loaded=True):
        for libraries, homes in HOMES.items():
            known = [name for name in libraries if f"{dotted}.".startswith(f"{name}.")]
            if known and not path.startswith(homes):
                found.append(f"line {line}: {known[0]} may be imported only in {', '.join(homes)}")
    return found


def found_in(violations: Callable[[str, str, str], list[str]]) -> dict[str, list[str]]:
    """By module, what breaks a rule."""
    each = {p: p.read_text(encoding="utf-8") for p in MODULES}
    found = {name_of(p): violations(s, name_of(p), package_of(p)) for p, s in each.items()}
    return {name: what for name, what in found.items() if what}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def source_violations(source: str, path: str, package: str) -> list[str]:
    """Where a module outside sources/ imports one kind of source, or one format of files."""
    if path.startswith("sources/"):
        return []
    own = ("mixedbayes.sources.kinds", "mixedbayes.sources.formats")
    return [f"line {n}: {dotted}" for n, dotted in imports(source, package)
            if dotted.startswith(own)]  # fmt: skip


def compared(source: str, words: tuple[str, ...], known: Collection[str]) -> list[str]:
    """Where one of these names is compared with something that has one of these words."""
    return [
        f"line {node.lineno}: {c.value}"
        for node in nodes(source)
        if isinstance(node, ast.Compare)
        for c in ast.walk(node)
        if isinstance(c, ast.Constant) and isinstance(c.value, str) and c.value in known
        if any(word in ast.unparse(node) for word in words)
    ]


def family_violations(source: str, path: str, package: str) -> list[str]:
    """Where a module outside families/ imports one family, or compares with its name."""
    if path.startswith("families/") or path == "__init__.py":
        return []
    found = []
    for line, dotted in imports(source, package):
        if dotted.startswith("mixedbayes.families.") and dotted.split(".")[2] in OWN_FILES:
            found.append(f"line {line}: {dotted}")
    return found + compared(source, ("family",), FAMILIES)


def engine_violations(source: str, path: str, package: str) -> list[str]:
    """Where a module imports another's engine, or asks which engine or formulation is at hand."""
    own = f"mixedbayes.{path.removesuffix('.py').replace('/', '.')}"
    if own in ENGINE_FILES or path in ("__init__.py", "engines/registry.py"):
        return []
    found = []
    for line, dotted in imports(source, package):
        if dotted.startswith(tuple(f"{file}." for file in ENGINE_FILES)) or dotted in ENGINE_FILES:
            found.append(f"line {line}: {dotted}")
    for node in nodes(source):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            words = {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node.args[1])}
            found += [f"line {node.lineno}: {name}" for name in words & FORMULATIONS]
    return found + compared(source, ("engine", "formulation"), SAID)


def term_violations(source: str, path: str, package: str) -> list[str]:
    """Where a module outside terms/ takes a covariance's or law's class, or asks for its name.

    The objects that are the defaults, in capitals, may be imported.
    """
    if path.startswith("terms/"):
        return []
    found = []
    for line, dotted in imports(source, package):
        module, _, name = dotted.rpartition(".")
        if dotted in STRUCTURED or (module in STRUCTURED and not name.isupper() and name != "Law"):
            found.append(f"line {line}: {dotted}")
    return found + compared(source, ("covariance", "structure", ".law"), {*COVARIANCES, *LAWS})


def dotted_name(path: Path) -> str:
    own = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return own.removesuffix(".__init__")


def circle(sources: dict[str, str], packages: dict[str, str]) -> list[str]:
    """Modules that import one another, inside functions and for type checkers too; [] if none."""
    graph: dict[str, set[str]] = {}
    for name, source in sources.items():
        found = [dotted for _, dotted in imports(source, packages[name])]
        owners = {d if d in sources else d.rpartition(".")[0] for d in found}
        graph[name] = owners & sources.keys() - {name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_module_imports_another_in_a_circle():
    sources = {dotted_name(p): p.read_text(encoding="utf-8") for p in MODULES}
    assert circle(sources, {dotted_name(p): package_of(p) for p in MODULES}) == []


@pytest.mark.parametrize(
    "back",
    [
        "if TYPE_CHECKING:\n    from mixedbayes.api.model import Model",
        "def save(fit):\n    from mixedbayes.api import model",
        "from .model import Model",
    ],
)
def test_a_circle_is_found(back):
    sources = {
        "mixedbayes.api.model": "from mixedbayes.api.fit import Fit",
        "mixedbayes.api.fit": back,
    }
    found = circle(sources, dict.fromkeys(sources, "mixedbayes.api"))
    assert set(found) == set(sources)


def test_every_module_belongs_to_a_stage():
    strangers = [name_of(p) for p in MODULES if own_stage(p) is None]
    assert MODULES
    assert strangers == []


def test_a_stage_imports_only_stages_to_its_left():
    def order(source: str, path: str, package: str) -> list[str]:
        return order_violations(source, own_stage(PACKAGE / path), package)

    assert found_in(order) == {}


def test_heavy_libraries_stay_in_their_stage():
    assert found_in(home_violations) == {}


def test_no_module_knows_one_family():
    assert found_in(family_violations) == {}


@pytest.mark.parametrize(
    "source",
    [
        "from mixedbayes.families.poisson import Poisson",
        "if post.family.name == 'poisson': pass",
        "wide = family.name in ('gaussian', 'beta')",
    ],
)
def test_a_module_that_knows_one_family_is_found(source):
    assert family_violations(source, "plots/fixef.py", "mixedbayes.plots")


def test_no_module_knows_one_engine():
    assert found_in(engine_violations) == {}


@pytest.mark.parametrize(
    "source",
    [
        "from mixedbayes.engines.marginal import Marginal",
        "from mixedbayes.engines import joint",
        "if isinstance(formulation, mb.Centered | mb.NonCentered): pass",
        "if chosen.engine.name == 'joint': pass",
        "if str(fit.formulation) in ('Marginal', 'other'): pass",
    ],
)
def test_a_module_that_knows_one_engine_is_found(source):
    assert engine_violations(source, "results/fixef.py", "mixedbayes.results")


def test_no_module_knows_one_covariance_or_law():
    assert found_in(term_violations) == {}


@pytest.mark.parametrize(
    "source",
    [
        "from mixedbayes.terms.diagonal import Diagonal",
        "from mixedbayes.terms import unstructured",
        "if g.covariance.name == 'us': pass",
        "if bar.law != 'normal': pass",
    ],
)
def test_a_module_that_knows_one_covariance_or_law_is_found(source):
    assert term_violations(source, "plots/fixef.py", "mixedbayes.plots")


def test_no_module_knows_one_kind_of_source():
    assert found_in(source_violations) == {}


@pytest.mark.parametrize(
    "source",
    [
        "from mixedbayes.sources.kinds.duckdb import Relation",
        "def f():\n    from mixedbayes.sources.formats import csv",
    ],
)
def test_a_module_that_knows_one_kind_of_source_is_found(source):
    assert source_violations(source, "batches/passes.py", "mixedbayes.batches")
    assert source_violations("from mixedbayes.sources import open", "api/model.py", "x") == []


def lines_without_docstrings(source: str) -> int:
    """How long a module is: what `help()` shows of it does not make it harder to follow."""
    described = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = [
        node.body[0]
        for node in nodes(source)
        if isinstance(node, described) and ast.get_docstring(node, clean=False) is not None
    ]
    return len(source.splitlines()) - sum(d.end_lineno - d.lineno + 1 for d in docs)


def test_lines_of_docstrings_do_not_count():
    assert lines_without_docstrings('"""One.\n\nTwo.\n"""\n\nx = """\ny\n"""\n') == 4
    assert lines_without_docstrings('def f():\n    """One."""\n    return 1\n') == 2


def test_no_module_is_too_long():
    lines = {name_of(p): lines_without_docstrings(p.read_text(encoding="utf-8")) for p in MODULES}
    assert {name: n for name, n in lines.items() if n > LONGEST_MODULE} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import mixedbayes.model.build",
        "from mixedbayes.model import build",
        "from mixedbayes import model",
        "from mixedbayes import fit",
        "import mixedbayes as mb",
        "from ..model import build",
        "from .. import model",
        "def f():\n    from mixedbayes.results import icc",
        "if TYPE_CHECKING:\n    from mixedbayes.api import Fit",
        "importlib.import_module('mixedbayes.plots')",
    ],
)
def test_an_import_to_the_right_is_found(source):
    assert len(order_violations(source, "formula", "mixedbayes.formula")) == 1


@pytest.mark.parametrize(
    "source",
    ["from mixedbayes import names", "from .tokens import Token", "from ..errors import DataError"],
)
def test_an_import_to_the_left_or_within_the_stage_is_allowed(source):
    assert order_violations(source, "formula", "mixedbayes.formula") == []


def test_a_heavy_import_outside_its_home_is_found():
    source = "def f():\n    import pymc as pm\n    from matplotlib import pyplot"
    assert len(home_violations(source, "design/types.py", "mixedbayes.design")) == 2
    assert home_violations("import formulaic", "design/columns.py", "mixedbayes.design") == []
    assert len(home_violations("import formulaic", "design/build.py", "mixedbayes.design")) == 1
    for_types = "if TYPE_CHECKING:\n    import pymc as pm\nelse:\n    import nutpie"
    assert home_violations(for_types, "api/model.py", "mixedbayes.api") == [
        "line 4: nutpie may be imported only in sample/nutpie.py"
    ]


@pytest.mark.parametrize(
    "source",
    ["from nutpie import _lib", "import nutpie.sample", "from numba.core import cgutils",
     "import numba.core.caching", "from numba import core", "from numba.np.unsafe import ndarray",
     "from numba.extending import _Intrinsic", "import llvmlite.binding as llvm"],
)  # fmt: skip
def test_internals_of_libraries_are_for_one_module(source):
    assert len(home_violations(source, "sample/density.py", "mixedbayes.sample")) == 1
    assert home_violations("import numba", "sample/density.py", "mixedbayes.sample") == []


@pytest.mark.parametrize(
    "path",
    [
        "tests/support/logistic.py",
        "tests/support/antedependence.py",
        "tests/support/laplace_law.py",
        "mixedbayes/plots/icc.py",
    ],
)
def test_the_examples_of_the_architecture_are_code_that_is_run(path):
    example = (ROOT / path).read_text(encoding="utf-8")
    assert f"```python\n{example}```" in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
