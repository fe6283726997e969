"""Pictures of a posterior, one per file, in one look.

All know the backends "matplotlib", "plotly" and "bokeh". `plot_varcorr`, `plot_icc`, `plot_priors`
and `pp_check` are made by arviz_plots and return its PlotCollection. The others are scenes
(`scene.py`: marks in panels, and `draw`), which `with_matplotlib.py`, `with_plotly.py` or
`with_bokeh.py` draws; they return a Matplotlib or Plotly figure or a Bokeh layout.
"""
