"""Settings of the site: ``python -m sphinx -W -b html docs docs/_build/html``.

What is made when the site is built (examples' outputs, the pages of the reference, of families and
of performance, the notebooks) is made by the modules in `_ext`.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]  # benchmarks, mixedbayes; our extensions

import mixedbayes  # noqa: E402

project = "mixedbayes"
author = "The mixedbayes developers"
copyright = author
version = release = mixedbayes.__version__

extensions = ["myst_nb", "sphinx_design", "examples", "pages", "llms"]
root_doc = "index"
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_build", "_ext", "**/.ipynb_checkpoints"]

nb_execution_mode = "off"  # notebooks have their outputs; pages' examples run by `examples`
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "application/vnd.plotly.v1+json", None)]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "amsmath", "attrs_inline"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]

html_math_renderer = "mathml"
html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_title = "mixedbayes"
html_static_path = ["_static"]
html_css_files = ["site.css"]
toc_object_entries_show_parents = "hide"
html_search_scorer = str(HERE / "_ext" / "scorer.js")
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {name: [] for name in ("index", "start", "gallery")}
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
