"""Estimates as a user has them: with a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixedbayes.estimands import result

if TYPE_CHECKING:
    from mixedbayes.plots.scene import Drawing


class Estimates(result.Estimates):
    __doc__ = result.Estimates.__doc__

    @classmethod
    def of(cls, found: result.Estimates) -> Estimates:
        """The same numbers, with a picture."""
        return cls(**vars(found))

    def plot(self, *, backend: str = "matplotlib", **options: Any) -> Drawing:
        """A picture: points and intervals of levels and comparisons, a line and band of a number.

        Parameters
        ----------
        backend
            "matplotlib", "plotly" or "bokeh".
        options
            As of `mixedbayes.plots.estimates.plot_estimates`.

        Returns
        -------
        Matplotlib or Plotly figure, or Bokeh layout.
        """
        from mixedbayes.plots.estimates import plot_estimates

        return plot_estimates(self, backend=backend, **options)
