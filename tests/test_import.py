"""Importing the package stays light, and every public name can be reached."""

import subprocess
import sys

import pytest

import mixedbayes
from mixedbayes.families.registry import FAMILIES

HEAVY = [
    "arviz",
    "arviz_base",
    "arviz_plots",
    "arviz_stats",
    "bambi",
    "formulaic",
    "matplotlib",
    "numba",
    "nutpie",
    "pandas",
    "plotly",
    "pymc",
    "pytensor",
    "scipy",
    "xarray",
]


def test_import_loads_nothing_heavy():
    code = f"import sys, mixedbayes; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_model_is_made_without_what_only_some_fits_need():
    """Pictures, checks and reports load when a method of theirs is asked for."""
    code = (
        "import sys, mixedbayes as mb; mb.Model, mb.Fit; "
        "print([m for m in sys.modules if m.startswith(('mixedbayes.plots', 'mixedbayes.report', "
        "'mixedbayes.teach', 'arviz', 'matplotlib', 'pymc', 'nutpie'))]); "
        "mb.Fit.plot_check; print('mixedbayes.plots.check' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "True"]


def test_a_fit_loads_no_library_of_pictures_and_arviz_is_whole_afterwards():
    code = """
import sys, mixedbayes as mb
data = mb.load_data("sleepstudy")
asked = {"draws": 100, "seed": 1, "progress": False}
mb.fit("Reaction ~ Days + (1 | Subject)", data, **asked).summary()  # by proposals
print([m for m in ("nutpie", "mixedbayes.sample.nutpie") if m in sys.modules])
mb.fit("Reaction ~ Days + (1 | Subject)", data, **asked, target_accept=0.9).summary()
print([m for m in ("arviz", "arviz_base", "arviz_plots", "matplotlib") if m in sys.modules])
import arviz
nutpie = sys.modules["nutpie.sample"]
print(arviz.loo is nutpie.arviz.loo, sys.modules["arviz"].__spec__.name)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "[]", "True", "arviz"]


@pytest.mark.parametrize(
    "asked",
    ["'Reaction ~ Days + (Days | Subject)', mb.load_data('sleepstudy')",
     "'TICKS ~ YEAR + (1 | BROOD)', mb.load_data('grouseticks'), family='poisson'"],
    ids=["gaussian", "poisson"],
)  # fmt: skip
def test_a_fit_and_its_summary_load_neither_scipys_distributions_nor_dask_nor_files(asked):
    code = f"""
import sys, mixedbayes as mb
str(mb.fit({asked}, draws=100, seed=1, progress=False).summary())
print([m for m in ("scipy.stats", "scipy.ndimage", "h5py", "dask") if m in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_xarray_knows_dasks_arrays_all_the_same():
    pytest.importorskip("dask")
    code = """
import sys, numpy as np, xarray as xr
from mixedbayes.undasked import keep_dask_unloaded
keep_dask_unloaded()
plain = xr.Dataset({"x": ("t", np.arange(4.0))}, {"t": np.arange(4)})
print("dask" in sys.modules, float(plain["x"].mean()))
import dask.array as da
lazy = xr.DataArray(da.arange(4, chunks=2), dims="t")
print(lazy.chunks, type(lazy.data).__name__, int(lazy.sum()), lazy.to_numpy().tolist())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["False 1.5", "((2, 2),) Array 6 [0, 1, 2, 3]"]


@pytest.mark.parametrize("first", ["import dask", "del pycompat._cached_duck_array_modules"])
def test_xarray_stays_as_it_is_where_dask_is_loaded_or_its_record_is_not_found(first):
    pytest.importorskip("dask")
    code = f"""
from xarray.namedarray import pycompat, utils
before = utils.is_dask_collection
{first}
from mixedbayes.undasked import keep_dask_unloaded
keep_dask_unloaded()
print(utils.is_dask_collection is before, getattr(pycompat, "_cached_duck_array_modules", {{}}))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "{}"]


def test_only_the_density_that_a_fit_needs_is_compiled():
    code = (
        "import sys; "
        "import mixedbayes.sample.defaults, mixedbayes.sample.density, mixedbayes.joint.density; "
        "print([m for m in sys.modules if m in ('mixedbayes.marginal.evaluate', "
        "'mixedbayes.marginal.kernel')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_public_names_can_be_reached():
    assert "load_data" in mixedbayes.__all__
    assert [name for name in mixedbayes.__all__ if getattr(mixedbayes, name, None) is None] == []


@pytest.mark.parametrize("pair", [("load", "Marginal"), ("truth", "Poisson"), ("Fit", "simulate")])
def test_threads_may_ask_for_names_at_the_same_time(pair):
    """They enter the graph of imports at different places, and wait for each other there."""
    code = f"""
import sys, threading, mixedbayes as mb
sys.setswitchinterval(1e-6)
start, failed = threading.Barrier(2), []
def ask(name):
    start.wait()
    try:
        getattr(mb, name)
    except BaseException as error:
        failed.append(repr(error))
threads = [threading.Thread(target=ask, args=(name,)) for name in {pair}]
[t.start() for t in threads]
[t.join() for t in threads]
print(failed)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_dir_lists_the_public_names():
    assert set(mixedbayes.__all__) <= set(dir(mixedbayes))


def test_families_and_priors_have_the_fields_names():
    for name, kind in FAMILIES.items():
        named = "".join(part.capitalize() for part in name.split("_"))
        assert getattr(mixedbayes.families, named) is kind
    assert set(mixedbayes.families.__all__) == {
        "".join(part.capitalize() for part in name.split("_")) for name in FAMILIES
    }
    for name in mixedbayes.priors.__all__:
        assert getattr(mixedbayes, name) is getattr(mixedbayes.priors, name)
    with pytest.raises(AttributeError, match="families' has no attribute 'Normal'"):
        mixedbayes.families.Normal  # noqa: B018
