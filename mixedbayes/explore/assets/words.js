"use strict";
/* Numbers as the page writes them. */

const number = (v, digits = 4) => {
  if (Number.isNaN(v)) return "–";
  if (!Number.isFinite(v)) return v > 0 ? "∞" : "−∞";
  const text = String(Number(v.toPrecision(digits)));
  return text.replace("-", "−");
};
const measured = (v, unit) => number(v) + (unit && !Number.isNaN(v) ? ` ${unit}` : "");
const share = (v) => (Number.isNaN(v) ? "–" : `${Math.round(100 * v)} %`);
const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
