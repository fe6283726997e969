"""The package maketables makes its tables of fits."""

import re

import maketables
import numpy as np
import pytest


def stats(made):
    """Rows below the coefficients: label to cells."""
    frame = made.df.loc["stats"]
    return {label: list(frame.loc[label]) for label in frame.index}


def test_fits_stand_side_by_side(sleep, herds):
    made = maketables.ETable([sleep, herds])
    fixef = sleep.fixef().set_index("term")
    days = made.df.loc[("coef", "Days")]
    assert re.findall(r"-?[0-9.]+", days.iloc[0]) == [
        f"{fixef['mean']['Days']:.3f}", f"{fixef['sd']['Days']:.3f}",
    ]  # fmt: skip
    assert days.iloc[1] == ""
    assert [c[0] for c in made.df.columns] == ["Reaction", "incidence"]
    assert "*" not in "".join(map(str, made.df.to_numpy().ravel()))  # no p-values, no stars
    rows = stats(made)
    assert rows["Rows"] == ["180", "56"]
    assert rows["Levels of Subject"] == ["18", "-"]
    assert rows["Trials"][1] == f"{herds.model.design.trials.sum():,}"
    sd = sleep.varcorr().iloc[1]
    shown = re.findall(r"-?[0-9.]+", rows["Subject: sd Days"][0])
    assert np.array(shown, float) == pytest.approx([sd["mean"], sd["sd"]], abs=0.5)
    assert rows["Subject: sd Days"][1] == "-"
    elpd = rows["elpd (leave-one-out)"][0]
    assert elpd.startswith(f"{sleep.loo().elpd:.0f}")


def test_the_interval_and_the_probability_are_there_for_its_formats(sleep):
    made = maketables.ETable([sleep], coef_fmt="b:.2f [ci95l:.2f, ci95u:.2f] prob_positive:.2f")
    row = sleep.fixef().set_index("term").loc["Days"]
    assert made.df.loc[("coef", "Days")].iloc[0] == (
        f"{row['mean']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}] {row['prob_positive']:.2f}"
    )


def test_statistics_are_had_by_name(sleep, herds):
    made = maketables.ETable([sleep], model_stats=["r2", "se_type", "sigma", "elpd", "aic"])
    rows = stats(made)
    r2 = sleep.r2().set_index("kind")["mean"]["conditional"]
    assert float(rows["R²"][0].split()[0]) == pytest.approx(r2, abs=0.05)
    assert rows["S.E. type"] == ["posterior sd"]
    assert rows["sigma"][0] != "-"
    assert rows["AIC"] == ["-"]
    assert herds.__maketables_stat__("sigma") is None
