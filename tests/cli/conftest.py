import pytest
from click.testing import CliRunner

from mixedbayes.cli import main


@pytest.fixture(scope="session")
def run():
    """Runs a command line and returns its result: exit_code, stdout, stderr."""

    def run(*arguments):
        return CliRunner().invoke(main, [str(a) for a in arguments])

    return run


@pytest.fixture(scope="session")
def sleep_csv(tmp_path_factory):
    import mixedbayes as mb

    path = tmp_path_factory.mktemp("data") / "sleep.csv"
    mb.load_data("sleepstudy").to_csv(path, index=False)
    return path
