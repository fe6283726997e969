import subprocess
import sys

import pytest

import mixedbayes
from mixedbayes.cli import main

COMMANDS = ["compare", "compile", "data", "demo", "fit", "means", "predict", "report"]


def test_version(run):
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.strip() == f"mixedbayes, version {mixedbayes.__version__}"


def test_python_m_is_the_command_line():
    run = [sys.executable, "-m", "mixedbayes", "--version"]
    assert "mixedbayes, version" in subprocess.check_output(run, text=True)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_documents_the_exit_codes(run, command):
    result = run(*command, "--help")
    assert result.exit_code == 0
    for code in ("0 ", "1 ", "2 ", "3 ", "130 "):
        assert f"\n    {code}" in result.stdout


def test_the_commands_are_those_documented():
    assert sorted(main.commands) == COMMANDS


@pytest.mark.parametrize(
    "arguments",
    [
        ["fot"],
        ["fit"],
        ["fit", "absent.csv", "y ~ x"],
        ["data", "--colour"],
        ["demo", "--draws", "0"],
    ],
)
def test_a_command_line_not_understood_is_2(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage:")


def test_help_and_data_load_nothing_heavy():
    """In a process of its own, as this one has loaded all sorts of things."""
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from mixedbayes.cli import main\n"
        "assert CliRunner().invoke(main, ['fit', '--help']).exit_code == 0\n"
        "assert 'pandas' not in sys.modules\n"
        "assert CliRunner().invoke(main, ['data']).exit_code == 0\n"
        "heavy = {'pymc', 'pytensor', 'arviz', 'matplotlib', 'nutpie', 'numba', 'formulaic'}\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
