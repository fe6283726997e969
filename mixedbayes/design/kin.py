"""Relations between levels from what a user has: pedigrees, phylogenies, neighbours."""

from __future__ import annotations

import heapq
import re
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from mixedbayes.design.known import labelled
from mixedbayes.design.table import eager
from mixedbayes.design.types import Floats, Ints
from mixedbayes.design.values import listed
from mixedbayes.errors import DataError
from mixedbayes.terms.relation import MOST_DENSE, Relation, symmetric_inverse

# ---- pedigrees -----------------------------------------------------------------------------------


def pedigree(data: Any, id: str = "id", sire: str = "sire", dam: str = "dam") -> Relation:
    """The additive relationship of a pedigree, as its sparse inverse, for `precision=`.

    With the relationship matrix A = T D T', where T follows the parents and D has the Mendelian
    sampling variances, A^-1 is written down from the pedigree. The inbreeding of the parents enters
    D, and the diagonal of A is 1 + F. The standard deviation of the term is then that of the
    breeding values of animals that are not inbred: its square is the additive variance.

    Parameters
    ----------
    data
        A data frame with a row for each animal, in any order.
    id, sire, dam
        Its columns. A parent is unknown where the value is missing, or 0 or "0" where no animal is
        called that. Parents without a row of their own are founders.

    Returns
    -------
    Relation
        Over all animals, parents before their offspring.

    Raises
    ------
    DataError
        For an animal that stands twice, one that descends from itself, and missing columns.

    See Also
    --------
    phylogeny : Of species.
    Relation : From a matrix of your own.

    Examples
    --------
    >>> import pandas as pd
    >>> import mixedbayes as mb
    >>> family = pd.DataFrame(
    ...     {"id": ["a", "b", "c"], "sire": [None, None, "a"], "dam": [None, None, "b"]}
    ... )
    >>> Q = mb.pedigree(family)
    >>> Q.matrix.toarray().round(2)
    array([[ 1.5,  0.5, -1. ],
           [ 0.5,  1.5, -1. ],
           [-1. , -1. ,  2. ]])
    >>> weights = pd.DataFrame({"animal": list("abc") * 4, "weight": [4.1, 3.9, 4.4] * 4})
    >>> weights["weight"] += [0.1, -0.1, 0.2, 0, -0.2, 0.1, 0, 0.1, -0.1, 0.2, 0, -0.1]
    >>> model = mb.Model("weight ~ 1 + (1 | gr(animal, precision=Q))", weights, known={"Q": Q})

    References
    ----------
    Henderson (1976), doi:10.2307/2529339; Quaas (1976), doi:10.2307/2529279; Meuwissen & Luo
    (1992), doi:10.1186/1297-9686-24-4-305, for the inbreeding.
    """
    labels, parents = _sorted(*_parents(data, id, sire, dam))
    F = inbreeding(parents)
    # 1 / d of each animal; an unknown parent counts as one with F = -1.
    of = np.where(parents >= 0, F[parents], -1.0)
    weight = 1 / (0.5 - 0.25 * of.sum(axis=1))
    n = len(labels)
    rows, columns, values = [np.arange(n)], [np.arange(n)], [weight]
    for p in parents.T:
        known = np.flatnonzero(p >= 0)
        rows += [known, p[known]]
        columns += [p[known], known]
        values += [-weight[known] / 2] * 2
        for q in parents.T:
            both = np.flatnonzero((p >= 0) & (q >= 0))
            rows.append(p[both])
            columns.append(q[both])
            values.append(weight[both] / 4)
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.csc_array(sparse.coo_array(entries, shape=(n, n)))
    return Relation(matrix, pd.Index(labels), precision=True, diagonal=1 + F)


def _parents(data: Any, id: str, sire: str, dam: str) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """Labels of all animals, and of the parents of each, None where unknown."""
    found = eager(data)
    frame = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    if absent := [name for name in (id, sire, dam) if name not in frame.columns]:
        raise DataError(
            f"the pedigree has no column {', '.join(map(repr, absent))}; it has "
            f"{', '.join(map(repr, frame.columns))}: name them by id=, sire= and dam="
        )
    own = frame[id].tolist()
    if frame[id].isna().any():
        raise DataError(f"{id} is missing in {int(frame[id].isna().sum()):,} rows of the pedigree")
    if frame[id].duplicated().any():
        twice = frame[id][frame[id].duplicated()].unique().tolist()
        raise DataError(f"{len(twice):,} animals stand twice in the pedigree: {listed(twice)}")
    animals, known = list(own), set(own)
    columns = []
    for name in (sire, dam):
        values = [None if pd.isna(v) or (v in (0, "0") and v not in known) else v
                  for v in frame[name].tolist()]  # fmt: skip
        whole = pd.api.types.is_float_dtype(frame[name].dtype)
        columns.append([int(v) if whole and v is not None and v == int(v) else v for v in values])
    founders = dict.fromkeys(v for values in columns for v in values if v not in known)
    founders.pop(None, None)
    pairs = [(None, None)] * len(founders) + list(zip(*columns, strict=True))
    return [*founders, *animals], pairs


