// The playground's pictures: the surface, the paths upon it, and the losses.
"use strict";

const pictures = (() => {
  const { SURFACES } = descent;
  const { COLORS, DARK_COLORS, MARKERS, NAMES, state, bottom, clamp, figures, trailOf } = race;
  // The shades of kerasopt.plotting's surfaces, and dark twins.
  const SHADES = ["#fffdf2", "#eaf1f5", "#cfdee9", "#a5bfd3"];
  const DARK_SHADES = ["#0e1620", "#16222f", "#213244", "#35506b"];
  const LEVELS = 16;

  const dark = () => document.documentElement.dataset.theme === "dark";

  const inkOf = () => (dark() ? "#c9d4df" : "#33414e");

  // A canvas as many pixels large as its place on the screen has, drawn upon in CSS pixels.
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
  function ground(canvas) {
    const surface = SURFACES[state.surface];
    const { context } = sized(canvas);
    const { width, height } = canvas;
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

  function tracks(canvas) {
    const surface = SURFACES[state.surface];
    const { context, width, height } = sized(canvas);
    const palette = dark() ? DARK_COLORS : COLORS;
    const [[left, right], [low, high]] = surface.window;
    const at = ([x, y]) => [((x - left) / (right - left)) * width, ((high - y) / (high - low)) * height];
    context.clearRect(0, 0, width, height);
    const ink = inkOf();
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

  function chart(canvas) {
    const { context, width, height } = sized(canvas);
    const palette = dark() ? DARK_COLORS : COLORS;
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
    context.fillStyle = inkOf();
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

  return { ground, tracks, chart };
})();
