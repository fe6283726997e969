"""A sheet handed to one backend."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.plots.labels import in_picture
from mixedbayes.plots.scene import Sheet, with_texts

# A Matplotlib figure, a Plotly figure or a Bokeh layout, by the backend asked for
type Drawing = Any

BACKENDS = ("matplotlib", "plotly", "bokeh")


def check_backend(backend: str) -> None:
    """Raise ModelError where there is no such backend, MissingExtraError where it is absent."""
    if backend not in BACKENDS:
        raise ModelError(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
    try:
        import_module(backend)
    except ImportError as error:
        raise missing(backend, error) from error


def missing(backend: str, error: ImportError) -> MissingExtraError:
    """What to say where a backend's packages are not installed."""
    return MissingExtraError(
        f"backend={backend!r} needs packages that are not installed ({error.name}): "
        f"pip install mixedbayes[{backend}], or use backend='matplotlib'"
    )


def draw(sheet: Sheet, backend: str) -> Drawing:
    """The sheet as a picture of the backend, its texts as `in_picture`."""
    check_backend(backend)
    sheet = with_texts(sheet, in_picture)
    return import_module(f"mixedbayes.plots.with_{backend}").draw(sheet)
