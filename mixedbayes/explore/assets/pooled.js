"use strict";
/* Coefficients of every group given the variances, exactly, from few numbers of each group's rows.

   y = X (origin + c) + Z b + e with weights W, c ~ N(mean, precision^-1), b = A d, d ~ N(0, Psi),
   e ~ N(0, sigma^2 / W). Rows of a group are kept as Z = Q F', Q'WQ = I, by F' (q, q, upper),
   T = Q'WX (q, p), t = Q'Wy, and by X'WX and X'Wy of what Z leaves of X and y. With D the sds,
   R = C C' the correlations, L = A D C, and s = (weight of the group) / sigma^2:

     G = (I + s F'L L'F)^-1,   M = I + s L'F F'L,   B = s L M^-1 L'F     of each group
     H = precision + sum s (X'WX + T'G T),          c ~ N(H^-1 h, H^-1)
     h = precision mean + sum s (X'Wy + T'G t),     b = B (t - T c)

   Nothing is subtracted that could cancel, and no root is inverted, so that an sd may be zero:
   complete pooling. Without pooling G is zero and B the inverse of F', the limit of endless sds,
   in which the groups say nothing of a population. */

// Where a group's numbers begin in their list; F' and X'WX have one triangle, row by row.
function layout(p, q) {
  const T = q * (q + 1) / 2, t = T + q * p, XX = t + q, Xy = XX + p * (p + 1) / 2;
  return { F: 0, T, t, XX, Xy, size: Xy + p };
}

// The numbers of rows { x (p), z (q), y, w }.
function sums(rows, p, q) {
  const out = [], upper = [], product = (a, b) => rows.reduce((v, { w }, k) => v + w * a[k] * b[k], 0);
  const Z = Array.from({ length: q }, (_, i) => rows.map(({ z }) => z[i]));
  const X = Array.from({ length: p }, (_, i) => rows.map(({ x }) => x[i]));
  const y = rows.map((row) => row.y);
  Z.forEach((z, i) => {
    const square = product(z, z), all = rows.reduce((v, row) => v + row.w * row.z[i] ** 2, 0);
    const f = square > 1e-20 * all ? Math.sqrt(square) : 0;
    const rest = [...Z.slice(i + 1), ...X, y];
    upper.push([f, ...rest.map((a) => {
      const along = f > 0 ? product(z, a) / f : 0;
      if (f > 0) a.forEach((_, k) => { a[k] -= z[k] * along / f; });
      return along;
    })]);
  });
  upper.forEach((row, i) => out.push(...row.slice(0, q - i)));
  upper.forEach((row, i) => out.push(...row.slice(q - i, q - i + p)));
  upper.forEach((row, i) => out.push(row[q - i + p]));
  X.forEach((x, i) => out.push(...X.slice(0, i + 1).map((other) => product(x, other))));
  return [...out, ...X.map((x) => product(x, y))];
}

// Lower root of a matrix in place; a pivot that is nothing beside `size` leaves a column of zeros.
function root(H, n, size) {
  for (let j = 0; j < n; j++) {
    let d = H[j * n + j];
    for (let k = 0; k < j; k++) d -= H[j * n + k] ** 2;
    const none = !(d > 1e-13 * size[j]);
    const r = none ? 0 : Math.sqrt(d);
    H[j * n + j] = r;
    for (let i = j + 1; i < n; i++) {
      let v = H[i * n + j];
      for (let k = 0; k < j; k++) v -= H[i * n + k] * H[j * n + k];
      H[i * n + j] = none ? 0 : v / r;
    }
  }
  return H;
}

// v becomes R^-1 v, R being a lower root; what it does not reach is zero.
function forward(R, n, v) {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) v[i] -= R[i * n + k] * v[k];
    v[i] = R[i * n + i] > 0 ? v[i] / R[i * n + i] : 0;
  }
  return v;
}

// v becomes R'^-1 v.
function backward(R, n, v) {
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) v[i] -= R[k * n + i] * v[k];
    v[i] = R[i * n + i] > 0 ? v[i] / R[i * n + i] : 0;
  }
  return v;
}

const multiplied = (A, B) => A.map((row) => B[0].map((_, j) => row.reduce((v, a, k) => v + a * B[k][j], 0)));
const turned = (A) => A[0].map((_, j) => A.map((row) => row[j]));
const dot = (row, v) => row.reduce((a, b, i) => a + b * v[i], 0);

// (I + s N'N)^-1 of one or two columns.
function inner(N, s) {
  const M = multiplied(turned(N), N).map((row, i) => row.map((v, j) => (i === j ? 1 : 0) + s * v));
  if (M.length === 1) return [[1 / M[0][0]]];
  const det = M[0][0] * M[1][1] - M[0][1] ** 2;
  return [[M[1][1] / det, -M[0][1] / det], [-M[0][1] / det, M[0][0] / det]];
}

// The inverse of F', or zero where rows do not determine all effects.
function straight(U) {
  if (U.some((row, i) => row[i] === 0)) return U.map((row) => row.map(() => 0));
  if (U.length === 1) return [[1 / U[0][0]]];
  return [[1 / U[0][0], -U[0][1] / U[0][0] / U[1][1]], [0, 1 / U[1][1]]];
}

/* model: p, q; A (q, q) and its inverse; E (q, p) and base (q): population coefficients of the
   group's terms are base + E c; C (m, p) and start (m): all population coefficients, `varies` (m)
   those of the group's terms; mean (p), precision (p, p); groups (J lists of numbers).
   state: sd (q), cor, sigma, weights (J), newcomer (numbers of a group, or null), none (no pooling).
   What the rows do not determine is NaN. */
