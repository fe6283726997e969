"""Pages that are made when the site is built: lectures, reference, families, performance."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDERS = ("lectures", "reference")  # nothing in them is written by hand


def make(srcdir: Path) -> None:
    """Write all of them below `_generated`, and leave what has not changed as it is."""
    import formulas
    import performance
    from families_table import families_page
    from reference_pages import reference

    made = _Made(srcdir)
    lectures(made)
    reference(made)
    made.write("_generated/families.inc", families_page())
    for kind in formulas.KINDS:
        made.write(f"_generated/formula-{kind}.inc", formulas.table(kind))
    made.write("_generated/formula-elementwise.inc", formulas.elementwise())
    for part in ("comparison", "convergence", "large", "targets", "machines"):
        made.write(f"_generated/performance-{part}.inc", getattr(performance, part)())
    made.write("_generated/large-paper.inc", performance.paper())
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md"):
        made.write(f"project/{name.lower()}", _repaired((ROOT / name).read_text(encoding="utf-8")))
    made.finish()


class _Made:
    """Files that were written this time; others in folders of made pages alone are removed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kept = folder, set()

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        self.kept.add(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")

    def picture(self, name: str, png: bytes) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_bytes() != png:
            file.write_bytes(png)

    def finish(self) -> None:
        for name in FOLDERS:
            for file in (self.folder / name).rglob("*.*"):
                if file.is_file() and file not in self.kept:
                    file.unlink()


def _repaired(text: str) -> str:
    """Links to files of the repository, which are not on the site, as the files' names."""

    def link(found: re.Match[str]) -> str:
        words, target = found[1], found[2]
        here = {"ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"}
        if target in here:
            return f"[{words}]({target.lower()})"
        if target.startswith("notebooks/") and target.endswith(".ipynb"):
            return f"[{words}](../lectures/{Path(target).name})"
        return f"`{words.strip('`')}`"

    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)([^)]+)\)", link, text)


# ---- lectures ----------------------------------------------------------------------------------


def lectures(made: _Made) -> None:
    """The students' copies of the notebooks, and a page that lists them by their titles."""
    import nbformat

    sys.path.insert(0, str(ROOT / "notebooks"))
    from student import student

    stems: list[str] = []
    for path in sorted((ROOT / "notebooks").glob("**/*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        notebook = student(nbformat.read(path, as_version=4))
        notebook["cells"] = [_cell(c) for c in notebook["cells"]]
        made.write(f"lectures/{path.name}", json.dumps(notebook, indent=1))
        stems.append(path.stem)
        if "gallery" in path.stem:
            made.write("gallery.md", _gallery(made, path.stem, notebook))
    made.write("lectures/index.md", _list_of(stems))


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    """With anchors as this site makes them, and links as they are within it."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        source = re.sub(r"\]\(#([^)]+)\)", lambda m: f"](#{_slug(m[1])})", source)
        source = re.sub(r"\]\((?:\.\./)?notebooks/", "](", source)
        source = re.sub(
            r"\[([^\]]+)\]\(\.\./([^)]+)\)",
            lambda m: f"`{m[1].strip('`')}`",
            source,
        )
    cell["source"] = source
    return cell


def _slug(anchor: str) -> str:
    """A heading's anchor here, of that in Jupyter."""
    return re.sub(r"[^\w-]", "", anchor.lower().replace(" ", "-"))


def _list_of(stems: list[str]) -> str:
    lines = [
        "# Lectures",
        "",
        "Whole analyses, with their reasons. Each is a notebook of the repository, shown with the "
        "outputs that it was saved with.",
        "",
        "```{toctree}",
        ":maxdepth: 1",
        ":titlesonly:",
        "",
        *stems,
        "```",
        "",
    ]
    return "\n".join(lines)


def _gallery(made: _Made, name: str, notebook: dict[str, Any]) -> str:
    """The pictures of a notebook as small cards, each with a link to where it is made."""
    cards, heading, seen = [], "", set()
    for cell in notebook["cells"]:
        for line in cell["source"].splitlines() if cell["cell_type"] == "markdown" else ():
            if found := re.match(r"#{2,} (.+)", line):
                heading = found[1]
        for output in cell.get("outputs", []):
            data = output.get("data", {}).get("image/png")
            if not data or heading in seen:
                continue
            seen.add(heading)
            file = f"_generated/pictures/gallery-{_slug(heading)}.png"
            made.picture(file, base64.b64decode("".join(data)))
            cards += [
                ":::{grid-item}",
                ":class: gallery-card",
                "",
                f"[![{heading}]({file})](lectures/{name}.ipynb#{_slug(heading)})",
                "",
                f"[{heading}](lectures/{name}.ipynb#{_slug(heading)})",
                ":::",
            ]
    head = [
        "# Gallery",
        "",
        "All pictures. A click leads to the code, and to what to read from it.",
        "",
        "::::{grid} 1 2 2 3",
        ":gutter: 3",
        "",
    ]
    return "\n".join([*head, *cards, "::::", ""])


def setup(app: Any) -> dict[str, Any]:
    """Make the pages before Sphinx looks which there are."""

    def made(app: Any) -> None:
        make(Path(app.srcdir))

    app.connect("builder-inited", made)
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": False, "parallel_write_safe": True}


# ---- equations: MathML, which browsers draw without a script -----------------------------------


def _inline(translator: Any, node: Any) -> None:
    _equation(translator, node, "inline")


def _display(translator: Any, node: Any) -> None:
    translator.body.append('<div class="equation-display">')
    _equation(translator, node, "block", end="</div>")


def _equation(translator: Any, node: Any, display: str, end: str = "") -> None:
    from docutils import nodes
    from latex2mathml.converter import convert

    translator.body.append(convert(node.astext(), display=display) + end)
    raise nodes.SkipNode
