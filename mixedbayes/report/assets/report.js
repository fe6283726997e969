"use strict";
(() => {
  // No button that sends the picture anywhere.
  const config = { responsive: true, displaylogo: false, scrollZoom: false,
    displayModeBar: window.innerWidth >= 600, modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] };

  // ---- pictures ------------------------------------------------------------------------------

  const scripts = { pooling };
  const drawn = new WeakSet();

  function draw(figure) {
    if (drawn.has(figure)) return;
    drawn.add(figure);
    const content = JSON.parse(figure.querySelector("script").textContent);
    fit(content.layout);
    const plot = figure.querySelector(".plot");
    if (content.script) scripts[content.script](content, plot, figure.querySelector(".controls"));
    else Plotly.newPlot(plot, content.data, content.layout, config);
  }

  // On a narrow screen the names on the axis leave no room for a title beside them.
  function fit(layout) {
    if (window.innerWidth >= 600) return;
    layout.font.size = 11;
    layout.margin = { l: 44, r: 8, t: 60, b: 46 };
    if (layout.yaxis.tickvals) layout.yaxis.title = { text: "" };
  }

  // Pictures are drawn when they come near the window, so that a page with many of them opens at once.
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });

  for (const pictures of document.querySelectorAll(".pictures")) {
    const figures = [...pictures.querySelectorAll("figure")];
    figures.forEach((figure) => near.observe(figure));
    pictures.querySelector(".chooser").addEventListener("change", (event) => {
      figures.forEach((figure, k) => { figure.hidden = k !== Number(event.target.value); });
    });
  }

  // The scene of one level, with the numbers of the one that is chosen, before all others.
  function pooling(content, plot, controls) {
    const { levels, curve, aside } = content.extra;

    const band = ([, lower, upper]) => curve ? [...lower, ...[...upper].reverse()]
      : lower.flatMap((low, k) => [low, upper[k], null]);

    function filled(trace, { name, hover, data, lines }) {
      if (trace.showlegend !== false) return [trace];
      if (trace.name === "others") {
        return levels.map((level, k) => ({ ...trace, y: level.lines.partial[0], hovertemplate: "",
          hovertext: level.hover, hoverinfo: "text", customdata: trace.x.map(() => k) }));
      }
      if (trace.name === "data") {
        const template = `<b>${escaped(name)}</b><br>%{x:.5~g}, %{y:.5~g}<extra></extra>`;
        return [{ ...trace, x: data[0].map((x) => x - aside), y: data[1], hovertemplate: template }];
      }
      const kind = trace.name.split(" ")[0];
      if (trace.name !== kind) return [{ ...trace, y: band(lines[kind]) }];
      const said = kind === "partial" ? { hovertext: hover, hoverinfo: "text" } : { hoverinfo: "skip" };
      return [{ ...trace, y: lines[kind][0], hovertemplate: "", ...said }];
    }

    const traces = (chosen) => content.data.flatMap((trace) => filled(trace, levels[chosen]));

    const select = document.createElement("select");
    levels.forEach((level, k) => select.append(new Option(level.name, k)));
    const note = document.createElement("span");
    note.className = "note";
    const label = document.createElement("label");
    label.append("Level ", select);
    controls.append(step("‹", "previous level", -1), label, step("›", "next level", 1), note);

    function step(text, says, by) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.setAttribute("aria-label", says);
      button.addEventListener("click", () => choose((Number(select.value) + by + levels.length) % levels.length));
      return button;
    }

    function choose(k) {
      select.value = k;
      note.textContent = levels[k].note;
      Plotly.react(plot, traces(k), content.layout, config);
    }

    select.addEventListener("change", () => choose(Number(select.value)));
    note.textContent = levels[0].note;
    Plotly.newPlot(plot, traces(0), content.layout, config);
    plot.on("plotly_click", (event) => {
      const k = event.points[0].customdata;
      if (k !== undefined) choose(k);
    });
  }

  function escaped(text) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\$/g, "&#36;");
  }

  // ---- on paper ------------------------------------------------------------------------------

  // Every picture that is chosen, tables open but for the longest, nothing wider than a page.
  const paper = 640, longest = 500;
  let undo = [];

  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) {
      if (details.querySelectorAll("tbody tr").length > longest) continue;
      details.open = true;
      undo.push(() => { details.open = false; });
    }
    for (const figure of document.querySelectorAll(".pictures figure:not([hidden])")) {
      near.unobserve(figure);
      draw(figure);
      const plot = figure.querySelector(".plot");
      Plotly.relayout(plot, { autosize: false, width: paper });
      undo.push(() => Plotly.relayout(plot, { autosize: true, width: null }));
    }
    for (const wide of document.querySelectorAll("math.equation, table.data")) {
      wide.style.width = "max-content";
      const width = wide.getBoundingClientRect().width;
      wide.style.width = "";
      if (width <= paper) continue;
      wide.style.fontSize = `${0.97 * paper / width * parseFloat(getComputedStyle(wide).fontSize)}px`;
      wide.classList.add("narrowed");
      undo.push(() => {
        wide.style.fontSize = "";
        wide.classList.remove("narrowed");
      });
    }
  });

  addEventListener("afterprint", () => {
    undo.forEach((back) => back());
    undo = [];
  });

  // ---- tables --------------------------------------------------------------------------------

  for (const frame of document.querySelectorAll(".frame")) {
    const body = frame.querySelector("tbody");
    const rows = [...body.rows];
    const field = frame.querySelector("input");
    if (field) field.addEventListener("input", () => filter(field, rows, frame.querySelector("output")));
    frame.querySelectorAll("th").forEach((head, column) => {
      const act = () => sort(head, column, body, rows);
      head.addEventListener("click", act);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter") act(); });
    });
  }

  function filter(field, rows, output) {
    const wanted = field.value.trim().toLowerCase().split(/\s+/);
    let left = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      if (!row.hidden) left += 1;
    }
    output.textContent = `${left.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
  }

  function sort(head, column, body, rows) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const number = head.className === "number";
    const value = (row) => {
      const text = row.cells[column].textContent;
      if (!number) return text;
      return text === "" ? NaN : Number(text.replace(/,/g, ""));
    };
    const order = (a, b) => {
      const [left, right] = [value(a), value(b)];
      if (!number) return left.localeCompare(right, undefined, { numeric: true });
      if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) - Number.isNaN(right);
      return left - right;
    };
    const sorted = [...rows].sort((a, b) => (down ? -order(a, b) : order(a, b)));
    body.append(...sorted);
  }
})();
