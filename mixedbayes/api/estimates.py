"""Estimates as a user has them: with a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from mixedbayes.estimands import result

if TYPE_CHECKING:
    from mixedbayes.plots.scene import Drawing


class Estimates(result.Estimates):
    __doc__ = result.Estimates.__doc__

    @classmethod
    def of(cls, found: result.Estimates) -> Estimates:
        """The same numbers, with a picture."""
        return cls(**{f.name: getattr(found, f.name) for f in fields(found)})

    def plot(
        self, *, units: Mapping[str, str] | None = None, backend: str = "matplotlib"
    ) -> Drawing:
        """A picture: points and intervals of levels and comparisons, a line and band of a number.

        The columns asked about run along the axis, the next one has colours, others panels; below
        stands the question. See `mixedbayes.plots.estimates.plot_estimates`.

        Parameters
        ----------
        units
            Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default those of the
            data.
        backend
            "matplotlib", "plotly" or "bokeh".

        Returns
        -------
        Matplotlib or Plotly figure, or Bokeh layout.

        Raises
        ------
        ModelError
            There are more than 36 panels to draw, or the backend is unknown.

        Examples
        --------
        >>> fit.means("Machine").plot()  # doctest: +SKIP
        """
        from mixedbayes.plots.estimates import plot_estimates

        return plot_estimates(self, units=units, backend=backend)
