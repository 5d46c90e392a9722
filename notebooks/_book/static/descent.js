// The playground's arithmetic: the two-dimensional surfaces of kerasopt.problems and the rules of kerasopt.optimizers.
// The tests hold every surface and every rule to the package's, in a browser.
"use strict";

const descent = (() => {
  const square = (a) => a * a;

  // rates: a rate for each rule under which it does well from the surface's own start.
  const SURFACES = {
    valley: {
      title: "Valley",
      formula: "x²/20 + y²",
      lesson: "Steep across, almost level along. Raise the rate of SGD beyond 1: which direction diverges?",
      value: (x, y) => (x * x) / 20 + y * y,
      gradient: (x, y) => [x / 10, 2 * y],
      window: [[-10, 10], [-5, 5]],
      minima: [[0, 0]],
      start: [-7, 2],
      rates: { SGD: 0.9, Momentum: 0.1, Nesterov: 0.1, AdaGrad: 1, AdaDelta: 10, RMSProp: 0.1, Adam: 0.3, Nadam: 0.2 },
    },
    quadratic: {
      title: "Ravine, condition number 100",
      formula: "x²/2 + 50 y²",
      lesson: "SGD is stable below 2/100, and at that rate needs hundreds of steps along the floor.",
      value: (x, y) => (x * x + 100 * y * y) / 2,
      gradient: (x, y) => [x, 100 * y],
      window: [[-2.4, 2.4], [-0.6, 0.6]],
      minima: [[0, 0]],
      start: [-2, 0.3],
      rates: { SGD: 0.018, Momentum: 0.01, Nesterov: 0.005, AdaGrad: 0.3, AdaDelta: 3, RMSProp: 0.02, Adam: 0.05, Nadam: 0.05 },
    },
    rosenbrock: {
      title: "Rosenbrock's banana",
      formula: "(1 − x)² + 100 (y − x²)²",
      lesson: "Into the bent valley in a few steps, along it in thousands. Give them 1000 steps.",
      value: (x, y) => square(1 - x) + 100 * square(y - x * x),
      gradient: (x, y) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
      window: [[-1.8, 1.8], [-0.8, 2.4]],
      minima: [[1, 1]],
      start: [-1.2, 1],
      rates: { SGD: 0.001, Momentum: 0.001, Nesterov: 0.0005, AdaGrad: 0.3, AdaDelta: 10, RMSProp: 0.05, Adam: 0.1, Nadam: 0.05 },
    },
    beale: {
      title: "Beale's function",
      formula: "(1.5 − x (1 − y))² + (2.25 − x (1 − y²))² + (2.625 − x (1 − y³))²",
      lesson: "A flat valley between steep walls: the first gradients are huge, the later ones tiny.",
      value: (x, y) =>
        square(1.5 - x * (1 - y)) + square(2.25 - x * (1 - y * y)) + square(2.625 - x * (1 - y * y * y)),
      gradient: (x, y) => {
        const a = 1.5 - x * (1 - y), b = 2.25 - x * (1 - y * y), c = 2.625 - x * (1 - y * y * y);
        return [-2 * (a * (1 - y) + b * (1 - y * y) + c * (1 - y * y * y)), 2 * x * (a + 2 * b * y + 3 * c * y * y)];
      },
      window: [[-0.5, 4.2], [-1.5, 1.7]],
      minima: [[3, 0.5]],
      start: [0.7, 1.4],
      rates: { SGD: 0.02, Momentum: 0.003, Nesterov: 0.003, AdaGrad: 0.5, AdaDelta: 50, RMSProp: 0.03, Adam: 0.3, Nadam: 0.2 },
    },
    himmelblau: {
      title: "Himmelblau's four minima",
      formula: "(x² + y − 11)² + (x + y² − 7)²",
      lesson: "The start decides, and so do rate and rule. Drag it slowly across a border between two basins.",
      value: (x, y) => square(x * x + y - 11) + square(x + y * y - 7),
      gradient: (x, y) => {
        const a = x * x + y - 11, b = x + y * y - 7;
        return [4 * a * x + 2 * b, 2 * a + 4 * b * y];
      },
      window: [[-5.5, 5.5], [-5.5, 5.5]],
      minima: [
        [3, 2],
        [-2.805118086952745, 3.131312518250573],
        [-3.779310253377747, -3.283185991286169],
        [3.5844283403304917, -1.8481265269644034],
      ],
      start: [0.5, -0.5],
      rates: { SGD: 0.01, Momentum: 0.005, Nesterov: 0.005, AdaGrad: 0.5, AdaDelta: 20, RMSProp: 0.05, Adam: 0.3, Nadam: 0.2 },
    },
    saddle: {
      title: "Saddle",
      formula: "x²/2 − y²/2 + y⁴/4",
      lesson: "The start lies a ten-thousandth beside the ridge. Who finds the way down first? And exactly on it?",
      value: (x, y) => (x * x) / 2 - (y * y) / 2 + square(y * y) / 4,
      gradient: (x, y) => [x, y * y * y - y],
      window: [[-1.6, 1.6], [-1.6, 1.6]],
      minima: [[0, -1], [0, 1]],
      start: [-1.4, 1e-4],
      rates: { SGD: 0.2, Momentum: 0.1, Nesterov: 0.1, AdaGrad: 0.2, AdaDelta: 5, RMSProp: 0.02, Adam: 0.1, Nadam: 0.05 },
    },
    sharp_and_flat: {
      title: "A sharp and a flat minimum",
      formula: "a b / (a + b), bowls of curvature 30 at −1 and 1 at 1",
      lesson: "Above a rate of 2/30 SGD cannot settle in the sharp one, and above some 0.2 it leaves for the flat one.",
      value: (x, y) => {
        const a = 15 * (square(x + 1) + y * y), b = (square(x - 1) + y * y) / 2;
        return a * (b / (a + b));
      },
      gradient: (x, y) => {
        const a = 15 * (square(x + 1) + y * y), b = (square(x - 1) + y * y) / 2;
        const shareA = 30 * square(b / (a + b)), shareB = square(a / (a + b));
        return [shareA * (x + 1) + shareB * (x - 1), (shareA + shareB) * y];
      },
      window: [[-2.4, 3.2], [-1.6, 1.6]],
      minima: [[-1, 0], [1, 0]],
      start: [-1.5, 0.8],
      rates: { SGD: 0.05, Momentum: 0.01, Nesterov: 0.02, AdaGrad: 0.2, AdaDelta: 5, RMSProp: 0.01, Adam: 0.05, Nadam: 0.03 },
    },
  };

  // Each rule makes a function from one coordinate's gradient to its step, which is subtracted.
  const RULES = {
    SGD: (rate) => (g) => rate * g,
    Momentum: (rate, momentum) => {
      let v = 0;
      return (g) => {
        v = momentum * v + g;
        return rate * v;
      };
    },
    Nesterov: (rate, momentum) => {
      let v = 0;
      return (g) => {
        v = momentum * v + g;
        return rate * (g + momentum * v);
      };
    },
    AdaGrad: (rate) => {
      let h = 0;
      return (g) => {
        h += g * g;
        return (rate * g) / (Math.sqrt(h) + 1e-7);
      };
    },
    AdaDelta: (rate) => {
      const rho = 0.95, epsilon = 1e-6;
      let h = 0, d = 0;
      return (g) => {
        h = rho * h + (1 - rho) * g * g;
        const update = (Math.sqrt(d + epsilon) / Math.sqrt(h + epsilon)) * g;
        d = rho * d + (1 - rho) * update * update;
        return rate * update;
      };
    },
    RMSProp: (rate) => {
      const rho = 0.9;
      let h = 0;
      return (g) => {
        h = rho * h + (1 - rho) * g * g;
        return (rate * g) / (Math.sqrt(h) + 1e-7);
      };
    },
    Adam: (rate, beta1) => {
      const beta2 = 0.999;
      let m = 0, v = 0, t = 0;
      return (g) => {
        t += 1;
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g * g;
        return ((rate * m) / (1 - beta1 ** t)) / (Math.sqrt(v / (1 - beta2 ** t)) + 1e-8);
      };
    },
    Nadam: (rate, beta1) => {
      const beta2 = 0.999;
      const mu = (t) => beta1 * (1 - 0.5 * 0.96 ** (0.004 * t));
      let m = 0, v = 0, t = 0, product = 1;
      return (g) => {
        t += 1;
        product *= mu(t);
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g * g;
        const ahead = (mu(t + 1) * m) / (1 - product * mu(t + 1)) + ((1 - mu(t)) * g) / (1 - product);
        return (rate * ahead) / (Math.sqrt(v / (1 - beta2 ** t)) + 1e-8);
      };
    },
  };

  // The points of a path, the start included: [[x, y], ...].
  function walk(rule, surface, start, rate, momentum, steps) {
    const [stepX, stepY] = [RULES[rule](rate, momentum), RULES[rule](rate, momentum)];
    let [x, y] = start;
    const path = [[x, y]];
    for (let t = 0; t < steps; t += 1) {
      const [gx, gy] = surface.gradient(x, y);
      x -= stepX(gx);
      y -= stepY(gy);
      path.push([x, y]);
    }
    return path;
  }

  return { SURFACES, RULES, walk };
})();
