"""Recipe, citation and image say what pyproject.toml says."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

import mixedbayes as mb

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
ON_CONDA = {"matplotlib": "matplotlib-base"}  # a name of its own there, without Qt


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def requirements(texts):
    found = (Requirement(re.sub(r"^(\S+) ", r"\1", text)) for text in texts)
    return {r.name: {str(s) for s in r.specifier} for r in found}


@pytest.fixture(scope="module")
def recipe():
    return yaml.safe_load(read("recipe/recipe.yaml"))


def test_the_recipe_needs_what_the_project_needs(recipe):
    wanted = {ON_CONDA.get(k, k): v for k, v in requirements(PROJECT["dependencies"]).items()}
    first, *run = recipe["requirements"]["run"]
    assert requirements(run) == wanted
    assert first == "python >=${{ python_min }}"
    assert PROJECT["requires-python"] == f">={recipe['context']['python_min']}"
    _, *host = recipe["requirements"]["host"]
    assert requirements(host) == {
        **requirements(PYPROJECT["build-system"]["requires"]),
        "pip": set(),
    }


def test_extras_that_a_dependency_is_asked_for_are_dependencies(recipe):
    """conda has no extras: what plotly's brings is named by itself."""
    asked = [e for text in PROJECT["dependencies"] for e in Requirement(text).extras]
    assert asked == ["plotly"]
    assert {*asked} <= {*requirements(recipe["requirements"]["run"][1:])}


def test_the_recipe_is_of_this_version_with_its_command_and_licences(recipe):
    assert recipe["context"]["version"] == PROJECT["version"] == mb.__version__
    ((name, home),) = PROJECT["scripts"].items()
    assert recipe["build"]["python"]["entry_points"] == [f"{name} = {home}"]
    about = recipe["about"]
    assert (about["summary"], about["license"]) == (PROJECT["description"], PROJECT["license"])
    licences = {
        p.relative_to(ROOT).as_posix() for g in PROJECT["license-files"] for p in ROOT.glob(g)
    }
    assert set(about["license_file"]) == licences


def test_the_citation_is_valid_and_of_this_version():
    citation = yaml.safe_load(read("CITATION.cff"))
    schema = json.loads((HERE / "cff_1.2.0_schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(citation, schema)
    with pytest.raises(jsonschema.ValidationError, match="cff-version"):
        jsonschema.validate({k: v for k, v in citation.items() if k != "cff-version"}, schema)
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert [a["name"] for a in citation["authors"]] == [a["name"] for a in PROJECT["authors"]]


def test_the_image_installs_compiles_and_serves():
    lines = re.sub(r"\\\n\s*", "", read("Dockerfile")).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    order = [word for word, _ in steps]
    assert order[0] == "FROM"
    assert order[-1] == "CMD"
    (python,) = re.findall(r"^FROM python:(3\.\d+)-slim$", read("Dockerfile"), re.MULTILINE)
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]
    (extras,) = re.findall(r'pip install "\.\[([\w,]+)\]"', read("Dockerfile"))
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    runs = [rest for word, rest in steps if word == "RUN"]
    assert runs[-1] == "mixedbayes compile"
    assert " jupyterlab notebook " in runs[-2]  # which Binder starts
    user = order.index("USER")  # whoever compiles is who serves, and Binder wants no root
    assert user < steps.index(["RUN", "mixedbayes compile"])
    (settings,) = (rest for word, rest in steps if word == "ENV")
    assert "NUMBA_CPU_NAME=generic" in settings
    assert "NUMBA_CACHE_DIR=/home/${NB_USER}/" in settings


def packages(extras):
    """What extras install, those that they refer to among them."""
    found, asked = set(), [*extras]
    while asked:
        for requirement in map(Requirement, PROJECT["optional-dependencies"][asked.pop()]):
            asked += requirement.extras if requirement.name == "mixedbayes" else []
            found.add(requirement.name.replace("-", "_"))
    return found - {"mixedbayes"}


def test_the_image_has_what_the_lectures_use():
    (extras,) = re.findall(r'pip install "\.\[([\w,]+)\]"', read("Dockerfile"))
    used = set()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        used |= set(re.findall(r"(?m)^\s*(?:import|from) (\w+)", code))
        used |= {"bokeh"} & set(re.findall(r'"(\w+)"', code))  # a backend of pictures
        used |= {"pyarrow"} if "parquet" in code else set()
    optional = packages(set(PROJECT["optional-dependencies"]) - {"test", "dev", "docs"})
    assert {"bokeh", "duckdb", "polars", "pyarrow"} <= used & optional
    assert used & optional <= packages(extras.split(","))