def _sorted(labels: list[Any], pairs: list[tuple[Any, Any]]) -> tuple[list[Any], Ints]:
    """Labels with parents first, and (n, 2) places of the parents, -1 where unknown."""
    place = {label: k for k, label in enumerate(labels)}
    parents = [tuple(-1 if p is None else place[p] for p in pair) for pair in pairs]
    children: list[list[int]] = [[] for _ in labels]
    waiting = np.zeros(len(labels), int)
    for k, pair in enumerate(parents):
        for p in {*pair} - {-1}:
            children[p].append(k)
            waiting[k] += 1
    ready = [k for k in range(len(labels)) if waiting[k] == 0]
    heapq.heapify(ready)  # as they stand, where that is possible
    order: list[int] = []
    while ready:
        k = heapq.heappop(ready)
        order.append(k)
        for child in children[k]:
            waiting[child] -= 1
            if waiting[child] == 0:
                heapq.heappush(ready, child)
    if len(order) < len(labels):
        loop = [labels[k] for k in np.flatnonzero(waiting)]
        raise DataError(
            f"{len(loop):,} animals of the pedigree descend from themselves, or from ones that do: "
            f"{listed(loop)}; correct their parents"
        )
    new = np.empty(len(labels) + 1, int)
    new[order], new[-1] = np.arange(len(labels)), -1
    return [labels[k] for k in order], new[np.array(parents, int).reshape(-1, 2)[order]]


def inbreeding(parents: Ints) -> Floats:
    """(n,) inbreeding coefficients F, of animals whose parents (n, 2) stand before them.

    Row by row of T, of which an animal's ancestors have an entry; A_ii = sum_j t_ij^2 d_j.
    """
    n = len(parents)
    F, d = np.zeros(n), np.zeros(n)
    pairs: dict[tuple[int, int], float] = {}
    for i in range(n):
        s, m = (int(p) for p in parents[i])
        f = (F[s] if s >= 0 else -1.0) + (F[m] if m >= 0 else -1.0)
        d[i] = 0.5 - 0.25 * f
        if s < 0 or m < 0:
            continue
        pair = (min(s, m), max(s, m))
        if pair not in pairs:  # full sibs share it
            pairs[pair] = _diagonal(i, parents, d) - 1
        F[i] = pairs[pair]
    return F


def _diagonal(i: int, parents: Ints, d: Floats) -> float:
    """A_ii, from the youngest ancestor to the oldest."""
    shares, queue, total = {i: 1.0}, [-i], 0.0
    while queue:
        j = -heapq.heappop(queue)
        t = shares.pop(j)
        total += t * t * d[j]
        for p in parents[j]:
            if p < 0:
                continue
            if p not in shares:
                shares[int(p)] = 0.0
                heapq.heappush(queue, -int(p))
            shares[int(p)] += t / 2
    return float(total)


# ---- phylogenies ---------------------------------------------------------------------------------


def phylogeny(tree: str, *, correlation: bool = True) -> Relation:
    """The covariance of species under Brownian motion on a tree, for `cov=`.

    Two species have in common the length of the branches from the root to where they part.

    Parameters
    ----------
    tree
        A rooted tree in Newick's format, with the length of every branch:
        ``"((a:1,b:1):1,c:2);"``. Names may stand in quotes.
    correlation
        Divide by the standard deviations, so that every species has variance 1, as
        `vcv(tree, corr = TRUE)` of R's ape does; else in units of branch length.

    Returns
    -------
    Relation
        For `cov=` of ``gr()``, over the tips of the tree.

    Raises
    ------
    DataError
        If the text is no such tree, a branch has no length or a negative one, or a name repeats.

    See Also
    --------
    pedigree : Of animals.
    Relation : From a matrix of your own.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.phylogeny("((a:1,b:1):1,c:2);").matrix
    array([[1. , 0.5, 0. ],
           [0.5, 1. , 0. ],
           [0. , 0. , 1. ]])
    """
    tips, paths = _newick(tree)
    edges = {edge: k for k, edge in enumerate(dict.fromkeys(e for path in paths for e, _ in path))}
    S = np.zeros((len(tips), len(edges)))
    for k, path in enumerate(paths):
        for edge, length in path:
            S[k, edges[edge]] = np.sqrt(length)
    matrix = S @ S.T
    if correlation:
        root = np.sqrt(np.diag(matrix))
        if (root == 0).any():
            raise DataError(f"{tips[int(np.argmin(root))]!r} is at the root of the tree")
        matrix = matrix / np.outer(root, root)
    return Relation(matrix, pd.Index(tips))


