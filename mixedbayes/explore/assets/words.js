"use strict";
/* Numbers as the page writes them. */

// With as many digits, and where v is one of several that lie `spread` apart with as many more as
// tell these apart.
const number = (v, digits = 4, spread = 0) => {
  if (Number.isNaN(v)) return "–";
  if (!Number.isFinite(v)) return v > 0 ? "∞" : "−∞";
  const power = (x) => Math.floor(Math.log10(Math.abs(x)));
  const apart = v !== 0 && spread > 0 ? power(v) - power(spread / 3) + 2 : 0;
  const most = Math.min(15, Math.max(digits, apart)), rounded = Number(v.toPrecision(most));
  const text = Math.abs(rounded) >= 10 ** Math.max(7, most) ? rounded.toExponential() : String(rounded);
  return text.replace("e+", "e").replaceAll("-", "−");
};
const measured = (v, unit, spread = 0) => number(v, 4, spread) + (unit && !Number.isNaN(v) ? ` ${unit}` : "");
const share = (v) => (Number.isNaN(v) ? "–" : `${Math.round(100 * v)} %`);
const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
