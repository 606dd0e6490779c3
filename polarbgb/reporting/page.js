"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const embedded = {};

  // Panels of the drawing library, by the place they were put in. They are made when first seen.
  async function panels(place) {
    if (!embedded[place]) {
      const paper = getComputedStyle(document.body).backgroundColor;
      const { docs, placed } = JSON.parse(byId(`json-${place}`).textContent.replaceAll(data.paper, paper));
      Object.values(placed[0].roots).forEach((id, slot) => {
        const panel = element("div", undefined, byId(`panels-${place}`));
        if (picked[place]) chooser(place, slot, panel);
        element("div", undefined, panel).id = id;
      });
      embedded[place] = Bokeh.embed.embed_items(docs, placed).then(([views]) => views.roots[0].model.document);
    }
    return embedded[place];
  }

  function unpacked({ type, data: text }) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return type === "float64" ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
  }

  const columns = (curve) => Object.fromEntries(Object.entries(curve).map(([name, values]) => [name, unpacked(values)]));

  // A step ends where the next one begins.
  function steps(curve) {
    const unfolded = columns(curve);
    const right = unfolded.x.slice();
    right.copyWithin(0, 1);
    return { ...unfolded, right };
  }

  // Of more bins than there are panels, each panel has its own choice, which stays when what is drawn changes.
  const picked = { event: [], zoom: [] };
  const shown = { event: null, zoom: null };

  function options(select, { bins, best }, chosen) {
    select.replaceChildren();
    for (const bin of bins) {
      const marked = bin === best && bins.length > 1 ? `${data.titles[bin]} (best)` : data.titles[bin];
      element("option", marked, select).value = bin;
    }
    select.value = chosen;
  }

  function chooser(place, slot, parent) {
    const select = element("select", undefined, parent);
    select.id = `${place}-bin-${slot}`;
    select.setAttribute("aria-label", `energy bin of panel ${slot + 1}`);
    select.hidden = true;
    select.addEventListener("change", () => {
      picked[place][slot] = Number(select.value);
      choice(place, ...shown[place]);
    });
  }

  // Draw the bins chosen of an event or of a stretch of time.
  async function choice(place, drawn, spans) {
    shown[place] = [drawn, spans];
    await panels(place);
    const bins = drawn.shown.map((bin, slot) => (drawn.bins.includes(picked[place][slot]) ? picked[place][slot] : bin));
    bins.forEach((bin, slot) => {
      const select = byId(`${place}-bin-${slot}`);
      select.hidden = drawn.bins.length === bins.length;
      if (!select.hidden) options(select, drawn, bin);
    });
    return fill(place, bins.map((bin) => drawn.curves[drawn.bins.indexOf(bin)]).filter(Boolean), spans);
  }

  // Put the curves of one choice into panels that are there already.
  async function fill(place, curves, spans) {
    const document = await panels(place);
    document.get_model_by_name(`${place}-spans`).data = spans;
    curves.forEach((curve, number) => {
      for (const kind of ["rate", "pull"]) {
        document.get_model_by_name(`${place}-${number}-${kind}`).data = steps(curve[kind]);
      }
    });
    const across = document.get_model_by_name(`${place}-across`);
    const x = curves.length ? unpacked(curves[0].pull.x) : [0, 1];
    const [start, end] = [x[0], x[x.length - 1]];
    across.setv({ start, end, reset_start: start, reset_end: end });
  }

  function element(name, text, parent) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  }

  const signed = (value, unit) => `${value > 0 ? "+" : ""}${value.toPrecision(2)} ${unit}`;

  // The list

  const at = Object.fromEntries(data.columns.map((column, number) => [column.key, number]));
  const PAGE = 100;
  const list = { rows: data.events, sort: at.ranking ?? 0, down: at.ranking !== undefined, first: 0, open: null };

  function compare(one, other) {
    const [a, b] = [one[list.sort], other[list.sort]];
    if (a === b) return one[at.id] - other[at.id];
    if (a === null || a === "") return 1;  // what is not there comes last, either way
    if (b === null || b === "") return -1;
    return (a < b ? -1 : 1) * (list.down ? -1 : 1);
  }

  function choose() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const kind = byId("class").value;
    list.rows = data.events.filter((row) => {
      if (kind && row[at.class] !== kind) return false;
      const text = row.join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    }).sort(compare);
    list.first = 0;
    show();
  }

  function written(value, column) {
    if (value === null || value === undefined) return "";
    if (typeof value !== "number") return value;
    if (column.digits !== undefined) return value.toFixed(column.digits);
    return Number.isInteger(value) ? `${value}` : `${Number(value.toPrecision(3))}`;
  }

  function show() {
    const body = byId("list").tBodies[0];
    body.replaceChildren();
    for (const row of list.rows.slice(list.first, list.first + PAGE)) {
      const line = element("tr", undefined, body);
      line.tabIndex = 0;
      line.dataset.id = row[at.id];
      line.setAttribute("aria-selected", row[at.id] === list.open);
      data.columns.forEach((column, number) => {
        if (column.hidden) return;
        const limit = column.limit && row[at[column.limit]] ? "<" : "";
        const cell = element("td", limit + written(row[number], column), line);
        if (typeof row[number] === "number") cell.className = "number";
      });
      line.addEventListener("click", () => turnTo(row[at.id]));
      line.addEventListener("keydown", (event) => { if (event.key === "Enter") turnTo(row[at.id]); });
    }
    const last = Math.min(list.first + PAGE, list.rows.length);
    const span = list.rows.length ? `${list.first + 1} to ${last} of ${list.rows.length}` : "none";
    byId("shown").textContent = `${span}${list.rows.length < data.events.length ? ` (${data.events.length} in all)` : ""}`;
    byId("back").disabled = list.first === 0;
    byId("on").disabled = last === list.rows.length;
    document.querySelector(".pages").hidden = list.rows.length <= PAGE;
    byId("list").querySelectorAll("th").forEach((head) => {
      const sorted = Number(head.dataset.column) === list.sort;
      head.setAttribute("aria-sort", sorted ? (list.down ? "descending" : "ascending") : "none");
      head.querySelector("span").textContent = sorted ? (list.down ? " \u25be" : " \u25b4") : "";
    });
  }

  function head() {
    const line = byId("list").tHead.rows[0];
    data.columns.forEach((column, number) => {
      if (column.hidden) return;
      const cell = element("th", undefined, line);
      cell.scope = "col";
      cell.dataset.column = number;
      if (column.number) cell.className = "number";
      const button = element("button", column.title, cell);
      button.type = "button";
      element("span", "", button);
      element("small", column.unit || "\u00a0", cell);
      button.addEventListener("click", () => {
        list.down = list.sort === number ? !list.down : false;
        list.sort = number;
        choose();
      });
    });
    const kinds = [...new Set(data.events.map((row) => row[at.class]))].filter(Boolean).sort();
    for (const kind of kinds) element("option", kind, byId("class")).value = kind;
  }

  // One event

  async function open(id) {
    list.open = id;
    show();
    const row = data.events.find((one) => one[at.id] === id);
    const drawn = data.windows[id];
    byId("event").hidden = false;
    byId("event-name").textContent = `${row[at.name]}${row[at.matched] ? ` = ${row[at.matched]}` : ""}`;
    byId("event-reason").textContent = row[at.class_rule] ? `${row[at.class]}: ${row[at.class_rule]}` : row[at.class] || "";
    byId("event-ranked").textContent = row[at.ranked_by] ? `ranked by ${row[at.ranked_by]}` : "";
    byId("event-ranked").hidden = !row[at.ranked_by];
    byId("event-drawn").hidden = !drawn;
    byId("event-undrawn").hidden = Boolean(drawn);
    const place = list.rows.findIndex((one) => one[at.id] === id);
    byId("previous").disabled = place <= 0;
    byId("next").disabled = place < 0 || place === list.rows.length - 1;
    if (byId("json-sky")) {
      const where = (await panels("sky")).get_model_by_name("where");
      const index = Array.from(where.data.id).indexOf(id);
      where.selected.indices = index < 0 ? [] : [index];
    }
    if (!drawn) return;
    const facts = byId("event-facts");
    facts.replaceChildren();
    for (const [name, value] of data.facts[id]) {
      const fact = element("div", undefined, facts);
      element("dt", name, fact);
      element("dd", value, fact);
    }
    await choice("event", drawn, { left: [0], right: [drawn.length] });
    const kept = Number(byId("why-bin").value || -1);
    options(byId("why-bin"), drawn, drawn.bins.includes(kept) ? kept : drawn.shown[0]);
    why(id);
  }

  async function turnTo(id) {
    await open(id);
    byId("event").scrollIntoView({ behavior: "smooth" });
  }

  function why(id) {
    const told = (data.why || {})[id];
    byId("event-why").hidden = !told;
    if (!told) return;
    const bars = byId("why-bars");
    const shown = told[byId("why-bin").value] || [];
    const largest = Math.max(...shown.map(([, value]) => Math.abs(value)), 1e-12);
    bars.replaceChildren();
    for (const [name, value] of shown) {
      const bar = element("div", undefined, bars);
      bar.className = "bar";
      element("span", name, bar).className = "name";
      const track = element("span", undefined, bar);
      track.className = "track";
      const fill = element("i", undefined, track);
      const share = (50 * Math.abs(value)) / largest;
      fill.style.left = `${value < 0 ? 50 - share : 50}%`;
      fill.style.width = `${share}%`;
      fill.style.background = value < 0 ? "#56b4e9" : "#d55e00";
      element("span", signed(value, data.why_unit), bar).className = "value";
    }
  }

  function step(by) {
    const place = list.rows.findIndex((one) => one[at.id] === list.open);
    const row = list.rows[place + by];
    if (!row) return;
    list.first = Math.floor((place + by) / PAGE) * PAGE;
    open(row[at.id]);
  }

  // The rest

  const curve = () => fill("curve", [data.whole[byId("bin").value]], data.spans);

  function zoom(number) {
    const chosen = data.zooms[number];
    byId("zoom-when").textContent = chosen.when;
    document.querySelectorAll("[data-zoom]").forEach((button) => {
      button.setAttribute("aria-pressed", Number(button.dataset.zoom) === number);
    });
    return choice("zoom", chosen, { left: [], right: [] });
  }

  async function dependence() {
    const chosen = data.dependence[byId("feature").value];
    const document = await panels("dependence");
    chosen.curves.forEach((one, number) => {
      document.get_model_by_name(`dependence-${number}`).data = columns(one);
      const axis = document.get_model_by_name(`dependence-${number}-axis`);
      axis.axis_label = new axis.axis_label.constructor({ text: chosen.feature });  // a text, not a formula
    });
  }

  async function start() {
    if (data.events.length) {
      head();
      choose();
      byId("search").addEventListener("input", choose);
      byId("class").addEventListener("change", choose);
      byId("back").addEventListener("click", () => { list.first -= PAGE; show(); });
      byId("on").addEventListener("click", () => { list.first += PAGE; show(); });
      byId("previous").addEventListener("click", () => step(-1));
      byId("next").addEventListener("click", () => step(1));
      byId("why-bin").addEventListener("change", () => why(list.open));
      if (byId("json-sky")) await panels("sky");
      await open(list.rows[0][at.id]);
    }
    if (data.whole.length) {
      byId("bin").addEventListener("change", curve);
      await curve();
    }
    document.querySelectorAll("[data-zoom]").forEach((button) => {
      button.addEventListener("click", () => zoom(Number(button.dataset.zoom)));
    });
    if (data.zooms.length) await zoom(0);
    if ((data.dependence || []).length) {
      byId("feature").addEventListener("change", dependence);
      await dependence();
    }
    document.documentElement.dataset.ready = "yes";
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => location.reload());
  start();
})();
