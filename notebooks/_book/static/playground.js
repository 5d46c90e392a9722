// The optimizer playground: its controls, and what readers do with them. race.js and pictures.js come before it.
"use strict";

const playground = (() => {
  const { SURFACES } = descent;
  const { COLORS, MARKERS, NAMES, state, clamp, figures, run, summary } = race;
  const SECONDS = 8; // how long a race lasts at speed 1

  // ---- the page

  const $ = {};

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  function marker(index) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "-8 -8 16 16");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("class", "pg-marker");
    svg.innerHTML = `<path d="${MARKERS[index]}"/>`;
    return svg;
  }

  function slider(attributes, change) {
    return element("input", { type: "range", ...attributes, oninput: (event) => change(+event.target.value) });
  }

  function build(root) {
    $.root = root;
    $.surface = element(
      "select",
      { id: "pg-surface", onchange: (event) => chooseSurface(event.target.value) },
      ...Object.entries(SURFACES).map(([key, { title }]) => element("option", { value: key }, title)),
    );
    $.formula = element("span", { class: "pg-formula" });
    $.lesson = element("p", { class: "pg-lesson" });

    $.ground = element("canvas", { class: "pg-ground", "aria-hidden": "true" });
    $.tracks = element("canvas", { class: "pg-tracks", role: "img" });
    $.handle = element("button", { class: "pg-handle", type: "button", "aria-describedby": "pg-handle-help" });
    $.map = element("div", { class: "pg-map" }, $.ground, $.tracks, $.handle);
    const help = "Drag the ring, click anywhere on the map, or focus the ring and use the arrow keys, with Shift for longer moves.";

    $.play = element("button", { class: "pg-play", type: "button", onclick: toggle });
    $.step = slider({ min: 0, max: 100, step: 1, "aria-label": "Step" }, (value) => {
      pause();
      state.step = value;
      draw();
    });
    $.stepText = element("span", { class: "pg-step-text" });
    const transport = element(
      "div",
      { class: "pg-transport", role: "group", "aria-label": "Race" },
      $.play,
      element("button", { type: "button", onclick: restart }, "Reset"),
      element("button", { type: "button", title: "One step back", "aria-label": "One step back", onclick: () => move(-1) }, "−1"),
      element("button", { type: "button", title: "One step on", "aria-label": "One step on", onclick: () => move(1) }, "+1"),
      $.step,
      $.stepText,
    );

    $.chart = element("canvas", { class: "pg-chart", role: "img" });
    const stage = element(
      "div",
      { class: "pg-stage" },
      element("div", { class: "pg-head" }, element("label", { for: "pg-surface" }, "Surface "), $.surface, $.formula),
      $.lesson,
      $.map,
      transport,
      element("p", { id: "pg-handle-help", class: "pg-help" }, help),
    );

    $.rows = {};
    const body = element("tbody");
    NAMES.forEach((name, index) => {
      const check = element("input", {
        type: "checkbox",
        id: `pg-${name}`,
        onchange: (event) => {
          if (event.target.checked) state.chosen.add(name);
          else state.chosen.delete(name);
          rerun();
        },
      });
      const rate = slider({ min: -4, max: 2, step: "any", "aria-label": `Rate of ${name}` }, (value) => {
        state.rates[name] = +(10 ** value).toPrecision(2);
        rerun();
      });
      rate.addEventListener("keydown", (event) => {
        const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
        if (!way) return;
        event.preventDefault();
        state.rates[name] = clamp(+(state.rates[name] * 10 ** (way / 10)).toPrecision(2), 1e-4, 100);
        rerun();
      });
      const rateText = element("output", { class: "pg-rate" });
      const loss = element("td", { class: "pg-loss" });
      const there = element("td", { class: "pg-there" });
      const label = element("label", { for: `pg-${name}`, style: `--mark: var(--pg-${index})` }, marker(index), name);
      const row = element(
        "tr",
        {},
        element("th", { scope: "row" }, check, label),
        element("td", { class: "pg-rate-cell" }, rate, rateText),
        loss,
        there,
      );
      body.append(row);
      $.rows[name] = { row, check, rate, rateText, loss, there };
    });
    $.lossHead = element("th", { scope: "col" }, "Loss");
    const table = element(
      "table",
      { class: "pg-table" },
      element("caption", {}, "Who races, at which rate, and how far down"),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "col" }, "Optimizer"),
          element("th", { scope: "col" }, "Rate"),
          $.lossHead,
          element("th", { scope: "col", title: "The step from which on 99.9 % of the height is behind it" }, "There after"),
        ),
      ),
      body,
    );

    $.momentum = slider({ min: 0, max: 0.99, step: 0.01, id: "pg-momentum" }, (value) => {
      state.momentum = value;
      rerun();
    });
    $.momentumText = element("output", { for: "pg-momentum" });
    $.steps = element(
      "select",
      {
        id: "pg-steps",
        onchange: (event) => {
          const whole = state.step >= state.steps;
          state.steps = +event.target.value;
          state.step = whole ? state.steps : Math.min(state.step, state.steps);
          rerun();
        },
      },
      ...[50, 100, 300, 1000].map((count) => element("option", { value: count }, String(count))),
    );
    $.speed = element(
      "select",
      { id: "pg-speed", onchange: (event) => (state.speed = +event.target.value) },
      ...[0.25, 0.5, 1, 2, 4].map((speed) => element("option", { value: speed }, `${speed} ×`)),
    );
    const panel = element(
      "div",
      { class: "pg-panel" },
      element("div", { class: "pg-scroll" }, table),
      element(
        "div",
        { class: "pg-knobs" },
        element(
          "p",
          { class: "pg-momentum" },
          element("label", { for: "pg-momentum" }, "Momentum ", element("small", {}, "(β₁ of Adam and Nadam)")),
          $.momentum,
          $.momentumText,
        ),
        element("p", {}, element("label", { for: "pg-steps" }, "Steps "), $.steps),
        element("p", {}, element("label", { for: "pg-speed" }, "Speed "), $.speed),
        element(
          "p",
          { class: "pg-buttons" },
          element("button", { type: "button", onclick: () => choose(NAMES) }, "All"),
          element("button", { type: "button", onclick: () => choose([]) }, "None"),
          element("button", { type: "button", onclick: defaults }, "Defaults"),
        ),
      ),
      element("figure", { class: "pg-figure" }, $.chart, element("figcaption", {}, "Loss above the minimum, against the step")),
    );
    $.status = element("p", { class: "pg-status", role: "status" });
    root.replaceChildren(element("div", { class: "pg-grid" }, stage, panel), $.status);
    listen();
  }

  // ---- what the reader does

  function chooseSurface(key) {
    pause();
    state.surface = key;
    state.start = [...SURFACES[key].start];
    state.rates = { ...SURFACES[key].rates };
    state.step = state.steps;
    ground();
    rerun();
  }

  function choose(names) {
    state.chosen = new Set(names);
    rerun();
  }

  function restart() {
    pause();
    state.step = 0;
    draw();
    announce();
  }

  function defaults() {
    state.momentum = 0.9;
    state.steps = 100;
    state.speed = 1;
    state.chosen = new Set(["SGD", "Momentum", "AdaGrad", "Adam"]);
    chooseSurface(state.surface);
  }

  function rerun() {
    run();
    draw();
    announce();
  }

  function place(x, y) {
    const { window } = SURFACES[state.surface];
    state.start = [x, y].map((value, i) => {
      const [low, high] = window[i];
      return Math.abs(value) < 0.004 * (high - low) ? 0 : clamp(value, low, high); // the ring snaps to the axes
    });
    rerun();
  }

  function move(by) {
    pause();
    state.step = clamp(Math.floor(state.step) + by, 0, state.steps);
    draw();
    announce();
  }

  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  function toggle() {
    if (state.playing) return pause();
    if (calm()) {
      state.step = state.step >= state.steps ? 0 : state.steps; // no motion: to the end, or back to the start
      draw();
      return announce();
    }
    if (state.step >= state.steps) state.step = 0;
    state.playing = true;
    let before; // a frame's time is that of its beginning, which may lie before this click
    const frame = (now) => {
      if (!state.playing) return;
      const seconds = (now - (before ?? now)) / 1000;
      state.step = Math.min(state.steps, state.step + (seconds * state.speed * state.steps) / SECONDS);
      before = now;
      if (state.step >= state.steps) pause();
      draw();
      if (state.playing) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    draw();
  }

  function pause() {
    if (!state.playing) return;
    state.playing = false;
    draw();
    announce();
  }

  function listen() {
    const there = (event) => {
      const box = $.map.getBoundingClientRect();
      const [[left, right], [low, high]] = SURFACES[state.surface].window;
      place(
        left + ((event.clientX - box.left) / box.width) * (right - left),
        high - ((event.clientY - box.top) / box.height) * (high - low),
      );
    };
    let dragging = false;
    const begin = (event) => {
      dragging = true;
      event.target.setPointerCapture(event.pointerId);
      there(event);
    };
    $.handle.addEventListener("pointerdown", begin);
    // A finger on the map scrolls the page; a tap moves the start, as a click of the mouse does.
    $.map.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0 && event.target !== $.handle) {
        event.preventDefault();
        begin(event);
      }
    });
    $.map.addEventListener("pointermove", (event) => dragging && there(event));
    for (const end of ["pointerup", "pointercancel"]) $.map.addEventListener(end, () => (dragging = false));
    $.tracks.addEventListener("click", there);
    $.handle.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const share = event.shiftKey ? 0.1 : 0.01;
      const [dx, dy] = SURFACES[state.surface].window.map(([low, high], i) => way[i] * share * (high - low));
      place(state.start[0] + dx, state.start[1] + dy);
    });
    new ResizeObserver(() => {
      ground();
      draw();
    }).observe($.map);
    new MutationObserver(() => {
      ground();
      draw();
    }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  // ---- what the page shows

  const ground = () => pictures.ground($.ground);

  function draw() {
    pictures.tracks($.tracks);
    pictures.chart($.chart);
    texts();
  }

  function texts() {
    const surface = SURFACES[state.surface];
    const step = Math.floor(state.step);
    $.surface.value = state.surface;
    const [[left, right], [low, high]] = surface.window;
    $.handle.style.left = `${(100 * (state.start[0] - left)) / (right - left)}%`;
    $.handle.style.top = `${(100 * (high - state.start[1])) / (high - low)}%`;
    $.handle.setAttribute("aria-label", `Starting point: x ${figures(state.start[0])}, y ${figures(state.start[1])}`);
    $.formula.textContent = `f(x, y) = ${surface.formula}`;
    $.lesson.textContent = surface.lesson;
    $.play.textContent = state.playing ? "Pause" : "Play";
    $.root.classList.toggle("pg-playing", state.playing);
    $.step.max = state.steps;
    $.step.value = step;
    $.stepText.textContent = `${step} of ${state.steps}`;
    $.step.setAttribute("aria-valuetext", `step ${step} of ${state.steps}`);
    $.lossHead.textContent = `Loss at ${step}`;
    $.momentum.value = state.momentum;
    $.momentumText.textContent = state.momentum.toFixed(2);
    $.steps.value = state.steps;
    $.speed.value = state.speed;
    for (const name of NAMES) {
      const { row, check, rate, rateText, loss, there } = $.rows[name];
      const path = state.paths[name];
      check.checked = Boolean(path);
      row.classList.toggle("pg-off", !path);
      rate.value = Math.log10(state.rates[name]);
      rate.setAttribute("aria-valuetext", figures(state.rates[name]));
      rateText.textContent = figures(state.rates[name]);
      const gone = path && path.lost >= 0 && step >= path.lost;
      row.classList.toggle("pg-gone", Boolean(gone));
      loss.textContent = !path ? "" : gone ? "diverged" : figures(surface.value(...path.points[step]));
      there.textContent = !path ? "" : gone ? `at ${path.lost}` : path.arrival >= 0 && step >= path.arrival ? String(path.arrival) : "–";
    }
    $.tracks.setAttribute("aria-label", `Map of ${surface.title} with the paths of ${summary() || "nobody"}`);
    $.chart.setAttribute("aria-label", `Loss above the minimum against the step: ${summary() || "no curves"}`);
  }

  // What a screen reader says once the reader has stopped moving things.
  let timer;
  function announce() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!state.playing) $.status.textContent = `After ${Math.floor(state.step)} steps: ${summary() || "no optimizer is chosen"}.`;
    }, 600);
  }

  function open(root) {
    build(root);
    run();
    ground();
    draw();
    announce();
  }

  const root = document.getElementById("playground");
  if (root) open(root);
  return { state, COLORS };
})();
