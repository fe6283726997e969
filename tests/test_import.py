"""Importing the package stays light, and every public name can be reached."""

import subprocess
import sys

import mixedbayes

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


def test_public_names_can_be_reached():
    assert "load_data" in mixedbayes.__all__
    assert [name for name in mixedbayes.__all__ if getattr(mixedbayes, name, None) is None] == []


def test_dir_lists_the_public_names():
    assert set(mixedbayes.__all__) <= set(dir(mixedbayes))
