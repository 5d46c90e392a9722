// The optimizer playground: surfaces, paths and controls. Its arithmetic is descent.js.
"use strict";

const playground = (() => {
  const { SURFACES, RULES, walk } = descent;
  // The colours, the markers and the shades of kerasopt.plotting; black and the shades have a dark twin.
  const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#888888"];
  const DARK_COLORS = ["#3fa4e8", "#ff8133", "#2ec99b", "#e39cc5", "#f0b429", "#8ed1f7", "#ffffff", "#a8a8a8"];
  const SHADES = ["#fffdf2", "#eaf1f5", "#cfdee9", "#a5bfd3"];
  const DARK_SHADES = ["#0e1620", "#16222f", "#213244", "#35506b"];
  const MARKERS = [
    "M5 0A5 5 0 1 1 -5 0A5 5 0 1 1 5 0Z", // o
    "M-4.6 -4.6H4.6V4.6H-4.6Z", // s
    "M0 -5.6L5.6 4.4H-5.6Z", // ^
    "M0 -6.2L5 0L0 6.2L-5 0Z", // D
    "M0 5.6L5.6 -4.4H-5.6Z", // v
    "M-5.6 0L4.4 5.6V-5.6Z", // <
    "M5.6 0L-4.4 5.6V-5.6Z", // >
    "M-1.9 -5.6H1.9V-1.9H5.6V1.9H1.9V5.6H-1.9V1.9H-5.6V-1.9H-1.9Z", // P
  ];
  const NAMES = Object.keys(RULES);
  const LEVELS = 16;
  const SECONDS = 8; // how long a race lasts at speed 1

  const state = {
    surface: "valley",
    start: [...SURFACES.valley.start],
    chosen: new Set(["SGD", "Momentum", "AdaGrad", "Adam"]),
    rates: { ...SURFACES.valley.rates },
    momentum: 0.9,
    steps: 100,
    step: 30, // how far the race has come; a fraction while it runs
    playing: false,
    speed: 1,
    paths: {},
  };

  // ---- numbers

  const bottom = (surface) => Math.min(...surface.minima.map((point) => surface.value(...point)));
  const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

  function figures(x) {
    if (x === 0) return "0";
    const size = Math.abs(x);
    if (size >= 1e5 || size < 1e-3) return x.toExponential(1).replace("e+", "e").replace("-", "−").replace("e-", "e−");
    return String(+x.toPrecision(3)).replace("-", "−");
  }

  // The first step at which a path has left for good: not finite, or a hundred windows away.
  function lost(path, surface) {
    const gone = ([x, y]) =>
      [x, y].some((v, i) => {
        const [low, high] = surface.window[i];
        return !(Math.abs(v - (low + high) / 2) < 100 * (high - low));
      });
    return path.findIndex(gone);
  }

  // The step from which a path stays within a thousandth of the height it came from, or -1.
  function arrival(path, surface) {
    const floor = bottom(surface);
    const enough = 1e-3 * (surface.value(...path[0]) - floor);
    let step = path.length;
    while (step > 0 && surface.value(...path[step - 1]) - floor <= enough) step -= 1;
    return step < path.length ? step : -1;
  }

  function race() {
    const surface = SURFACES[state.surface];
    state.paths = {};
    for (const name of NAMES) {
      if (!state.chosen.has(name)) continue;
      const points = walk(name, surface, state.start, state.rates[name], state.momentum, state.steps);
      state.paths[name] = { points, lost: lost(points, surface), arrival: arrival(points, surface) };
    }
  }

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
    race();
    draw();
    announce();
  }

  function place(x, y) {
    const { window } = SURFACES[state.surface];
    state.start = [clamp(x, ...window[0]), clamp(y, ...window[1])];
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

  // ---- pictures

  const dark = () => document.documentElement.dataset.theme === "dark";

  function sized(canvas) {
    const density = Math.min(2, window.devicePixelRatio || 1);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    const context = canvas.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    return { context, width, height, density };
  }

  function shades() {
    const stops = (dark() ? DARK_SHADES : SHADES).map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
    return Array.from({ length: LEVELS + 1 }, (_, level) => {
      const at = Math.min((level / (LEVELS - 1)) * (stops.length - 1), stops.length - 1);
      const [below, share] = [Math.min(Math.floor(at), stops.length - 2), at - Math.min(Math.floor(at), stops.length - 2)];
      return stops[below].map((value, i) => value + share * (stops[below + 1][i] - value));
    });
  }

  // Filled contours, spaced logarithmically above the minimum as in kerasopt.plotting, with smooth and drawn edges.
  function ground() {
    const surface = SURFACES[state.surface];
    const { context } = sized($.ground);
    const { width, height } = $.ground;
    if (!width || !height) return;
    const [[left, right], [low, high]] = surface.window;
    const floor = bottom(surface);
    const values = new Float64Array((width + 1) * (height + 1));
    let top = 0;
    for (let j = 0; j <= height; j += 1) {
      const y = high - (j / height) * (high - low);
      for (let i = 0; i <= width; i += 1) {
        const value = Math.max(0, surface.value(left + (i / width) * (right - left), y) - floor);
        values[j * (width + 1) + i] = value;
        if (value > top) top = value;
      }
    }
    const sample = Float64Array.from({ length: 4000 }, (_, i) => values[Math.floor((i / 4000) * values.length)]).sort();
    const first = Math.max(sample[8], top / 1e4);
    const span = Math.log(top / first) / (LEVELS - 1);
    // The level as a fraction: 0 to 1 below the first edge, then logarithmic.
    for (let k = 0; k < values.length; k += 1) {
      values[k] = values[k] <= first ? values[k] / first : 1 + Math.log(values[k] / first) / span;
    }
    const colors = shades();
    const edge = dark() ? 26 : -22;
    const image = context.createImageData(width, height);
    for (let j = 0; j < height; j += 1) {
      for (let i = 0; i < width; i += 1) {
        const k = j * (width + 1) + i;
        const level = values[k];
        const slope = Math.abs(values[k + 1] - level) + Math.abs(values[k + width + 1] - level) + 1e-9;
        const nearest = Math.round(level);
        const distance = (level - nearest) / slope; // from the nearest edge, in pixels
        const share = clamp(0.5 + distance, 0, 1);
        const [under, over] = [colors[clamp(nearest - 1, 0, LEVELS)], colors[clamp(nearest, 0, LEVELS)]];
        const line = nearest >= 1 ? edge * Math.max(0, 1 - Math.abs(distance)) * Math.min(1, 0.35 / slope) : 0;
        for (let c = 0; c < 3; c += 1) image.data[4 * (j * width + i) + c] = under[c] + share * (over[c] - under[c]) + line;
        image.data[4 * (j * width + i) + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  }

  function ticks(low, high, count) {
    const raw = (high - low) / count;
    const size = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= raw);
    const all = [];
    for (let value = Math.ceil(low / step) * step; value <= high + 1e-9 * step; value += step) all.push(+value.toFixed(9));
    return all;
  }

  function draw() {
    const surface = SURFACES[state.surface];
    const { context, width, height } = sized($.tracks);
    const palette = dark() ? DARK_COLORS : COLORS;
    const [[left, right], [low, high]] = surface.window;
    const at = ([x, y]) => [((x - left) / (right - left)) * width, ((high - y) / (high - low)) * height];
    context.clearRect(0, 0, width, height);
    const ink = dark() ? "#c9d4df" : "#33414e";
    const halo = dark() ? "rgba(8, 12, 18, 0.75)" : "rgba(255, 255, 255, 0.8)";

    context.font = "11px system-ui, sans-serif";
    context.fillStyle = ink;
    context.strokeStyle = ink;
    context.lineWidth = 1;
    context.textAlign = "center";
    for (const value of ticks(left, right, 6)) {
      const [x] = at([value, low]);
      if (x < 12 || x > width - 12) continue;
      context.fillRect(x, height - 5, 1, 5);
      context.fillText(figures(value), x, height - 8);
    }
    context.textAlign = "left";
    for (const value of ticks(low, high, 5)) {
      const [, y] = at([left, value]);
      if (y < 10 || y > height - 26) continue;
      context.fillRect(0, y, 5, 1);
      context.fillText(figures(value), 8, y + 4);
    }

    for (const point of surface.minima) star(context, ...at(point), ink, halo);

    NAMES.forEach((name, index) => {
      if (!state.paths[name]) return;
      const near = ([x, y]) => [clamp(x, -2 * width, 3 * width), clamp(y, -2 * height, 3 * height)];
      const line = (points) => {
        context.beginPath();
        points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      };
      context.lineJoin = "round";
      if (!state.playing) {
        // What is still to come, faintly.
        line(trailOf(state.paths[name], state.steps).map(at).map(near));
        context.globalAlpha = 0.3;
        context.strokeStyle = palette[index];
        context.lineWidth = 1.2;
        context.stroke();
        context.globalAlpha = 1;
      }
      const trail = trailOf(state.paths[name]).map(at).map(near);
      line(trail);
      context.strokeStyle = halo;
      context.lineWidth = 4;
      context.stroke();
      context.strokeStyle = palette[index];
      context.lineWidth = 1.8;
      context.stroke();
      if (state.steps <= 100) {
        context.fillStyle = palette[index];
        for (const [x, y] of trail.slice(1, -1)) {
          context.beginPath();
          context.arc(x, y, 2.1, 0, 2 * Math.PI);
          context.fill();
        }
      }
    });
    // The heads last, so that no line crosses them.
    NAMES.forEach((name, index) => {
      if (!state.paths[name]) return;
      const [x, y] = at(trailOf(state.paths[name]).at(-1));
      if (!(Math.abs(x) < 1e5 && Math.abs(y) < 1e5)) return;
      context.save();
      context.translate(x, y);
      context.scale(1.15, 1.15);
      const shape = new Path2D(MARKERS[index]);
      context.strokeStyle = dark() ? "#0e1620" : "#ffffff";
      context.lineWidth = 2.4;
      context.stroke(shape);
      context.fillStyle = palette[index];
      context.fill(shape);
      context.restore();
    });

    const [x, y] = at(state.start);
    $.handle.style.left = `${(x / width) * 100}%`;
    $.handle.style.top = `${(y / height) * 100}%`;
    $.handle.setAttribute("aria-label", `Starting point: x ${figures(state.start[0])}, y ${figures(state.start[1])}`);
    chart(palette, ink);
    texts();
  }

  // The points up to now, the last one between two steps while the race runs; without what is not finite.
  function trailOf({ points, lost }, now = state.step) {
    const end = lost < 0 ? now : Math.min(now, lost);
    const whole = Math.floor(end);
    const trail = points.slice(0, whole + 1);
    const [next, share] = [points[whole + 1], end - whole];
    if (share > 0 && next) trail.push(trail[whole].map((value, i) => value + share * (next[i] - value)));
    return trail.filter((point) => point.every(Number.isFinite));
  }

  function star(context, x, y, ink, halo) {
    context.beginPath();
    for (let k = 0; k < 10; k += 1) {
      const [radius, angle] = [k % 2 ? 3.6 : 8.5, -Math.PI / 2 + (k * Math.PI) / 5];
      context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    }
    context.closePath();
    context.fillStyle = halo;
    context.fill();
    context.strokeStyle = ink;
    context.lineWidth = 1.2;
    context.stroke();
  }

  function chart(palette, ink) {
    const { context, width, height } = sized($.chart);
    if (!width) return;
    context.clearRect(0, 0, width, height);
    const surface = SURFACES[state.surface];
    const floor = bottom(surface);
    const curves = Object.entries(state.paths).map(([name, { points, lost }]) => {
      const kept = points.slice(0, lost < 0 ? undefined : lost);
      return [NAMES.indexOf(name), kept.map((point) => Math.log10(Math.max(surface.value(...point) - floor, 1e-12)))];
    });
    const begin = Math.log10(Math.max(surface.value(...state.start) - floor, 1e-12));
    const all = curves.flatMap(([, curve]) => curve);
    const highest = Math.ceil(clamp(Math.max(begin, ...all), begin, begin + 1.5) + 1e-9);
    const lowest = Math.floor(clamp(Math.min(begin - 2, ...all), -8, highest - 2));
    const edge = { left: 34, right: 8, top: 8, bottom: 20 };
    const x = (step) => edge.left + (step / state.steps) * (width - edge.left - edge.right);
    const y = (value) => edge.top + ((highest - value) / (highest - lowest)) * (height - edge.top - edge.bottom);
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = ink;
    context.textAlign = "right";
    const every = Math.ceil((highest - lowest) / 5);
    for (let value = highest; value >= lowest; value -= every) {
      context.globalAlpha = 0.25;
      context.fillRect(edge.left, y(value), width - edge.left - edge.right, 1);
      context.globalAlpha = 1;
      context.fillText(value >= 0 && value < 4 ? String(10 ** value) : `1e${value}`.replace("-", "−"), edge.left - 5, y(value) + 4);
    }
    context.textAlign = "center";
    for (const value of ticks(0, state.steps, 5)) context.fillText(String(value), clamp(x(value), 12, width - 16), height - 5);
    context.save();
    context.beginPath();
    context.rect(edge.left, edge.top - 2, width - edge.left - edge.right + 2, height - edge.top - edge.bottom + 4);
    context.clip();
    for (const [index, curve] of curves) {
      for (const [alpha, end] of [[0.25, curve.length], [1, Math.floor(state.step) + 1]]) {
        context.globalAlpha = alpha;
        context.beginPath();
        curve.slice(0, end).forEach((value, step) => (step ? context.lineTo(x(step), y(value)) : context.moveTo(x(0), y(value))));
        context.strokeStyle = palette[index];
        context.lineWidth = 1.8;
        context.stroke();
      }
    }
    context.restore();
    context.globalAlpha = 0.6;
    context.fillRect(x(state.step), edge.top, 1, height - edge.top - edge.bottom);
    context.globalAlpha = 1;
  }

  function texts() {
    const surface = SURFACES[state.surface];
    const step = Math.floor(state.step);
    $.surface.value = state.surface;
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

  function summary() {
    const surface = SURFACES[state.surface];
    const step = Math.floor(state.step);
    return Object.entries(state.paths)
      .map(([name, { points, lost }]) =>
        lost >= 0 && step >= lost ? `${name} diverged at step ${lost}` : `${name} ${figures(surface.value(...points[step]))}`,
      )
      .join(", ");
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
    race();
    ground();
    draw();
    announce();
  }

  const root = document.getElementById("playground");
  if (root) open(root);
  return { state, COLORS, NAMES };
})();
