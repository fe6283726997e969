"""Run notebooks again and keep their outputs: ``python notebooks/execute.py [notebook ...]``.

Without arguments all notebooks of this folder. As ``jupyter execute --inplace``, and the result
differs from the last one only where an output does: no times of execution, no versions of the
kernel. Kept of a cell's metadata are

* ``tags``: "check" (compares or asserts), "exercise", "answer", "varies" (its numbers are times, or
  of a machine; see compare.py); for pages made by MyST also "remove-cell" and "hide-cell", which
  are added to checks and to answers in code,
* ``alt``: what the cell's picture shows, in words, where the picture does not bring them itself,
* ``tolerance``: of numbers that have no error printed beside them; see compare.py.

A cell that fails, writes to standard error or draws a picture without words stops it, and the file
stays as it was.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "lang": "en",  # of the text
    "language_info": {"name": "python"},
}
KEPT = ("tags", "alt", "tolerance")
# pictures are shown in the page, whatever the caller's environment says of windows
INLINE = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
OF_PAGES = {"check": "remove-cell", "answer": "hide-cell"}


def run(path: Path) -> NotebookNode:
    """The notebook as a fresh kernel runs it, in the folder of the file."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=900,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute(env=os.environ | INLINE)
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise SystemExit(f"{path.name}, cell {number}, wrote: {output.text}")
    return notebook


def metadata(cell: NotebookNode) -> dict[str, object]:
    """What is kept of a cell's metadata, with the tags that pages need."""
    kept = {key: cell.metadata[key] for key in KEPT if key in cell.metadata}
    tags = [tag for tag in kept.get("tags", []) if tag not in OF_PAGES.values()]
    if cell.cell_type == "code" or "check" in tags:
        tags += [OF_PAGES[tag] for tag in tags if tag in OF_PAGES]
    return kept | ({"tags": tags} if tags else {})


def describe(cell: NotebookNode, where: str) -> None:
    """Give every picture of a cell its words, for readers that look for them in either place."""
    for output in cell.get("outputs", []):
        if "image/png" not in output.get("data", {}):
            continue
        known = output.metadata.setdefault("image/png", {})
        known["alt"] = cell.metadata.get("alt") or known.get("alt")
        if not known["alt"]:
            raise SystemExit(f"{where}, draws a picture without words: give it metadata 'alt'")
        cell.metadata["mystnb"] = {"image": {"alt": known["alt"]}}


def execute(path: Path) -> None:
    """Run one notebook in a fresh kernel and write it back."""
    notebook = run(path)
    for number, cell in enumerate(notebook.cells):
        cell.metadata = nbformat.from_dict(metadata(cell))
        cell["id"] = f"cell-{number:02d}"
        describe(cell, f"{path.name}, cell {number}")
    notebook.metadata = METADATA
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or sorted(HERE.glob("*.ipynb"))):
        print(path.name, flush=True)
        execute(path)
