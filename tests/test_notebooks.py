"""The notebooks as saved: run from top to bottom, clean, and of no particular machine."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/<>-])(?:/[\w.-]+){2,}|\b[A-Z]:\\")


def code(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook, [c for c in notebook["cells"] if c["cell_type"] == "code"]


def test_there_are_notebooks():
    assert [p.name for p in NOTEBOOKS][:1] == ["01_sleepstudy.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_was_run_in_order(path):
    _, cells = code(path)
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1))
    assert any("assert" in "".join(c["source"]) for c in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_clean(path):
    notebook, cells = code(path)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    for cell in cells:
        for output in cell["outputs"]:
            assert output["output_type"] in {"execute_result", "display_data", "stream"}
            assert output.get("name") != "stderr", output["text"]
            data = output.get("data", {"text/plain": output.get("text", "")})
            assert not any("widget" in kind for kind in data)
            for kind, text in data.items():
                if kind.startswith("text/"):
                    text = "".join(text)
                    assert "<progress" not in text
                    assert not ABSOLUTE_PATH.search(text), ABSOLUTE_PATH.search(text)
