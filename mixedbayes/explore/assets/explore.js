"use strict";
(() => {
  const page = JSON.parse(document.getElementById("content").textContent);
  const { group, effects, scales, axis } = page;
  const $ = (id) => document.getElementById(id);
  const q = page.model.q, p = page.model.p, J = group.labels.length;
  const MOST_LINES = 120, MOST_ARROWS = 250, MOST_STRIPS = 30, MOST_ROWS = 100, MOST_LISTED = 400;

  // ---- what the page was given ---------------------------------------------------------------

  // An array of bytes in base64, little end first, as rows.
  function unpacked({ shape, bytes }, Kind) {
    const text = atob(bytes), view = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) view[i] = text.charCodeAt(i);
    const flat = new Kind(view.buffer);
    if (shape.length === 1) return flat;
    return Array.from({ length: shape[0] }, (_, j) => flat.subarray(j * shape[1], (j + 1) * shape[1]));
  }
  const model = { ...page.model, groups: unpacked(page.model.groups, Float64Array) };
  const lineX = unpacked(axis.X, Float64Array), lineZ = unpacked(axis.Z, Float64Array);
  const points = {
    x: unpacked(page.points.x, Float64Array), y: unpacked(page.points.y, Float64Array),
    group: unpacked(page.points.group, Int32Array),
  };
  const rowsOf = Array.from({ length: J }, () => []);
  points.group.forEach((g, i) => rowsOf[g].push(i));
  const places = axis.places, side = axis.name === ""; // side: groups beside each other

  // ---- the state, and what follows from it ---------------------------------------------------

  const scaleOf = (key) => scales.find((scale) => scale.key === key);
  const tied = q === 2 && !scaleOf("sd1");
  const middle = (key, otherwise) => (scaleOf(key) ? scaleOf(key).mean : otherwise);
  const posterior = () => ({
    sd: Array.from({ length: q }, (_, k) => middle(tied ? "sd0" : `sd${k}`)),
    cor: middle("cor", 0), sigma: middle("sigma", 1), none: false,
  });
  let state = { ...posterior(), weights: new Array(J).fill(1), rows: [], chosen: 0 };
  const solve = (s) => pooled(model, { ...s, newcomer: s.rows.length ? sums(s.rows, p, q) : null });
  let now = solve(state), before = null, anchor = null;
  const atStart = now;

  // A change of the state: picture, numbers, and one sentence on what moved.
  function change(next, words, { quiet = false } = {}) {
    const old = { state, now };
    state = { ...state, ...next };
    now = solve(state);
    if (!anchor) anchor = old;
    before = anchor;
    draw();
    if (!quiet) {
      $("said").textContent = `${words} ${moved(anchor)}`.trim();
      anchor = null;
    }
    forget();
  }

  const label = (g) => `${group.name} ${group.labels[g]}`;
  const mean = (values) => {
    const known = values.filter((v) => !Number.isNaN(v));
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : NaN;
  };

  // What moved since an earlier state, of the chosen group, the population, all groups, the newcomer.
  function moved(old) {
    const pair = (a, b, unit = "") => (a === b ? a : `${a} → ${b}`) + (unit && ` ${unit}`);
    const each = (value, shown) => effects.map((effect, k) => {
      return effect.population || value !== ofPopulation ? `${effect.name} ${shown(k)}` : "";
    }).filter(Boolean).join(", ");
    const numbers = (value) => each(value, (k) => {
      const [a, b] = [old.now, now].map((found) => number(value(found, k), 4, effects[k].spread));
      return pair(a, b, effects[k].unit);
    });
    const ofGroup = (found, k) => found.groups[state.chosen].coef[k];
    const ofPopulation = (found, k) => found.population.shared[k];
    const ofAll = (found, k) => share(mean(found.groups.map((one) => one.pooling[k])));
    const parts = [`${label(state.chosen)}: ${numbers(ofGroup)}.`];
    if (state.none) parts.push("No pooling has no population.");
    else if (effects.some((effect) => effect.population)) parts.push(`Population: ${numbers(ofPopulation)}.`);
    parts.push(`Mean pooling: ${each(ofAll, (k) => pair(ofAll(old.now, k), ofAll(now, k)))}.`);
    if (now.newcomer) {
      parts.push(`Newcomer: ${each(null, (k) => measured(now.newcomer.coef[k], effects[k].unit, effects[k].spread))}.`);
    }
    return parts.join(" ");
  }

  // ---- sliders -------------------------------------------------------------------------------

  const valueOf = (s, key) => (key.startsWith("sd") ? s.sd[Number(key.slice(2))] : s[key]);
  function withValue(key, v) {
    if (!key.startsWith("sd")) return { [key]: v, none: false };
    const sd = state.sd.map((old, k) => (tied || k === Number(key.slice(2)) ? v : old));
    return { sd, none: false };
  }

  const sliders = scales.map((scale) => {
    const box = document.createElement("div");
    box.className = "scale";
    const row = box.appendChild(document.createElement("div"));
    row.className = "row";
    const name = row.appendChild(document.createElement("label"));
    name.htmlFor = `scale-${scale.key}`;
    name.textContent = scale.name + (scale.unit ? ` (${scale.unit})` : "");
    const exact = row.appendChild(document.createElement("input"));
    Object.assign(exact, { type: "number", id: `exact-${scale.key}`, step: "any", min: scale.low });
    if (scale.key === "cor") exact.max = 1;
    exact.setAttribute("aria-label", `${scale.name}, as a number`);
    const slider = box.appendChild(document.createElement("input"));
    Object.assign(slider, {
      type: "range", id: `scale-${scale.key}`, min: scale.low, max: scale.high, step: scale.step,
    });
    const rug = svg("svg", { "aria-hidden": "true" }, box);
    const words = () => `${scale.name} ${measured(valueOf(state, scale.key), scale.unit)}.`;
    slider.addEventListener("input", () => {
      change(withValue(scale.key, Number(slider.value)), words(), { quiet: true });
    });
    slider.addEventListener("change", () => change({}, words()));
    exact.addEventListener("change", () => {
      const v = Number(exact.value), low = scale.key === "sigma" ? Number.MIN_VALUE : scale.low;
      if (exact.value === "" || !(v >= low) || (scale.key === "cor" && v > 1)) {
        $("said").textContent = `${scale.name} must be ${scale.key === "cor" ? "between −1 and 1"
          : scale.key === "sigma" ? "greater than 0" : "0 or greater"}.`;
        return controls();
      }
      change(withValue(scale.key, v), "");
      $("said").textContent = `${words()} ${$("said").textContent}`;
    });
    $("scales").append(box);
    return { scale, slider, exact, rug, words };
  });

  function controls() {
    for (const { scale, slider, exact } of sliders) {
      const v = valueOf(state, scale.key), endless = state.none && scale.key !== "sigma";
      slider.value = endless ? (scale.key === "cor" ? v : scale.high) : v;
      if (document.activeElement !== exact || exact.value === "") {
        exact.value = endless && scale.key !== "cor" ? "" : Number(v.toPrecision(6));
      }
      exact.placeholder = endless ? "∞" : "";
      slider.setAttribute("aria-valuetext", endless && scale.key !== "cor" ? "endless: no pooling"
        : `${measured(v, scale.unit)}; posterior mean ${number(scale.mean)}`);
    }
    const same = (a) => !state.none && a.sd.every((v, k) => v === state.sd[k]);
    const own = posterior();
    const pressed = (id, on) => $(id).setAttribute("aria-pressed", String(Boolean(on)));
    pressed("preset-posterior", same(own) && own.cor === state.cor && own.sigma === state.sigma);
    pressed("preset-complete", !state.none && state.sd.every((v) => v === 0));
    pressed("preset-none", state.none);
    $("chosen").value = String(state.chosen);
    for (const radio of document.querySelectorAll("[name=weight]")) {
      radio.checked = Number(radio.value) === state.weights[state.chosen];
    }
    $("restore").disabled = state.weights.every((w) => w === 1);
    $("leave").disabled = state.rows.length === 0;
    $("newcomer-key").hidden = state.rows.length === 0;
  }

  function rugs() {
    for (const { scale, rug } of sliders) {
      const width = rug.clientWidth, room = width - 16;
      rug.replaceChildren();
      for (const v of scale.rug) {
        const x = 8 + room * (v - scale.low) / (scale.high - scale.low);
        svg("path", { d: `M${x} 0V8`, class: "rug" }, rug);
      }
    }
  }

  $("preset-posterior").addEventListener("click", () => change(posterior(), "Posterior means."));
  $("preset-complete").addEventListener("click", () => {
    change({ sd: state.sd.map(() => 0), none: false }, "Complete pooling: every sd of the groups is 0.");
  });
  $("preset-none").addEventListener("click", () => {
    change({ none: true }, "No pooling: each group has its own least squares, as if sds were endless.");
  });

  // ---- one group -----------------------------------------------------------------------------

  let matching = group.labels.map((_, g) => g);
  function list() {
    const wanted = $("find").value.trim().toLowerCase();
    matching = group.labels.map((_, g) => g).filter((g) => group.labels[g].toLowerCase().includes(wanted));
    const shown = matching.slice(0, MOST_LISTED);
    if (!shown.includes(state.chosen)) shown.unshift(state.chosen);
    $("chosen").replaceChildren(...shown.map((g) => {
      const weight = state.weights[g], note = weight === 1 ? "" : weight === 0 ? ", deleted" : `, weight ${weight}`;
      return new Option(`${label(g)}${note}`, g);
    }));
    $("chosen").value = String(state.chosen);
    $("found").textContent = `${matching.length.toLocaleString("en")} of ${J.toLocaleString("en")}`;
  }
  function choose(g) {
    state = { ...state, chosen: g };
    before = null;
    draw();
    list();
    const own = now.groups[g];
    const said = effects.map((effect, k) => {
      const { name, unit, spread } = effect;
      return `${name} ${measured(own.coef[k], unit, spread)}, by itself ${number(own.own[k], 4, spread)}, pooling ${share(own.pooling[k])}`;
    });
    const weight = state.weights[g];
    $("said").textContent = `${label(g)}, ${plural(group.rows[g], "row")}${weight === 1 ? "" : `, weight ${weight}`}: ${said.join("; ")}.`;
  }
  function step(by) {
    const among = matching.length ? matching : group.labels.map((_, g) => g);
    const k = among.indexOf(state.chosen);
    choose(among[k < 0 ? 0 : (k + by + among.length) % among.length]);
  }
  $("find").addEventListener("input", () => { list(); table(); });
  $("find").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && matching.length) choose(matching[0]);
  });
  $("chosen").addEventListener("change", () => choose(Number($("chosen").value)));
  $("previous").addEventListener("click", () => step(-1));
  $("following").addEventListener("click", () => step(1));
  const weighted = (g, w) => ({ weights: state.weights.map((old, k) => (k === g ? w : old)) });
  const SAID = { 0: "deleted", 0.5: "half weight", 1: "once", 2: "each row twice" };
  for (const radio of document.querySelectorAll("[name=weight]")) {
    radio.addEventListener("change", () => {
      const w = Number(radio.value);
      change(weighted(state.chosen, w), `${label(state.chosen)}: ${SAID[w]}.`);
      list();
    });
  }
  $("restore").addEventListener("click", () => {
    change({ weights: state.weights.map(() => 1) }, "All groups restored.");
    list();
  });

  // ---- a newcomer ----------------------------------------------------------------------------

  const chosenPlace = !side && !(axis.straight && !axis.categories);
  if (side) $("typed-x").hidden = true;
  else {
    const name = document.createElement("label");
    name.htmlFor = "new-x";
    name.textContent = axis.name;
    const field = document.createElement(chosenPlace ? "select" : "input");
    field.id = "new-x";
    if (chosenPlace) places.forEach((x, k) => field.append(new Option(axis.categories ? axis.categories[k] : number(x, 4, places[1] - places[0]), k)));
    else Object.assign(field, { type: "number", step: "any", required: true });
    $("typed-x").append(name, field);
  }
  $("new-y-label").textContent = page.response;
  $("newcomer-words").textContent = "Type rows of somebody new; with them the newcomer is one group more."
    + (axis.words ? ` At ${axis.words}.` : "");

  // Columns of a typical row at a place along the axis.
  function typical(x) {
    const { X, Z } = axis.typical;
    if (side) return { x: X[0], z: Z[0] };
    if (chosenPlace) return { x: X[x], z: Z[x] };
    const f = (x - places[0]) / (places[1] - places[0]);
    const between = (a, b) => a.map((v, k) => v + f * (b[k] - v));
    return { x: between(X[0], X[1]), z: between(Z[0], Z[1]) };
  }
  $("type").addEventListener("submit", (event) => {
    event.preventDefault();
    const at = side ? 0 : Number($("new-x").value), y = Number($("new-y").value);
    const { x, z } = typical(at);
    const rest = y - x.reduce((v, a, i) => v + a * model.origin[i], 0);
    const place = side ? 0 : chosenPlace ? places[at] : at;
    const where = chosenPlace && $("new-x").selectedOptions[0].text;
    const shown = side ? number(y, 15) : `${axis.name} ${where || number(at, 15)}: ${number(y, 15)}`;
    change({ rows: [...state.rows, { x, z, y: rest, w: 1, place, seen: y, shown }] }, `Newcomer's row ${shown}.`);
    typed();
    $("new-y").value = "";
    $("new-y").focus();
  });
  function typed() {
    $("typed").replaceChildren(...state.rows.map((row, k) => {
      const item = document.createElement("li"), remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = "Remove";
      remove.setAttribute("aria-label", `Remove row ${row.shown}`);
      remove.addEventListener("click", () => {
        change({ rows: state.rows.filter((_, i) => i !== k) }, `Newcomer's row ${row.shown} removed.`);
        typed();
        $("new-y").focus();
      });
      item.append(row.shown, remove);
      return item;
    }));
  }
  $("leave").addEventListener("click", () => {
    change({ rows: [] }, "The newcomer is gone.");
    typed();
    $("new-y").focus();
  });

  // ---- pictures ------------------------------------------------------------------------------

  // Evenly spaced members of a list, the chosen group among them.
  function some(list, most) {
    if (list.length <= most) return list;
    const found = Array.from({ length: most }, (_, k) => list[Math.floor(k * list.length / most)]);
    return found.includes(state.chosen) ? found : [...found, state.chosen];
  }
  const everyone = group.labels.map((_, g) => g);

  function etas(found, X, Z, b) {
    return places.map((_, m) => {
      let eta = 0;
      for (let i = 0; i < p; i++) eta += X[m * p + i] * (model.origin[i] + found.c[i]);
      for (let i = 0; i < q; i++) eta += Z[m * q + i] * b[i];
      return eta;
    });
  }
  const flatX = axis.typical.X.flat(), flatZ = axis.typical.Z.flat(), zero = new Array(q).fill(0);
  const populationLine = (found) => etas(found, flatX, flatZ, zero);
  const lineOf = (found, g) => etas(found, lineX[g], lineZ[g], found.groups[g].b);
  // Least squares of the group: its own columns, all effects as if there were nobody else.
  function ownLine(found, g) {
    const one = found.groups[g];
    if (one.own.some(Number.isNaN)) return null;
    const apart = one.own.map((v, k) => v - (Number.isNaN(found.population.shared[k]) ? 0 : found.population.shared[k]));
    if (state.none) return lineOf(found, g);
    return etas(found, lineX[g], lineZ[g], model.A.map((row) => row.reduce((v, a, k) => v + a * apart[k], 0)));
  }
  const slots = some(everyone, MOST_STRIPS); // where groups stand side by side
  let heights = null; // that the first picture needs

  // Paths of the points by their looks; the same as before where nothing of them has moved.
  let pointsKept = { key: null };
  function dotted(f, where, placeOf) {
    const key = `${where};${state.chosen};${state.weights}`;
    if (pointsKept.key === key) return pointsKept.dots;
    const dots = new Map(), tenth = (v) => Math.round(10 * v) / 10;
    points.x.forEach((x, i) => {
      const g = points.group[i], me = g === state.chosen;
      if (side && placeOf(g) < 0) return;
      const size = me ? 3.6 : points.x.length > 800 ? 1.8 : 2.6;
      const kind = me ? "dot mine" : state.weights[g] === 0 ? "dot gone" : "dot";
      const cx = tenth(f.x(side ? placeOf(g) : x) - size), cy = tenth(f.y(points.y[i]));
      const disc = `M${cx} ${cy}a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0`;
      if (dots.has(kind)) dots.get(kind).push(disc);
      else dots.set(kind, [disc]);
    });
    for (const [kind, discs] of dots) dots.set(kind, svg("path", { d: discs.join(""), class: kind }));
    pointsKept = { key, dots };
    return dots;
  }

  function drawLines() {
    if (!heights) {
      const values = [...points.y];
      for (const g of some(everyone, 200)) {
        values.push(...lineOf(atStart, g));
        const one = ownLine(atStart, g);
        if (one) {
          const [low, high] = range(points.y), room = 0.35 * (high - low);
          values.push(...one.map((v) => Math.min(high + room, Math.max(low - room, v))));
        }
      }
      heights = range(values);
    }
    const ys = stretched(heights, state.rows.map((row) => row.seen));
    const standing = side ? slots.includes(state.chosen) ? slots : [...slots, state.chosen] : [];
    const xs = side ? [-0.7, standing.length - 0.3 + (state.rows.length ? 1 : 0)]
      : axis.categories ? [-0.4, places.length - 0.6] : range([...places, ...state.rows.map((row) => row.place)]);
    const room = $("lines").clientWidth - 64;
    const every = Math.ceil((side ? standing.length : axis.categories ? places.length : 1) * 58 / room);
    const xTicks = side ? standing.map((g, k) => [k, shortened(group.labels[g], 8)]).filter((_, k) => k % every === 0)
      : axis.categories ? places.map((x, k) => [x, shortened(axis.categories[k], 10)]).filter((_, k) => k % every === 0) : null;
    const f = frame("lines", xs, ys, { xTicks, xName: axis.label, yName: page.response });
    const at = side ? null : places, me = state.chosen;
    const placeOf = (g) => standing.indexOf(g);
    const stretch = (k) => [k - 0.38, k + 0.38], twice = (v) => [v[0], v[0]];
    const drawn = side ? standing : some(everyone, MOST_LINES);
    const dots = dotted(f, `${[xs, ys, standing, f.area.right, f.area.bottom]}`, placeOf);
    for (const kind of ["dot gone", "dot"]) if (dots.has(kind)) f.inside.append(dots.get(kind));
    for (const g of drawn) {
      if (g === me) continue;
      const values = lineOf(now, g);
      if (values.some(Number.isNaN)) continue;
      const d = side ? path(f, stretch(placeOf(g)), twice(values)) : path(f, at, values);
      svg("path", { d, class: "other", "data-group": g }, f.inside);
      svg("path", { d, class: "hit", "data-group": g }, f.inside);
    }
    const mine = (values, kind) => {
      if (!values || values.some(Number.isNaN)) return;
      svg("path", { d: side ? path(f, stretch(placeOf(me)), twice(values)) : path(f, at, values), class: kind }, f.inside);
      if (axis.categories) for (const [k, v] of values.entries()) svg("circle", { cx: f.x(k), cy: f.y(v), r: 4, class: `${kind}-dot` }, f.inside);
    };
    if (before) mine(lineOf(before.now, me), "before");
    mine(ownLine(now, me), "own");
    mine(lineOf(now, me), "pooled");
    if (!state.none) { // before all others: pooled completely they are on it
      const values = populationLine(now);
      svg("path", { d: side ? path(f, xs, twice(values)) : path(f, at, values), class: "population" }, f.inside);
    }
    if (dots.has("dot mine")) f.inside.append(dots.get("dot mine"));
    if (now.newcomer) {
      const values = etas(now, flatX, flatZ, now.newcomer.b), k = standing.length;
      if (!values.some(Number.isNaN)) {
        svg("path", { d: side ? path(f, stretch(k), twice(values)) : path(f, at, values), class: "newcomer" }, f.inside);
      }
      for (const row of state.rows) {
        const cx = f.x(side ? k : row.place), cy = f.y(row.seen);
        svg("path", { d: `M${cx} ${cy - 6}L${cx + 6} ${cy}L${cx} ${cy + 6}L${cx - 6} ${cy}Z`, class: "newcomer-dot" }, f.inside);
      }
    }
    const parts = [];
    if (page.held.length) parts.push(`Effects of ${page.held.join(", ")} are taken out, at their posterior means.`);
    if (drawn.length < J) parts.push(`${drawn.length} of ${J.toLocaleString("en")} groups are drawn.`);
    if (page.points.left_out) parts.push(`${points.x.length.toLocaleString("en")} of ${page.rows.toLocaleString("en")} rows are drawn; all are in the numbers.`);
    if (axis.words) parts.push(`Each group's line is at its own other columns, the population's at ${axis.words}.`);
    if (now.groups[me].own.some(Number.isNaN)) parts.push(`${label(me)} has no line of its own: ${state.weights[me] === 0 ? "it is deleted" : "its rows do not determine one"}.`);
    $("lines-title").textContent = `${label(me)} among all groups`;
    $("lines-words").textContent = parts.join(" ");
  }

  const bounded = effects.map((_, k) => {
    const values = atStart.groups.flatMap((one) => [one.own[k], one.coef[k]]);
    const [at, sd] = [atStart.population.shared[k], 2 * posterior().sd[k]];
    return range([...bounds(values), ...atStart.groups.map((one) => one.coef[k]), at - sd, at + sd]);
  });

  function arrow(f, g, from, to) {
    const me = g === state.chosen, kind = me ? "arrow mine" : "arrow";
    if (from) {
      svg("path", { d: `M${from[0].toFixed(1)} ${from[1].toFixed(1)}L${to[0].toFixed(1)} ${to[1].toFixed(1)}${arrowHead(from, to)}`, class: kind }, f.inside);
      svg("circle", { cx: from[0], cy: from[1], r: me ? 5 : 3, class: "own-dot" }, f.inside);
    }
    svg("circle", { cx: to[0], cy: to[1], r: me ? 6 : 3.5, class: "pooled-dot", "data-group": g }, f.inside);
    svg("circle", { cx: to[0], cy: to[1], r: 9, class: "hit", "data-group": g }, f.inside);
    if (me) named(f, to[0], to[1] - 7, shortened(group.labels[g], 18));
  }

  const strips = () => (slots.includes(state.chosen) ? slots : [...slots, state.chosen]);
  function drawArrows() {
    const drawn = q === 2 ? some(everyone, MOST_ARROWS) : strips();
    const last = drawn.filter((g) => g !== state.chosen).concat(drawn.includes(state.chosen) ? [state.chosen] : []);
    const center = now.population.shared;
    const extra = now.newcomer ? now.newcomer.coef : [];
    const wide = bounded.map((b, k) => stretched(b, Number.isNaN(extra[k] ?? NaN) ? [] : [extra[k]]));
    const names = effects.map((effect) => effect.name + (effect.unit ? ` (${effect.unit})` : ""));
    let f;
    if (q === 2) {
      f = frame("arrows", wide[0], wide[1], { xName: names[0], yName: names[1] });
      if (!state.none) {
        for (const r of [1.1774, 2.4477]) { // half and 95 % of a normal population
          const d = Array.from({ length: 73 }, (_, k) => {
            const a = k * Math.PI / 36, u = [r * Math.cos(a), r * Math.sin(a)];
            const x = center[0] + state.sd[0] * u[0];
            const y = center[1] + state.sd[1] * (state.cor * u[0] + Math.sqrt(Math.max(0, 1 - state.cor ** 2)) * u[1]);
            return `${k ? "L" : "M"}${f.x(x).toFixed(1)} ${f.y(y).toFixed(1)}`;
          });
          svg("path", { d: `${d.join("")}Z`, class: "ellipse" }, f.inside);
        }
        const [x, y] = [f.x(center[0]), f.y(center[1])];
        svg("path", { d: `M${x - 8} ${y}H${x + 8}M${x} ${y - 8}V${y + 8}`, class: "cross" }, f.inside);
      }
      for (const g of last) {
        const one = now.groups[g];
        if (one.coef.some(Number.isNaN)) continue;
        const from = one.own.some(Number.isNaN) ? null : [f.x(one.own[0]), f.y(one.own[1])];
        arrow(f, g, from, [f.x(one.coef[0]), f.y(one.coef[1])]);
      }
      if (now.newcomer && !extra.some(Number.isNaN)) diamond(f, f.x(extra[0]), f.y(extra[1]));
      $("arrows-title").textContent = `From no pooling to pooled: ${effects[0].name} and ${effects[1].name}`;
    } else {
      const n = drawn.length + (now.newcomer ? 1 : 0);
      const yTicks = drawn.map((g, k) => [n - 1 - k, shortened(group.labels[g], 10)]);
      const most = Math.max(1, Math.ceil(n * 15 / ($("arrows").clientHeight - 60)));
      const longest = Math.max(...yTicks.map((t) => t[1].length));
      f = frame("arrows", wide[0], [-0.7, n - 0.3], {
        left: 18 + 6.6 * longest, xName: names[0], yName: group.name, yTicks: yTicks.filter((_, k) => k % most === 0),
      });
      if (!state.none) {
        for (const [k, kind] of [[1, "band inner"], [2, "band"]]) {
          const [low, high] = [-k, k].map((v) => f.x(center[0] + v * state.sd[0]));
          f.inside.prepend(svg("rect", { x: low, y: f.area.top, width: high - low, height: f.area.bottom - f.area.top, class: kind }));
        }
        svg("path", { d: `M${f.x(center[0])} ${f.area.top}V${f.area.bottom}`, class: "population" }, f.inside);
      }
      for (const g of last) {
        const one = now.groups[g], y = f.y(n - 1 - drawn.indexOf(g));
        if (Number.isNaN(one.coef[0])) continue;
        arrow(f, g, Number.isNaN(one.own[0]) ? null : [f.x(one.own[0]), y], [f.x(one.coef[0]), y]);
      }
      if (now.newcomer && !Number.isNaN(extra[0])) diamond(f, f.x(extra[0]), f.y(0));
      $("arrows-title").textContent = `From no pooling to pooled: ${effects[0].name}`;
    }
    const parts = [];
    if (!state.none) parts.push(q === 2 ? "Ellipses hold half and 95 % of the population, the cross is its centre." : "The bands hold one and two sds of the population on each side of its centre.");
    if (drawn.length < J) parts.push(`${drawn.length} of ${J.toLocaleString("en")} groups are drawn.`);
    $("arrows-words").textContent = parts.join(" ");
  }
  function diamond(f, x, y) {
    svg("path", { d: `M${x} ${y - 7}L${x + 7} ${y}L${x} ${y + 7}L${x - 7} ${y}Z`, class: "newcomer-dot" }, f.inside);
    named(f, x, y + 4, "newcomer");
  }
  for (const id of ["lines", "arrows"]) {
    $(id).addEventListener("click", (event) => {
      const g = event.target.getAttribute("data-group");
      if (g !== null) choose(Number(g));
    });
  }

  // ---- numbers -------------------------------------------------------------------------------

  function row(head, cells, kind) {
    const line = document.createElement("tr");
    if (kind) line.className = kind;
    const first = document.createElement("th");
    first.scope = "row";
    first.append(head);
    line.append(first, ...cells.map(([v, said]) => {
      const cell = document.createElement("td");
      cell.textContent = said ?? number(v);
      cell.dataset.value = String(v);
      return cell;
    }));
    return line;
  }
  const blank = [NaN, ""];
  function header() {
    const line = (cells) => {
      const made = document.createElement("tr");
      for (const [said, span, scope] of cells) {
        const cell = document.createElement("th");
        cell.textContent = said;
        cell.scope = scope ?? "col";
        if (span > 1) Object.assign(cell, { colSpan: span, scope: "colgroup" });
        made.append(cell);
      }
      return made;
    };
    $("table").tHead.append(
      line([["", 1], ["", 1], ...effects.map((e) => [e.name + (e.unit ? ` (${e.unit})` : ""), 4])]),
      line([[group.name, 1], ["rows", 1], ...effects.flatMap(() => [["own", 1], ["pooled", 1], ["± sd", 1], ["pooling", 1]])]),
    );
  }
  function table() {
    const apart = (v, k) => [v, number(v, 4, effects[k].spread)];
    const cells = (one, rows) => [rows, ...effects.flatMap((_, k) => [
      apart(one.own[k], k), apart(one.coef[k], k), [one.sd[k]], [one.pooling[k], share(one.pooling[k])],
    ])];
    const { population } = now, rows = [];
    rows.push(row("population", [[page.rows, page.rows.toLocaleString("en")], ...effects.flatMap((_, k) => [blank, apart(population.shared[k], k), blank, blank])], "everybody"));
    if (now.newcomer) rows.push(row("newcomer", cells(now.newcomer, [state.rows.length]), "everybody"));
    const shown = matching.slice(0, MOST_ROWS);
    if (matching.includes(state.chosen) && !shown.includes(state.chosen)) shown.unshift(state.chosen);
    for (const g of shown) {
      const button = document.createElement("button"), w = state.weights[g];
      button.type = "button";
      button.textContent = group.labels[g];
      button.dataset.choose = g;
      const said = w === 1 ? number(group.rows[g]) : `${group.rows[g]} × ${w}`;
      rows.push(row(button, cells(now.groups[g], [group.rows[g], said]), g === state.chosen ? "mine" : ""));
    }
    const focused = document.activeElement?.dataset?.choose;
    $("table").tBodies[0].replaceChildren(...rows);
    if (focused !== undefined) $("table").querySelector(`[data-choose="${focused}"]`)?.focus();
    const others = page.population.map((name, m) => [name, m]).filter(([, m]) => !model.varies[m]);
    const parts = ["own: least squares of the group's rows alone, other coefficients as they stand. pooled: population and group together. ± sd: its posterior sd, were the variances known. pooling: 0 % believes the group alone, 100 % the population."];
    if (others.length) parts.push(`Other coefficients: ${others.map(([name, m]) => `${name} ${number(population.coef[m])}`).join(", ")}.`);
    if (shown.length < matching.length) parts.push(`${shown.length} of ${matching.length.toLocaleString("en")} groups are listed; search under "One group" for others.`);
    $("table-words").textContent = parts.join(" ");
  }
  $("table").addEventListener("click", (event) => {
    const g = event.target.dataset.choose;
    if (g !== undefined) choose(Number(g));
  });

  // ---- predict, then look --------------------------------------------------------------------

  let asked = 0, open = null, picked = null;
  function ask() {
    const every = state.none ? [] : questions({ ...page, reversed: page.reversal && reversed() }, state, now, populationLine);
    open = every.length ? every[asked % every.length] : null;
    picked = null;
    $("verdict").textContent = "";
    $("reveal").disabled = true;
    $("question").textContent = open ? `${(asked % every.length) + 1} of ${every.length}. ${open.text}`
      : state.none ? "Without pooling there is nothing to predict: choose another preset." : "Two groups are needed: restore some.";
    $("choices").replaceChildren(...(open ? open.choices : []).map((said, k) => {
      const name = document.createElement("label"), radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name: "answer", value: k });
      radio.addEventListener("change", () => {
        picked = k;
        $("reveal").disabled = false;
      });
      name.append(radio, said);
      return name;
    }));
  }
  let revealing = false, kept = null;
  // After any other change the question is asked anew, of what the page now shows.
  function forget() {
    if (revealing) return;
    kept = null;
    $("next").textContent = "Next question";
    ask();
  }
  $("reveal").addEventListener("click", () => {
    const { next, g, answer, choices, told } = open;
    kept = state;
    revealing = true;
    const old = now;
    state = { ...state, chosen: g };
    change(next, open.text);
    list();
    revealing = false;
    const right = answer(old, now), said = choices[right].replace(/^(It|On|Where|Both)\b/, (word) => word.toLowerCase());
    $("verdict").classList.toggle("wrong", right !== picked);
    $("verdict").textContent = `${right === picked ? "Yes" : "No"}: ${said}. ${told(old, now)}`;
    $("reveal").disabled = true;
    for (const radio of document.querySelectorAll("[name=answer]")) radio.disabled = true;
    $("next").textContent = "Put back, next question";
  });
  $("next").addEventListener("click", () => {
    asked += 1;
    if (kept) {
      const back = kept;
      kept = null;
      change(back, "Put back.");
      list();
      before = null;
      draw();
    }
    picked = null;
    ask();
    $("next").textContent = "Next question";
  });

  // ---- in these data -------------------------------------------------------------------------

  const reversed = () => {
    const { within, between, together } = page.reversal;
    return `Along ${axis.name} all rows together have slope ${number(together)}, rows within a group ${number(within)}`
      + (between === null ? "." : `, the groups' means ${number(between)}.`);
  };
  $("simpson").hidden = !page.reversal;
  $("no-simpson").textContent = page.reversal ? "" : "All rows together and rows within groups do not run in opposite directions here; load_data(\"simpson\") is a data set in which they do.";
  $("simpson").addEventListener("click", () => {
    change({ sd: state.sd.map(() => 0), none: false }, "");
    $("said").textContent = `Simpson's paradox. ${reversed()} Pooled completely, groups are forgotten, and the dashed line answers neither question. Move the ${scales[0].name} away from 0, and the lines turn.`;
  });
  $("outlier").addEventListener("click", () => {
    change({ ...posterior(), weights: state.weights.map(() => 1) }, "", { quiet: true });
    anchor = null;
    const g = [...everyone].sort((a, b) => now.groups[b].distance - now.groups[a].distance)[0];
    const far = now.groups[g].distance;
    state = { ...state, chosen: g };
    change(weighted(g, 0), `${label(g)} lies furthest from what the population lets expect, by ${number(far, 2)} sds. Deleted:`);
    list();
    $("said").textContent += " Halve it, restore it, and look how far it pulls everybody.";
  });

  // ---- all together --------------------------------------------------------------------------

  function draw() {
    controls();
    drawLines();
    drawArrows();
    table();
  }
  header();
  const far = [...everyone].sort((a, b) => now.groups[b].distance - now.groups[a].distance)[0];
  state.chosen = far;
  list();
  rugs();
  draw();
  ask();
  $("said").textContent = `${label(far)} is chosen. Move a slider, and what changes is said here.`;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (width === innerWidth) return; // a phone's bars come and go
    width = innerWidth;
    rugs();
    draw();
  });
})();
