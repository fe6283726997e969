"""Functions of one number by their values at the nodes of a rule, as series of Hermite polynomials.

With h_n orthonormal under N(0, 1), nodes x_k and weights w_k, a function's series has coefficients
c_n = sum_k w_k h_n(x_k) f(x_k), and is f at the nodes. Its error beside a polynomial of degree
2 K - 1 has mean 0 under N(0, 1), as the rule has. From some sds on, where polynomials of high
degree leave what they stand for, it goes on along its tangent; and where the function is concave it
stays below its tangent at 0. Functions of many levels lie as vectors, coefficient by coefficient.
"""

import math

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.quadrature.groups import fill

_BEYOND, _ENOUGH, _WITHIN = 1.25, 5.0, 0.7  # outermost nodes, sds, outermost nodes
_u = np.uint64


@inner
def edge_of(nodes, K):
    """Where series become straight lines, on either side."""
    return max(min(_BEYOND * nodes[K - 1], _ENOUGH), _WITHIN * nodes[K - 1])


@inner
def coefficients(basis, values, K, G, out):
    """c (K, G) of the values (K, G); basis (K, K) is w_k h_n(x_k)."""
    for n in range(K):
        for g in range(G):
            out[_u(n * G + g)] = 0.0
        for k in range(K):
            c = basis[n * K + k]
            for g in range(G):
                out[_u(n * G + g)] += c * values[_u(k * G + g)]


@inner
def back(basis, moments, K, G, out):
    """Slopes by the values, (K, G), of a sum whose slopes by the coefficients are these."""
    for k in range(K):
        for g in range(G):
            out[_u(k * G + g)] = 0.0
        for n in range(K):
            c = basis[n * K + k]
            for g in range(G):
                out[_u(k * G + g)] += c * moments[_u(n * G + g)]


@inner
def series(c, K, G, order, x, b, out):
    """The series' derivative of this order, 0, 1 or 2, at x (G,); b (G,) is overwritten.

    By Clenshaw's recurrence (doi:10.1090/S0025-5718-1955-0071856-0).
    """
    for g in range(G):
        out[_u(g)] = 0.0
        b[_u(g)] = 0.0
    for k in range(K - order):
        n = K - 1 - order - k
        scale = 1.0
        for e in range(order):
            scale *= math.sqrt(n + 1.0 + e)
        first, second = 1.0 / math.sqrt(n + 1.0), math.sqrt((n + 1.0) / (n + 2.0))
        at = (n + order) * G
        for g in range(G):
            last = out[_u(g)]
            out[_u(g)] = scale * c[_u(at + g)] + first * x[_u(g)] * last - second * b[_u(g)]
            b[_u(g)] = last


@inner
def lines(c, K, G, edge, concave, x, b, tangents):
    """Tangents (4, G): slopes at both ends; at 0 the value, infinite unless concave, and slope."""
    for k in range(2):
        for g in range(G):
            x[_u(g)] = edge if k else -edge
        series(c, K, G, 1, x, b, tangents[k * G : (k + 1) * G])
    fill(x, 0.0, 0, G)
    series(c, K, G, 1, x, b, tangents[3 * G : 4 * G])
    if concave:
        series(c, K, G, 0, x, b, tangents[2 * G : 3 * G])
    else:
        fill(tangents, math.inf, 2 * G, G)
        fill(tangents, 0.0, 3 * G, G)


@inner
def along(c, K, G, edge, tangents, x, within, b, out):
    """The function at x (G,), with its tangents beyond the edges; x within them into `within`."""
    low, high, top, tilt = 0, G, 2 * G, 3 * G  # places in `tangents`
    for g in range(G):
        v = x[_u(g)]
        v = v if v < edge else edge
        within[_u(g)] = v if v > -edge else -edge
    series(c, K, G, 0, within, b, out)
    for g in range(G):
        over = x[_u(g)] - within[_u(g)]
        slope = tangents[_u(high + g)] if over > 0.0 else tangents[_u(low + g)]
        value = out[_u(g)] + over * slope
        most = tangents[_u(top + g)] + tangents[_u(tilt + g)] * x[_u(g)]
        out[_u(g)] = value if value < most else most


@inner
def add_moments(K, G, x, share, weight, b, last, moments, weighted):
    """Add share h_n(x) to moments (K, G), and share weight h_n(x) to `weighted`."""
    for g in range(G):
        b[_u(g)], last[_u(g)] = 1.0, 0.0
    for n in range(K):
        first, second = 1.0 / math.sqrt(n + 1.0), math.sqrt(n + 0.0)
        for g in range(G):
            h = b[_u(g)]
            moments[_u(n * G + g)] += share[_u(g)] * h
            weighted[_u(n * G + g)] += share[_u(g)] * weight[_u(g)] * h
            b[_u(g)] = first * (x[_u(g)] * h - second * last[_u(g)])
            last[_u(g)] = h
