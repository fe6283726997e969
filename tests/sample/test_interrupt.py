"""Ctrl-C keeps the draws so far. Each run is a process of its own that signals itself."""

import subprocess
import sys
import textwrap

import pytest

DENSITY = """
    import os, signal, sys
    from mixedbayes.errors import SamplingError
    from mixedbayes.sample.density import sample_density
    from mixedbayes.sample.settings import Settings

    calls = 0

    def density(theta):
        global calls
        calls += 1
        if calls == {calls}:
            os.kill(os.getpid(), signal.SIGINT)
        return -0.5 * float(theta @ theta), -theta

    def run():
        settings = Settings(draws=10**6, tune={tune}, chains=4, cores=4, seed=1, progress=False)
        return sample_density(
            density, settings, ndim=2, initial_point=lambda rng: rng.normal(size=2)
        )
"""

MODEL = """
    import os, signal, sys
    import pymc as pm
    from mixedbayes.errors import SamplingError
    from mixedbayes.sample import with_pymc
    from mixedbayes.sample.run import sample_model
    from mixedbayes.sample.settings import Settings

    class Watch(with_pymc._Watch):
        def __call__(self, trace, draw):
            super().__call__(trace, draw)
            if sum(self.done) == {calls}:
                os.kill(os.getpid(), signal.SIGINT)

    with_pymc._Watch = Watch

    def run():
        with pm.Model() as model:
            pm.Normal("x", shape=2)
        settings = Settings(
            draws={draws}, tune={tune}, chains=3, cores={cores}, seed=1, sampler="pymc",
            progress=False,
        )
        return sample_model(model, settings, keep=["x"])
"""

TELL = """
    if __name__ == "__main__":
        try:
            result = run()
        except SamplingError as error:
            print("SamplingError", error)
            sys.exit()
        sizes = dict(result.posterior.sizes)
        assert dict(result.sample_stats.sizes).items() <= sizes.items()
        print(result.interrupted, sizes["chain"], sizes["draw"], result.note, sep="|")
"""


def run(script, folder, **values):
    file = folder / "run.py"
    file.write_text(textwrap.dedent(script.format(**values)) + textwrap.dedent(TELL))
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_density_keeps_its_draws(tmp_path):
    interrupted, chains, draws, note = run(DENSITY, tmp_path, calls=30_000, tune=100).split("|")
    assert interrupted == "True"
    assert 1 <= int(chains) <= 4
    assert 1 <= int(draws) < 10**6
    assert f"{chains} of 4 chains with {int(draws):,} of 1,000,000 draws" in note


def test_a_density_stopped_while_tuning_has_nothing_to_keep(tmp_path):
    text = run(DENSITY, tmp_path, calls=100, tune=10**6)
    assert text.startswith("SamplingError Sampling was stopped before the first draw after tuning")


@pytest.mark.parametrize("cores", [1, 2])
def test_pymc_keeps_its_draws(tmp_path, cores):
    text = run(MODEL, tmp_path, calls=450, tune=100, draws=300, cores=cores)
    interrupted, chains, draws, note = text.split("|")
    assert interrupted == "True"
    assert int(chains) * int(draws) >= 150
    assert "Sampling was interrupted" in note


def test_pymc_stopped_in_the_first_of_several_chains_stops_the_others(tmp_path):
    text = run(MODEL, tmp_path, calls=150, tune=100, draws=300, cores=1)
    interrupted, chains, draws, _ = text.split("|")
    assert (interrupted, chains) == ("True", "1")
    assert 49 <= int(draws) <= 51


def test_pymc_stopped_while_tuning_has_nothing_to_keep(tmp_path):
    text = run(MODEL, tmp_path, calls=40, tune=100, draws=300, cores=1)
    assert text.startswith("SamplingError Sampling was stopped before the first draw after tuning")