function pooled(model, state) {
  const { p, q } = model, at = layout(p, q), none = Boolean(state.none);
  const every = state.newcomer ? [...model.groups, state.newcomer] : model.groups;
  const rho = q === 2 ? state.cor : 0;
  const C = q === 2 ? [[1, 0], [rho, Math.sqrt(Math.max(0, 1 - rho * rho))]] : [[1]];
  const DC = C.map((row, i) => row.map((v) => state.sd[i] * v));
  const L = multiplied(model.A, DC);

  const H = Float64Array.from(model.precision.flat()), h = new Float64Array(p);
  const size = new Float64Array(p);
  for (let i = 0; i < p; i++) {
    size[i] = H[i * p + i];
    h[i] = dot(model.precision[i], model.mean);
  }
  const kept = every.map((S, g) => {
    const s = (g < model.groups.length ? state.weights[g] : 1) / state.sigma ** 2;
    const U = q === 1 ? [[S[0]]] : [[S[0], S[1]], [0, S[2]]]; // F'
    const T = U.map((_, i) => Array.from(S.slice(at.T + i * p, at.T + (i + 1) * p)));
    const t = Array.from(S.slice(at.t, at.XX));
    const N = multiplied(U, L); // F'L
    const M = none ? null : inner(N, s);
    const G = none ? null : inner(turned(N), s);
    const B = none ? straight(U) : multiplied(multiplied(L, M), turned(N)).map((r) => r.map((v) => s * v));
    for (let i = 0; i < p; i++) {
      const own = S[at.XX + i * (i + 3) / 2];
      let right = S[at.Xy + i], whole = own;
      for (let k = 0; k < q; k++) {
        whole += T[k][i] ** 2;
        for (let l = 0; l < q && !none; l++) right += T[k][i] * G[k][l] * t[l];
      }
      size[i] += s * whole;
      h[i] += s * right;
      for (let j = 0; j <= i; j++) {
        let v = S[at.XX + i * (i + 1) / 2 + j];
        for (let k = 0; k < q && !none; k++) {
          for (let l = 0; l < q; l++) v += T[k][i] * G[k][l] * T[l][j];
        }
        H[i * p + j] += s * v;
      }
    }
    return { s, U, T, t, M, G, B };
  });
  const R = root(H, p, size);
  const c = Array.from(backward(R, p, forward(R, p, h)));
  const spread = (row) => { // sd of row c; NaN where c is not known there
    if (row.some((v, i) => v !== 0 && R[i * p + i] === 0)) return NaN;
    const v = forward(R, p, Float64Array.from(row));
    return Math.sqrt(dot(Array.from(v), v));
  };

  const shared = model.E.map((row, k) => model.base[k] + dot(row, c));
  const unknown = (m) => none && model.varies[m];
  const population = {
    coef: model.C.map((row, m) => (unknown(m) ? NaN : model.start[m] + dot(row, c))),
    sd: model.C.map((row, m) => (unknown(m) ? NaN : spread(row))),
    shared: none ? shared.map(() => NaN) : shared, // of the group's terms
  };

  const groups = kept.map(({ s, U, T, t, M, G, B }) => {
    const left = t.map((v, i) => v - dot(T[i], c));
    const alone = own(model, U, left).map((v, k) => (s > 0 ? shared[k] + v : NaN));
    const b = B.map((row) => dot(row, left)); // of Z's columns
    const effect = model.inverse.map((row) => dot(row, b));
    // How far the rows lie from what the population lets expect, in sds.
    const distance = none ? NaN : Math.sqrt(s * dot(left, G.map((row) => dot(row, left))));
    const out = { own: alone, coef: [], effect: [], pooling: [], sd: [], b, distance };
    // Of the population: what the group's own effects do not take back.
    const taken = p ? multiplied(model.inverse, multiplied(B, T)) : model.E;
    const alike = none ? multiplied(model.inverse, B) : DC;
    for (let k = 0; k < q; k++) {
      const rest = spread(model.E[k].map((v, j) => (unknown(k) ? 0 : v - taken[k][j])));
      const within = none ? dot(alike[k], alike[k]) / s : dot(alike[k], M.map((row) => dot(row, alike[k])));
      const there = !none || !Number.isNaN(alone[k]);
      out.coef.push(none ? alone[k] : shared[k] + effect[k]);
      out.effect.push(none ? NaN : effect[k]);
      out.pooling.push(none ? (there ? 0 : NaN) : Math.min(1, dot(C[k], M.map((row) => dot(row, C[k])))));
      out.sd.push(there && !(none && alike[k].every((v) => v === 0)) ? Math.hypot(rest, Math.sqrt(within)) : NaN);
    }
    if (none && alone.some(Number.isNaN)) out.b = b.map(() => NaN);
    return out;
  });
  const newcomer = state.newcomer ? groups.pop() : null;
  return { population, c, groups, newcomer };
}

// Least squares of a group's rows on what the population leaves; NaN where they do not say.
function own({ q, A, inverse }, U, left) {
  if (U.every((row, i) => row[i] > 0)) {
    const v = straight(U).map((row) => dot(row, left));
    return inverse.map((row) => dot(row, v));
  }
  if (q === 1) return [NaN];
  // One combination of the effects is known; it is an effect where the other's column is zero.
  const i = U[0][0] > 0 ? 0 : 1;
  const column = (k) => {
    const parts = [U[i][0] * A[0][k], U[i][1] * A[1][k]], sum = parts[0] + parts[1];
    return Math.abs(sum) > 1e-9 * (Math.abs(parts[0]) + Math.abs(parts[1])) ? sum : 0;
  };
  return [0, 1].map((k) => (column(1 - k) === 0 && column(k) !== 0 ? left[i] / column(k) : NaN));
}