_TOKEN = re.compile(r"\s*(?:\[[^\]]*\])?\s*('(?:[^']|'')*'|[(),:;]|[^\s(),:;\[\]']+)")


def _newick(tree: str) -> tuple[list[str], list[list[tuple[int, float]]]]:
    """Names of the tips, and the branches, with lengths, from the root to each."""
    if not isinstance(tree, str) or "(" not in tree:
        raise DataError('a tree is a text in Newick\'s format, such as "((a:1,b:1):1,c:2);"')
    tokens, at = [], 0
    text = tree.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise DataError(
                f"the tree cannot be read at character {at + 1}: {text[at : at + 20]!r}"
            )
        tokens.append(match[1])
        at = match.end()
    parent: list[int] = [-1]
    names, lengths = [""], [0.0]
    tips: list[int] = []
    node, fresh, k = 0, True, 0
    while k < len(tokens) and tokens[k] != ";":
        token = tokens[k]
        if token in "(,":
            base = node if token == "(" else parent[node]
            if base < 0:
                raise DataError("the tree has a `,` outside parentheses")
            parent.append(base)
            names.append("")
            lengths.append(np.nan)
            node, fresh = len(parent) - 1, True
        elif token == ")":
            if fresh and not names[node]:
                raise DataError("the tree has a tip without a name")
            node, fresh = parent[node], False
            if node < 0:
                raise DataError("the tree has a `)` without a `(`")
        elif token == ":":
            k += 1
            try:
                lengths[node] = float(tokens[k])
            except (IndexError, ValueError):
                raise DataError("the tree has a `:` without a number") from None
        else:
            names[node] = token.strip("'").replace("''", "'")
        k += 1
    if node != 0:
        raise DataError("the tree has a `(` that is never closed")
    inner = set(parent)
    tips = [i for i in range(1, len(parent)) if i not in inner]
    bad = [i for i in range(1, len(parent)) if not lengths[i] >= 0]
    if bad:
        named = names[bad[0]] or "an inner branch"
        raise DataError(
            f"{len(bad):,} branches of the tree have no length, or a negative one: {named}"
        )
    paths = []
    for tip in tips:
        path, i = [], tip
        while i > 0:
            path.append((i, lengths[i]))
            i = parent[i]
        paths.append(path)
    return [names[i] for i in tips], paths


# ---- neighbours ----------------------------------------------------------------------------------


def car(neighbours: Any, rho: float) -> Relation:
    """The proper conditional autoregression of neighbours, as its precision D - rho W.

    Each level given the others is normal about rho times the mean of its neighbours, with the
    variance sd^2 / (number of neighbours).

    Parameters
    ----------
    neighbours
        W, labelled as relations are: 1 where two levels are neighbours and 0 elsewhere, or weights.
    rho
        Dependence, 0 <= rho < 1. It is given, not estimated; `icar` beside independent effects has
        a share that is estimated.

    Returns
    -------
    Relation
        For `precision=` of ``gr()``.

    Raises
    ------
    DataError
        If W is not symmetric, has negative values, or a level has no neighbours; rho out of range.

    See Also
    --------
    icar : Without a parameter of dependence.
    Relation : From a matrix of your own.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> Q = mb.car(([[0, 1, 0], [1, 0, 1], [0, 1, 0]], ["a", "b", "c"]), rho=0.9)
    >>> Q.matrix.toarray().round(2)
    array([[ 1. , -0.9,  0. ],
           [-0.9,  2. , -0.9],
           [ 0. , -0.9,  1. ]])
    >>> made = mb.simulate("y ~ 1 + (1 | area)", {"area": 3}, 10, sd={"area": 1}, seed=1)
    >>> made["area"] = made["area"].map({"1": "a", "2": "b", "3": "c"})
    >>> model = mb.Model("y ~ 1 + (1 | gr(area, precision=Q))", made, known={"Q": Q})

    References
    ----------
    Besag (1974), doi:10.1111/j.2517-6161.1974.tb00999.x. As "escar" of brms.
    """
    if isinstance(rho, bool) or not isinstance(rho, int | float) or not 0 <= rho < 1:
        raise DataError(
            f"rho={rho!r} is not a number from 0 to below 1; at 1 the precision has no inverse: "
            "mb.icar(W) is for that"
        )
    W, levels = _neighbours(neighbours)
    counts = np.asarray(W.sum(axis=0)).ravel()
    if (counts == 0).any():
        alone = levels[counts == 0].tolist()
        raise DataError(
            f"{len(alone):,} levels have no neighbours: {listed(alone)}; leave them out of W "
            "and the data, or use mb.icar(W), in which they are independent"
        )
    return Relation(sparse.csc_array(sparse.diags_array(counts) - rho * W), levels, precision=True)


