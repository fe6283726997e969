"""The lectures as students get them: ``python notebooks/student.py FOLDER [notebook ...]``.

Writes a copy of every notebook of this folder, or of those named, with its outputs:

* cells with the tag "check" are left out: they compare with published numbers, for those who keep
  the notebooks,
* exercises (tag "exercise") stand first, after the opening, so that they are read before the
  lecture is; where they stood is a line that names them,
* answers (tag "answer") are folded: text in ``<details>``, code and its output collapsed, as
  Jupyter and MyST show cells of these metadata.

What is left runs from top to bottom as the whole does. Nothing is run.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

HERE = Path(__file__).parent
FIRST = """## Exercises, first

Read them now, and again after the section that they belong to. There, their answers are folded:
write down your own before you open one.
"""


def tagged(cell: NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def folded(cell: NotebookNode) -> NotebookNode:
    """An answer that shows when it is asked for."""
    if cell.cell_type == "markdown":
        cell.source = f"<details>\n<summary>Answer</summary>\n\n{cell.source}\n\n</details>"
    else:
        cell.metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        cell.metadata["collapsed"] = True  # outputs, for readers of older notebooks
    return cell


def below(text: str) -> str:
    """Headings of the third level, for what moves below one of the second."""
    return re.sub(r"(?m)^#+ ", "### ", text)


def title(cell: NotebookNode, number: int) -> str:
    """What an exercise is called: its heading, or what it has in bold, else its number."""
    found = re.search(r"(?m)^#+ (.+)$", cell.source) or re.search(r"\*\*(.+?)\*\*", cell.source)
    return found[1].rstrip(".:") if found else f"Exercise {number}"


def student(notebook: NotebookNode) -> NotebookNode:
    """The student's copy of a lecture."""
    cells = [cell for cell in notebook.cells if not tagged(cell, "check")]
    exercises = [cell for cell in cells if tagged(cell, "exercise")]
    body: list[NotebookNode] = []
    for cell in cells:
        if tagged(cell, "exercise"):
            name = title(cell, exercises.index(cell) + 1)
            body.append(new_markdown_cell(f"*Now the exercise of the beginning:* **{name}**"))
        else:
            body.append(folded(cell) if tagged(cell, "answer") else cell)
    if exercises:
        texts = [below(cell.source) for cell in exercises]
        body.insert(1, new_markdown_cell("\n\n".join([FIRST.strip(), *texts])))
    count = 0
    for number, cell in enumerate(body):
        cell["id"] = f"cell-{number:02d}"
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count
    notebook.cells = body
    nbformat.validate(notebook)
    return notebook


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        raise SystemExit("usage: python notebooks/student.py FOLDER [notebook ...]")
    folder = Path(arguments[0])
    if folder.resolve() == HERE.resolve():
        raise SystemExit(f"{folder} holds the notebooks themselves: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path in map(Path, arguments[1:] or sorted(HERE.glob("*.ipynb"))):
        copy = student(nbformat.read(path, as_version=4))
        nbformat.write(copy, folder / path.name)
        print(folder / path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
