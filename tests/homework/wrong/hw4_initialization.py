"""Wrong answers to assignment 4: by question, what to replace in its solution, or (None, code) for another answer."""

SLOPE = "error * 1.5 * h * (1 - h)"
BEST = "max(by_rate, key=lambda rate: np.mean(by_rate[rate]))"
WRONG = {
    "a": [
        ("(r**2 / 3)", "r**2"),
        ("(r**2 / 3)", "(r**2 / 12)"),
        ("(mean**2 + deviation**2)", "deviation**2"),
        ("(mean**2 + deviation**2)", "(mean + deviation) ** 2"),
        ("(r**2 / 3)", "(r / np.sqrt(3))"),
        ("n_in *", "n_in**2 *"),
    ],
    "b": [
        ("np.sqrt(2 / (1 + 0.35**2) / fan_in)", "np.sqrt(2 / fan_in)"),
        ("(1 + 0.35**2)", "(1 - 0.35**2)"),
        ("(1 + 0.35**2)", "(1 + 0.35) ** 2"),
        ("np.sqrt(2 / (1 + 0.35**2) / fan_in)", "np.sqrt(2 / (1 + 0.35**2) / fan_out)"),
        ("np.sqrt(2 / (fan_in + fan_out))", "np.sqrt(6 / (fan_in + fan_out))"),
        ("np.prod(shape[:-2])", "1"),
        ("window * shape[-2], window * shape[-1]", "window * shape[-2], shape[-1]"),
    ],
    "c": [
        ("W.T", "W"),
        (".max()", ".min()"),
        ("np.abs(unit - other)", "(unit - other)"),
        (None, "def different(W):\n    return np.unique(W, axis=1).shape[1]"),
        (None, "def different(W):\n    return np.unique(W.round(3), axis=1).shape[1]"),
        (None, "def different(W):\n    return 1 + int(np.sum(np.abs(np.diff(W, axis=1)).max(axis=0) > 0.001))"),
        (None, "def different(W):\n    return len(np.unique(W.round(2).sum(axis=0)))"),
    ],
    "d": [
        (SLOPE, "error * h * (1 - h)"),
        (SLOPE, "error"),
        (SLOPE, "error * 1.5 * (1 - h)"),
        ("return norms[::-1]", "return norms"),
        ("error = delta @ W.T", "error = error @ W.T"),
        ("error = delta @ W.T", "pass"),
        ("np.linalg.norm(before.T @ delta)", "np.linalg.norm(h.T @ delta)"),
        ("np.linalg.norm(before.T @ delta)", "np.abs(before.T @ delta).sum()"),
    ],
    "e": [
        ("x @ W + b > 0", "x @ W + b >= 0"),
        ("x @ W + b > 0", "x @ W > 0"),
        ("on <= 0.02", "on <= 0.1"),
        ("axis=0", "axis=1"),
        ("on <= 0.02", "(on > 0) & (on <= 0.02)"),
        ("np.mean(on == 0), np.mean(on <= 0.02)", "np.sum(on == 0), np.sum(on <= 0.02)"),
        (None, "def asleep(x, W, b):\n    off = x.mean(axis=0) @ W + b <= 0\n    return np.mean(off), np.mean(off)"),
    ],
    "f": [
        ("np.std(h @ W)", "np.var(h @ W)"),
        ("h @ scaled[-1]", "h @ W"),
        ("np.std(h @ W)", "np.std(h @ W, axis=0)"),
        ("np.std(h @ W)", "np.std(np.maximum(0, h @ W))"),
        ("np.std(h @ W)", "np.sqrt(np.mean((h @ W) ** 2))"),
        ("np.std(h @ W)", "np.std(W)"),
    ],
    "g": [
        ("np.mean(by_rate[rate])", "np.max(by_rate[rate])"),
        (BEST, "min(by_rate, key=lambda rate: np.mean(by_rate[rate]))"),
        (BEST, "rates[0]"),
        ("start(seed)", "start(seeds[0])"),
        ("rate, seed) for seed", "rate, 1) for seed"),
        ("best, by_rate[best]", "best, np.mean(by_rate[best])"),
    ],
}
