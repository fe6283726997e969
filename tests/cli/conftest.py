from inspect import signature

import pytest
from click.testing import CliRunner

from mixedbayes.cli import main

# click 8.1 has stderr among stdout unless it is told not to; later ones keep both.
SEPARATE = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}


@pytest.fixture(scope="session")
def run():
    """Runs a command line and returns its result: exit_code, stdout, stderr."""

    def run(*arguments):
        return CliRunner(**SEPARATE).invoke(main, [str(a) for a in arguments])

    return run


@pytest.fixture(scope="session")
def sleep_csv(tmp_path_factory):
    import mixedbayes as mb

    path = tmp_path_factory.mktemp("data") / "sleep.csv"
    mb.load_data("sleepstudy").to_csv(path, index=False)
    return path
