"""llms.txt at the site's root: what each page answers, and where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes

HEAD = """# mixedbayes

> Bayesian hierarchical (mixed-effects) models in Python: formulas as in lme4, effects of Gaussian
> models integrated out exactly, tables as tidy data frames.
> `mb.fit("y ~ x + (x | g)", data, seed=1)`.

Group effects of Gaussian models are integrated out; other families by quadrature or on a compiled
joint density; PyMC where neither serves. Every page below has examples whose outputs are those of
the code.
"""


def write(app: Any, failed: Exception | None) -> None:
    """One line for each page: its title, its address, and its first paragraph."""
    if failed is not None or app.builder.format != "html":
        return
    lines, env = [HEAD], app.env
    for name in sorted(env.found_docs, key=lambda d: (d.startswith("_generated"), d)):
        title = env.titles[name].astext()
        first = next(iter(env.get_doctree(name).findall(nodes.paragraph)), None)
        words = "" if first is None else ": " + " ".join(first.astext().split())[:200]
        lines.append(f"- [{title}]({app.builder.get_target_uri(name)}){words}")
    Path(app.outdir, "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    """Write the file when all pages are."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
