"""The installed package is typed: mypy and pyright know what its methods take and return.

However it is installed: from a wheel, by both, or as the README installs it, by pyright.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USER = Path(__file__).parent / "user.py"
CHECKERS = {
    "mypy": ("mypy", "--strict", "--no-color-output", "--no-error-summary"),
    "pyright": ("pyright", "--pythonpath", sys.executable),
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_users_file_is_checked(checker, tmp_path):
    """Where no error is to be, there is none; where one is, on the lines that say so, it is."""
    if checker == "mypy" and (ROOT / "mixedbayes").is_dir():
        pytest.skip("reads all modules, half a minute: python .ci/package.py, on what is installed")
    (tmp_path / USER.name).write_bytes(USER.read_bytes())
    lines = USER.read_text(encoding="utf-8").splitlines()
    wanted = {i for i, line in enumerate(lines, 1) if "# error:" in line}
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYPYPATH")}
    command = [sys.executable, "-m", *CHECKERS[checker], USER.name]
    ran = subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True)
    said = ran.stdout + ran.stderr
    found = {int(n) for n in re.findall(rf"{USER.name}:(\d+):(?:\d+ - )? ?error", said)}
    assert found == wanted, said
    assert len(wanted) == 4
