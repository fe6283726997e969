"""Simpson's paradox as data: within the groups one slope, between them the opposite one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixedbayes.errors import ModelError
from mixedbayes.predict.streams import checked_seed, named_stream
from mixedbayes.simulation.parameters import standardised


def simulate_simpson(
    n: int = 100,
    r: float = 0.5,
    groups: int = 3,
    difference: float = 1.0,
    *,
    group_prefix: str = "G_",
    seed: int | None = None,
) -> pd.DataFrame:
    """Simulate groups in which two variables rise together while the groups' means go apart.

    Within each group V1 and V2 have variance 1 (denominator n - 1) and correlation `r`, exactly.
    Group k has the means difference * k of V1 and -difference * k of V2, so that the slope is `r`
    within every group and -1 between the groups' means. Estimates of a mixed model therefore do
    not depend on the seed.

    Parameters
    ----------
    n
        Rows of each group.
    r
        Correlation, and slope, within the groups, between -1 and 1.
    groups
        Number of groups.
    difference
        Distance of the means of neighbouring groups, in within-group standard deviations.
    group_prefix
        Of the labels: "G_1", "G_2", ...
    seed
        Of the random numbers.

    Returns
    -------
    DataFrame with columns V1, V2 and Group, n * groups rows.

    Raises
    ------
    ModelError
        If r is not between -1 and 1, or there are fewer than 3 rows or 1 group.

    See Also
    --------
    plot_simpson : Its picture.
    simulate : Data from any model.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> made = mb.simulate_simpson(n=20, r=0.5, groups=4, seed=1)
    >>> made.groupby("Group", observed=True)[["V1", "V2"]].mean().round(2)
            V1   V2
    Group
    G_1    1.0 -1.0
    G_2    2.0 -2.0
    G_3    3.0 -3.0
    G_4    4.0 -4.0

    References
    ----------
    The design of `simulate_simpson` in R's bayestestR: Makowski, Ben-Shachar & Lüdecke (2019),
    doi:10.21105/joss.01541. Kievit et al. (2013), doi:10.3389/fpsyg.2013.00513.
    """
    if not -1 < r < 1:
        raise ModelError(f"r={r!r} is not between -1 and 1")
    for name, value, least in (("n", n, 3), ("groups", groups, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ModelError(f"{name}={value!r} is not a whole number from {least}")
    root = np.linalg.cholesky(np.array([[1.0, r], [r, 1.0]]))
    rng = named_stream(checked_seed(seed), "simpson")
    k = np.arange(1, groups + 1)
    within = np.stack([standardised(rng.standard_normal((n, 2))) @ root.T for _ in k])
    values = within + difference * k[:, None, None] * np.array([1.0, -1.0])
    labels = [f"{group_prefix}{i}" for i in k]
    return pd.DataFrame(
        {
            "V1": values[..., 0].ravel(),
            "V2": values[..., 1].ravel(),
            "Group": pd.Categorical(np.repeat(labels, n), categories=labels),
        }
    )
