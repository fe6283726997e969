"""What pages say that R prints is what it prints, where R and its packages are installed."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SNIPPETS = sorted((ROOT / "docs" / "coming-from" / "snippets").glob("*.R"))
RSCRIPT = shutil.which("Rscript")


def parts(text):
    """Words of a text, and its numbers."""
    number = r"-?\d+\.?\d*(?:[eE][+-]?\d+)?"
    return re.sub(number, "#", text).split(), [float(x) for x in re.findall(number, text)]


def test_every_snippet_is_shown_with_what_it_prints(sources):
    shown = set(re.findall(r"\{elsewhere\} (\w+)", "".join(sources.values())))
    assert {p.stem for p in SNIPPETS} == shown
    assert all(p.with_suffix(".txt").read_text(encoding="utf-8") for p in SNIPPETS)


@pytest.mark.skipif(RSCRIPT is None, reason="needs R: apt-get install r-base")
@pytest.mark.parametrize("path", SNIPPETS, ids=lambda p: p.stem)
def test_r_prints_what_is_kept(path):
    packages = re.findall(r"library\((\w+)\)", path.read_text(encoding="utf-8"))
    asked = f"cat(all(sapply(c({str(packages)[1:-1]}), requireNamespace, quietly = TRUE)))"
    found = subprocess.run([RSCRIPT, "-e", asked], capture_output=True, text=True, check=True)
    if not found.stdout.endswith("TRUE"):
        pytest.skip(f"needs R's packages {', '.join(packages)}")
    folder = ROOT / "mixedbayes" / "data"
    run = subprocess.run(
        [RSCRIPT, "--vanilla", str(path)], cwd=folder, capture_output=True, text=True, check=True
    )
    words, numbers = parts(path.with_suffix(".txt").read_text(encoding="utf-8"))
    printed, values = parts(run.stdout)
    assert printed == words
    np.testing.assert_allclose(values, numbers, rtol=0.02, atol=0.02)
