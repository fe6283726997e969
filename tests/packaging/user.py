"""What a user writes, as type checkers are to see it: `test_types.py` has them read it."""

from typing import assert_type

import pandas as pd
import xarray as xr

import mixedbayes as mb

sleep = mb.load_data("sleepstudy")
fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
assert_type(fit, mb.Fit)
assert_type(fit.fixef(), pd.DataFrame)
assert_type(fit.fixef(0.9, draws=True), xr.DataArray)
assert_type(fit.varcorr(draws=True), xr.Dataset)
assert_type(fit.varcorr(draws=True, exponentiate=True), xr.DataArray)
assert_type(fit.smooths(draws=True), dict[str, xr.DataArray])
assert_type(fit.shrinkage(draws="pooling"), xr.Dataset)
assert_type(fit.predict(sleep, kind="mean"), pd.DataFrame)
assert_type(fit.predict(sleep, draws=True), xr.DataArray)
assert_type(fit.condition_on(sleep.head(1)).coef(), pd.DataFrame)
assert_type(mb.compare({"one": fit}), pd.DataFrame)
fit.means("Days").plot()


def either(draws: bool) -> None:
    assert_type(fit.ranef(draws=draws), pd.DataFrame | xr.Dataset)


fit.fixef(probability=0.9)  # error: no such argument
fit.fixef().no_such_method()  # error: data frames are known
fit.no_such_table()  # error: no such method
mb.Model("y ~ x", sleep).fit(draws="many")  # error: a number