def icar(neighbours: Any) -> Relation:
    """The intrinsic conditional autoregression of neighbours, scaled to a typical variance of 1.

    Its precision D - W has no inverse: the effects of levels that are connected add up to 0, and
    their covariance is the generalised inverse, of lower rank. It is scaled so that the geometric
    mean of the variances of connected levels is 1, which makes its sd comparable with those of
    other effects and of other maps. A level without neighbours is independent, with variance 1.

    Beside independent effects of the same levels it is the model of Besag, York & Mollié, in the
    scaled form of BYM2: ``(1 | gr(area, cov=S)) + (1 | area)``, where the share of the structured
    variance is sd_S^2 / (sd_S^2 + sd^2) in every draw.

    Parameters
    ----------
    neighbours
        W, as for `car`.

    Returns
    -------
    Relation
        For `cov=` of ``gr()``.

    Raises
    ------
    DataError
        If W is not symmetric or has negative values.

    See Also
    --------
    car : With a given dependence.
    Relation : From a matrix of your own.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> S = mb.icar(([[0, 1, 0], [1, 0, 1], [0, 1, 0]], ["a", "b", "c"]))
    >>> S.matrix.round(2)
    array([[ 1.36, -0.27, -1.09],
           [-0.27,  0.54, -0.27],
           [-1.09, -0.27,  1.36]])

    References
    ----------
    Besag, York & Mollié (1991), doi:10.1007/BF00116466; Sørbye & Rue (2014),
    doi:10.1016/j.spasta.2013.06.004, for the scale; Riebler, Sørbye, Simpson & Rue (2016),
    doi:10.1177/0962280216660421; Freni-Sterrantino, Ventrucci & Rue (2018),
    doi:10.1016/j.sste.2018.04.002, for levels that are not connected.
    """
    W, levels = _neighbours(neighbours)
    n = len(levels)
    if n > MOST_DENSE:
        raise DataError(f"{n:,} levels are more than {MOST_DENSE:,}, of which icar() is made")
    parts, of = csgraph.connected_components(W, directed=False)
    matrix, rank = np.zeros((n, n)), 0
    for k in range(parts):
        own = np.flatnonzero(of == k)
        if len(own) == 1:
            matrix[own, own] = 1.0
            rank += 1
            continue
        some = W[own][:, own].toarray()
        inverse = symmetric_inverse(np.diag(some.sum(axis=0)) - some)
        matrix[np.ix_(own, own)] = inverse / np.exp(np.mean(np.log(np.diag(inverse))))
        rank += len(own) - 1
    return Relation(matrix, levels, rank=rank)


def _neighbours(value: Any) -> tuple[sparse.csc_array, pd.Index]:
    """W with a diagonal of 0, checked, and its levels."""
    matrix, levels = labelled(value)
    try:
        W = sparse.csc_array(sparse.csc_array(matrix), dtype=float)
    except (TypeError, ValueError) as e:
        raise DataError(f"the neighbours are no matrix of numbers ({e})") from e
    W.setdiag(0)
    W.eliminate_zeros()
    labels = levels if isinstance(levels, pd.Index) else pd.Index(list(levels))
    if (W.data < 0).any() or not np.isfinite(W.data).all():
        raise DataError("the neighbours have values that are negative or not finite; W is 0 or 1")
    # Labels, shape and symmetry are those of any relation; its diagonal is of no interest.
    Relation(W + sparse.eye_array(W.shape[0]) if W.shape[0] == W.shape[1] else W, labels)
    return W, labels
