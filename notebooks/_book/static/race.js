// A race of the playground: who takes part, from where and at which rates, and what has become of everyone.
"use strict";

const race = (() => {
  const { SURFACES, RULES, walk } = descent;
  // The colours and the markers of kerasopt.plotting; on a dark ground the colours have lighter twins.
  const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#888888"];
  const DARK_COLORS = ["#3fa4e8", "#ff8133", "#2ec99b", "#e39cc5", "#f0b429", "#8ed1f7", "#ffffff", "#a8a8a8"];
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

  // Let everyone who is chosen walk all the steps.
  function run() {
    const surface = SURFACES[state.surface];
    state.paths = {};
    for (const name of NAMES) {
      if (!state.chosen.has(name)) continue;
      const points = walk(name, surface, state.start, state.rates[name], state.momentum, state.steps);
      state.paths[name] = { points, lost: lost(points, surface), arrival: arrival(points, surface) };
    }
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

  function summary() {
    const surface = SURFACES[state.surface];
    const step = Math.floor(state.step);
    return Object.entries(state.paths)
      .map(([name, { points, lost }]) =>
        lost >= 0 && step >= lost ? `${name} diverged at step ${lost}` : `${name} ${figures(surface.value(...points[step]))}`,
      )
      .join(", ");
  }

  return { COLORS, DARK_COLORS, MARKERS, NAMES, state, bottom, clamp, figures, run, trailOf, summary };
})();
