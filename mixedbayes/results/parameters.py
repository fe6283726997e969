"""The family's own parameters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import chained, describe


def family_parameters(post: Posterior, prob: float = 0.95) -> pd.DataFrame:
    """Parameters of the response's distribution other than its mean and sigma.

    Returns
    -------
    DataFrame with one row per parameter, or per element of a vector: parameter, element (missing
    where there is one number), mean, sd, lower, upper, ess_bulk, rhat.
    """
    rows: list[tuple[str, str | None]] = []
    columns = [np.zeros((post.n_draws, 0))]
    for name, values in post.parameters().items():
        if name == names.SIGMA:
            continue
        labels = post.family.labels(name, post.design)
        rows += [(name, None)] if labels is None else [(name, label) for label in labels]
        columns.append(values.reshape(post.n_draws, -1))
    table = pd.DataFrame(rows, columns=["parameter", "element"], dtype="str")
    described = describe(chained(np.concatenate(columns, axis=1), post.shape[0]), prob)
    return table.assign(**described)
