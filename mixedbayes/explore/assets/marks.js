"use strict";
/* What pictures are drawn of. */

function svg(tag, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (parent) parent.append(made);
  return made;
}
function text(parent, x, y, said, attributes = {}) {
  svg("text", { x, y, ...attributes }, parent).textContent = said;
}
function ticks(low, high, most) {
  const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
  const round = [0.5, 1, 2, 5, 10], coarse = round.findIndex((k) => k * power >= raw);
  const along = (stride) => {
    const first = Math.ceil(low / stride), n = Math.floor(high / stride + 1e-9) - first + 1;
    return Array.from({ length: Math.max(0, n) }, (_, k) => Number(((first + k) * stride).toPrecision(12)));
  };
  const found = along(power * round[coarse]);
  return found.length > 1 ? found : along(power * round[coarse - 1]);
}
// Places along an axis with what is written there, of which no two are alike.
const written = (places) => {
  const stride = places.length > 1 ? places[1] - places[0] : 0;
  return places.map((v) => [v, number(v, 1, 3 * stride)]);
};
const range = (values) => {
  let low = Infinity, high = -Infinity;
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (!(low <= high)) return [0, 1];
  const room = 0.06 * (high - low) || 0.5 * Math.abs(high) || 1;
  return [low - room, high + room];
};

// A range that holds further values too, with some room.
const stretched = ([low, high], values) => {
  const room = 0.06 * (high - low), outside = values.filter((v) => v < low || v > high);
  return [Math.min(low, ...outside.map((v) => v - room)), Math.max(high, ...outside.map((v) => v + room))];
};

function frame(id, xs, ys, { left = 52, xTicks = null, yTicks = null, xName = "", yName = "" }) {
  const box = document.getElementById(id), width = box.clientWidth, height = box.clientHeight;
  box.replaceChildren();
  box.setAttribute("viewBox", `0 0 ${width} ${height}`);
  yTicks ??= written(ticks(ys[0], ys[1], 5));
  const room = 12 + 7 * Math.max(...yTicks.map((t) => t[1].length));
  const area = { left: Math.max(left, room), right: width - 12, top: 20, bottom: height - 38 };
  const x = (v) => area.left + (v - xs[0]) / (xs[1] - xs[0]) * (area.right - area.left);
  const y = (v) => area.bottom - (v - ys[0]) / (ys[1] - ys[0]) * (area.bottom - area.top);
  const clip = svg("clipPath", { id: `${id}-clip` }, box);
  svg("rect", { x: area.left, y: area.top, width: Math.max(0, area.right - area.left), height: Math.max(0, area.bottom - area.top) }, clip);
  for (const t of yTicks) {
    svg("path", { d: `M${area.left} ${y(t[0])}H${area.right}`, class: "grid" }, box);
    text(box, area.left - 6, y(t[0]) + 4, t[1], { "text-anchor": "end", class: "muted" });
  }
  const few = (each) => Math.max(2, Math.floor((area.right - area.left) / each));
  const beside = (each) => written(ticks(xs[0], xs[1], few(each)));
  xTicks ??= beside(Math.max(75, 20 + 7 * Math.max(...beside(75).map((t) => t[1].length))));
  for (const t of xTicks) {
    svg("path", { d: `M${x(t[0])} ${area.bottom}v5`, class: "axis" }, box);
    text(box, x(t[0]), area.bottom + 18, t[1], { "text-anchor": "middle", class: "muted" });
  }
  svg("path", { d: `M${area.left} ${area.bottom}H${area.right}`, class: "axis" }, box);
  text(box, area.right, height - 4, xName, { "text-anchor": "end" });
  text(box, 2, 12, yName, {});
  const inside = svg("g", { "clip-path": `url(#${id}-clip)` }, box);
  return { box, inside, x, y, area };
}
// The name of a mark at a place, on the side of it where there is room.
function named(f, x, y, said) {
  const end = x + 10 + 8 * said.length > f.area.right;
  text(f.inside, x + (end ? -10 : 10), y, said, { class: "strong", "text-anchor": end ? "end" : "start" });
}
const path = (f, at, values) => {
  const parts = at.map((v, k) => `${k ? "L" : "M"}${f.x(v).toFixed(2)} ${f.y(values[k]).toFixed(2)}`);
  return parts.join("");
};
const shortened = (said, most) => (said.length > most ? `${said.slice(0, most - 1)}…` : said);

// Bounds that hold nine of ten values on each side of the middle, and the rest where they are near.
function bounds(values) {
  const sorted = values.filter((v) => !Number.isNaN(v)).sort((a, b) => a - b);
  if (!sorted.length) return [0, 1];
  const at = (f) => sorted[Math.round(f * (sorted.length - 1))];
  const spread = at(0.9) - at(0.1) || sorted.at(-1) - sorted[0];
  return [Math.max(sorted[0], at(0.1) - 1.2 * spread), Math.min(sorted.at(-1), at(0.9) + 1.2 * spread)];
}

function arrowHead(from, to, size = 6) {
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  if (Math.hypot(to[0] - from[0], to[1] - from[1]) < size) return "";
  const tip = (turn) => [to[0] - size * Math.cos(angle + turn), to[1] - size * Math.sin(angle + turn)].map((v) => v.toFixed(1));
  return `M${tip(0.45).join(" ")}L${to[0].toFixed(1)} ${to[1].toFixed(1)}L${tip(-0.45).join(" ")}`;
}
