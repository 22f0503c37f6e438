// Search, filters and sorting of the home page; charts on demand; copying. No page needs it.
"use strict";

const root = document.currentScript.dataset.root;
const byId = (id) => document.getElementById(id);
let searched = {};
const pending = {};

window.reproSearch = (texts) => { searched = texts; };
window.reproChart = (data) => { pending[data.id](data); };

function script(src) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = src;
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${src} is missing`));
    document.head.append(element);
  });
}

// ---- the table of papers -----------------------------------------------------------------

function filters(form) {
  const table = byId("papers");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const keys = [...table.tHead.rows[0].cells].map((cell) => cell.dataset.sort);
  const cell = (row, key) => {
    const found = row.cells[keys.indexOf(key)];
    return found.dataset.value ?? found.textContent.trim();
  };
  const names = ["topic", "year", "kind", "tier", "status"];

  function wanted(row, chosen, words) {
    if (chosen.code && !row.dataset.code) return false;
    if (chosen.environment && !row.dataset.environment.split("|").includes(chosen.environment)) {
      return false;
    }
    if (names.some((name) => chosen[name] && cell(row, name) !== chosen[name])) return false;
    const text = searched[row.dataset.id] ?? row.textContent.toLowerCase();
    return words.every((word) => text.includes(word));
  }

  function apply() {
    const chosen = Object.fromEntries(new FormData(form));
    const words = chosen.q.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !wanted(row, chosen, words);
      shown += !row.hidden;
    }
    byId("count").textContent = shown === rows.length
      ? `${shown} papers`
      : `${shown} of ${rows.length} papers` + (shown ? "" : "; try fewer words or filters");
    const kept = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
    try {
      history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
    } catch { /* a page opened from a file may not change its address */ }
  }

  function sorter(header) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = header.dataset.sort;
      const order = new Intl.Collator("en", { numeric: true }).compare;
      rows.sort((a, b) => (down ? -1 : 1) * order(cell(a, key), cell(b, key)));
      body.append(...rows);
    });
  }

  for (const header of table.tHead.rows[0].cells) sorter(header);
  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = form.elements[name];
    if (field?.type === "checkbox") field.checked = true;
    else if (field) field.value = value;
  }
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  apply();
}

// ---- charts ------------------------------------------------------------------------------

async function interactive(button) {
  const figure = button.closest("figure");
  const slug = button.dataset.chart;
  button.disabled = true;
  try {
    const [data] = await Promise.all([
      new Promise((resolve, reject) => {
        pending[slug] = resolve;
        script(`${root}charts/${slug}.js`).catch(reject);
      }),
      window.Plotly || script(`${root}static/plotly.min.js`),
    ]);
    draw(figure, data);
    button.hidden = true;
  } catch (error) {
    button.disabled = false;
    button.textContent = `No chart: ${error.message}`;
  }
}

function draw(figure, data) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const accent = colour("--accent");
  const hues = ["#d1550f", "#8a4fae", "#2f8f5b"];
  const area = (entry, fill) => ({
    x: [...entry.x, ...[...entry.x].reverse()], y: [...entry.high, ...[...entry.low].reverse()],
    fill: "toself", fillcolor: fill, line: { width: 0 }, hoverinfo: "skip", showlegend: false,
  });
  const traces = Object.entries(data.seeds).map(([seed, curve]) => ({
    ...curve, name: `seed ${seed}`, legendgroup: "seeds", showlegend: false, mode: "lines",
    line: { color: accent, width: 0.8 }, opacity: 0.4,
    hovertemplate: "%{y:,.4~g}<extra>%{fullData.name}</extra>",
  }));
  data.published.forEach((entry, index) => {
    const hue = hues[index % hues.length];
    const line = { color: hue, width: 1.8, dash: entry.y ? "solid" : "dash" };
    const at = entry.y ? entry : { x: [0, data.steps], y: [entry.level, entry.level] };
    if (entry.low) traces.push(area(entry, `${hue}26`));
    const name = `published: ${entry.name}${entry.band ? `<br>band: ${entry.band}` : ""}`;
    traces.push({ x: at.x, y: at.y, name, mode: "lines", line });
  });
  traces.push(area(data.mean, `${accent}33`));
  traces.push({
    x: data.mean.x, y: data.mean.y, name: "ours: mean, 95 % interval", mode: "lines",
    line: { color: accent, width: 2.5 },
  });
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
  const place = figure.querySelector(".plot");
  place.hidden = false;
  figure.querySelector("img").hidden = true;
  window.Plotly.newPlot(place, traces, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), size: 12 }, margin: { l: 50, r: 10, t: 10, b: 40 },
    hovermode: "closest", legend: { orientation: "h", y: -0.2 },
    xaxis: { ...axis, title: { text: "environment steps a seed" } },
    yaxis: { ...axis, title: { text: "return" } },
  }, { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["toImage", "sendDataToCloud"] });
}

// ---- the graph, copying, anchors ---------------------------------------------------------

function light(node, on) {
  const id = node.dataset.id;
  for (const edge of document.querySelectorAll(".edge")) {
    if (edge.dataset.a !== id && edge.dataset.b !== id) continue;
    edge.classList.toggle("lit", on);
    const other = edge.dataset.a === id ? edge.dataset.b : edge.dataset.a;
    document.querySelector(`.node[data-id="${CSS.escape(other)}"]`)?.classList.toggle("lit", on);
  }
}

async function copy(button) {
  const text = byId(button.dataset.copy);
  const said = button.parentElement.querySelector(".copied");
  try {
    await navigator.clipboard.writeText(text.textContent);
    said.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(text);
    said.textContent = "Selected: copy with the keyboard";
  }
}

function reveal() {
  const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
  const closed = target && target.closest("details:not([open])");
  if (closed) {
    closed.open = true;
    target.scrollIntoView();
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const form = byId("filters");
  if (form) filters(form);
  for (const button of document.querySelectorAll("button.interactive")) {
    button.hidden = false;
    button.addEventListener("click", () => interactive(button));
  }
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
  for (const node of document.querySelectorAll(".node")) {
    for (const type of ["mouseenter", "focus"]) node.addEventListener(type, () => light(node, true));
    for (const type of ["mouseleave", "blur"]) node.addEventListener(type, () => light(node, false));
  }
  addEventListener("hashchange", reveal);
  reveal();
});
