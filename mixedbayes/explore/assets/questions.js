"use strict";
/* Questions to predict by: each has a text, choices, the group that is looked at, the change `next`
   of the state that it is about, `answer`, which of the choices is right, from what the page shows
   before and after, and `told`, why, in numbers. No answer is written down: all are computed. */

const CLOSER = ["It moves towards the population's", "It moves away from the population's", "It hardly moves"];
const RISES = ["It rises", "It falls", "It hardly moves"];
const LEVEL = ["It rises", "It falls", "It is level"];

// Whether a group's effect gets smaller, larger, or neither by a hundredth.
function closer(old, after, g, k) {
  const f = Math.abs(after.groups[g].effect[k]) / Math.abs(old.groups[g].effect[k]);
  return f < 0.99 ? 0 : f > 1.01 ? 1 : 2;
}

// Whether a number rises or falls by more than a fiftieth of a scale.
const risen = (a, b, scale) => (b - a > 0.02 * scale ? 0 : a - b > 0.02 * scale ? 1 : 2);

// page: group, effects, scales, reversal, reversed (words); line(found): the population's line.
function questions(page, state, now, line) {
  const { group, effects, scales } = page, q = effects.length;
  const there = group.labels.map((_, g) => g).filter((g) => state.weights[g] > 0);
  if (there.length < 2) return [];
  const by = (value) => [...there].sort((a, b) => value(b) - value(a));
  const label = (g) => `${group.name} ${group.labels[g]}`;
  const slider = (key) => scales.some((scale) => scale.key === key);
  const tied = q === 2 && !slider("sd1");
  const weighted = (g, w) => ({ weights: state.weights.map((old, k) => (k === g ? w : old)) });
  const moved = (k, g) => (old, after) => {
    const [a, b] = [old, after].map((found) => number(found.groups[g].coef[k], 4, effects[k].spread));
    return `${label(g)}: ${a} → ${b}, population ${number(after.population.shared[k], 4, effects[k].spread)}.`;
  };
  const found = [];
  const pull = (text, g, k, next) => found.push({
    text, g, next, choices: CLOSER, told: moved(k, g), answer: (old, after) => closer(old, after, g, k),
  });

  effects.forEach(({ name, population }, k) => {
    const far = by((g) => Math.abs(now.groups[g].effect[k]));
    const [first, second, third] = [0, 1, 2].map((i) => far[Math.min(i, far.length - 1)]);
    if (state.sd[k] > 0) {
      const sd = state.sd.map((v, i) => (tied || i === k ? v / 2 : v));
      pull(`The sd of ${tied ? "both effects" : name} is halved. What happens to ${name} of ${label(first)}?`, first, k, { sd });
      if (slider("sigma")) {
        const next = { sigma: 2 * state.sigma };
        pull(`The noise sigma is doubled. What happens to ${name} of ${label(second)}?`, second, k, next);
      }
      const next = weighted(third, 2 * state.weights[third]);
      pull(`Every row of ${label(third)} counts twice. What happens to its ${name}?`, third, k, next);
    }
    if (population) {
      const side = now.groups[first].effect[k] > 0 ? "above" : "below";
      found.push({
        text: `${label(first)}, whose ${name} is ${side} the population's, is deleted. What happens to ${name} of the population?`,
        choices: RISES, g: first, next: weighted(first, 0),
        answer: (old, after) => {
          const scale = Math.abs(old.groups[first].effect[k]) / there.length;
          return risen(old.population.shared[k], after.population.shared[k], scale);
        },
        told: (old, after) => {
          const [a, b] = [old, after].map((one) => number(one.population.shared[k], 4, effects[k].spread));
          return `Population: ${a} → ${b}. One of ${plural(there.length, "group")} has left.`;
        },
      });
    }
  });

  if (state.sd.some((v) => v > 0)) {
    const g = by((v) => now.groups[v].distance)[0];
    found.push({
      text: `${label(g)} is deleted, and a line is still drawn for it. Where?`, g, next: weighted(g, 0),
      choices: ["On the line of the population", "Where its own least squares were", "Where it was"],
      answer: (old, after) => {
        const far = (values) => Math.max(...after.groups[g].coef.map((v, k) => Math.abs(v - values[k]) / (state.sd[k] || 1)));
        const places = [after.population.shared, old.groups[g].own, old.groups[g].coef].map(far);
        return places.indexOf(Math.min(...places.filter((v) => !Number.isNaN(v))));
      },
      told: () => "A group of which nothing is known is expected where the population is; only the ± sd says that it need not be there.",
    });
    const [most, least] = [by((v) => group.rows[v])[0], by((v) => -group.rows[v])[0]];
    if (group.rows[most] >= 2 * group.rows[least]) {
      const pulled = (after) => [most, least].map((v) => after.groups[v].pooling[q - 1]);
      found.push({
        text: `Which of the two is pooled more in ${effects[q - 1].name}?`, g: least, next: {},
        choices: [...[most, least].map((v) => `${label(v)}, with ${plural(group.rows[v], "row")}`), "Both alike"],
        answer: (old, after) => {
          const [a, b] = pulled(after);
          return Math.abs(a - b) < 0.005 ? 2 : a > b ? 0 : 1;
        },
        told: (old, after) => {
          const [a, b] = pulled(after).map(share);
          return `Pooling: ${label(most)} ${a}, ${label(least)} ${b}.`;
        },
      });
    }
  }

  if (slider("cor") && state.sd.every((v) => v > 0)) {
    // The group whose second effect is known least, and whose first is far out.
    const g = by((v) => now.groups[v].pooling[1] * Math.abs(now.groups[v].effect[0]))[0];
    const cor = state.cor > 0.5 ? -0.9 : 0.9, side = now.groups[g].effect[0] > 0 ? "above" : "below";
    found.push({
      text: `The correlation becomes ${number(cor)}. ${label(g)} has ${effects[0].name} ${side} the population's. What happens to its ${effects[1].name}?`,
      choices: RISES, g, next: { cor },
      answer: (old, after) => risen(old.groups[g].coef[1], after.groups[g].coef[1], state.sd[1]),
      told: (old, after) => `${moved(1, g)(old, after)} The closer the correlation is to 1 or −1, the more one effect says of the other.`,
    });
  }

  if (page.reversal) {
    found.push({
      text: "All groups are pooled completely: one line for everybody. Does it rise or fall?",
      choices: LEVEL, g: state.chosen, next: { sd: state.sd.map(() => 0) },
      answer: (old, after) => {
        const values = line(after), rise = values[values.length - 1] - values[0];
        return rise > 0 ? 0 : rise < 0 ? 1 : 2;
      },
      told: () => page.reversed,
    });
  }
  return found;
}
