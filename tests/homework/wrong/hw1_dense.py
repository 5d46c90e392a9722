"""Wrong answers to assignment 1: by question, what to replace in its solution, or (None, code) for another answer."""

SHIFT = "z = z - z.max(axis=1, keepdims=True)"
MEAN, DEVIATION = "train.mean(axis=0)", "np.maximum(train.std(axis=0), 0.05)"
BOTH = "np.concatenate([train, other])"
RESET = "model.set_weights(start(seed))"
WRONG = {
    "a": [
        ("np.maximum(z, 0.15 * z)", "np.maximum(z, 0)"),
        ("x @ W + b", "x @ W.T + b"),
        ("np.maximum(z, 0.15 * z)", "np.minimum(z, 0.15 * z)"),
        ("np.maximum(z, 0.15 * z)", "z"),
        ("x @ W + b\n    return np.maximum(z, 0.15 * z)", "x @ W\n    return np.maximum(z, 0.15 * z) + b"),
        ("0.15 * z", "-0.15 * z"),
        (None, "def dense(x, W, b):\n    return np.array([[9, -0.6], [3, 1], [12, -0.45]])"),
    ],
    "b": [
        ("(k * k * channels + 1) * filters", "k * k * channels * filters"),
        ("(k * k * channels + 1) * filters", "(k * k + 1) * filters"),
        ("(k * k * channels + 1) * filters", "(k * channels + 1) * filters"),
        ("side - k + 1", "side - k"),
        ("side - k + 1", "side"),
        ("(channels + 1) * numbers[0], numbers[0]", "channels * numbers[0], numbers[0]"),
        ("trained + 2 * channels, others + 2 * channels", "trained + 4 * channels, others"),
        ("side * side * channels", "side * side"),
    ],
    "c": [
        (SHIFT, "pass"),
        (SHIFT, "z = z - z.max(axis=0)"),
        (SHIFT, "z = z - z.max()"),
        ("return np.mean(lost)", "return -np.mean(lost)"),
        ("return np.mean(lost)", "return np.sum(lost)"),
        ("z[np.arange(len(z)), y]", "z[:, 0]"),
        ("np.log(np.sum", "np.log2(np.sum"),
        (
            None,
            "def loss(z, y):\n    e = np.exp(z - z.max(axis=1, keepdims=True))\n"
            "    p = e / e.sum(axis=1, keepdims=True)\n    return -np.log(p[np.arange(len(z)), y] + 1e-7).mean()",
        ),
    ],
    "d": [
        ("(p - Y) / len(z)", "p - Y"),
        ("(p - Y) / len(z)", "(Y - p) / len(z)"),
        ("(p - Y) / len(z)", "(p - Y) / z.size"),
        ("np.exp(z - z.max(axis=1, keepdims=True))", "np.exp(z)"),
        ("np.exp(z - z.max(axis=1, keepdims=True))", "np.exp(z - z.max())"),
        ("e / e.sum(axis=1, keepdims=True)", "e / e.sum(axis=0)"),
        ("(p - Y) / len(z)", "-Y / p / len(z)"),
        (None, "def gradient(z, y):\n    return np.where(np.eye(z.shape[1])[y] > 0, -0.25, 0.25)"),
    ],
    "e": [
        ("(other - mean) / deviation", "(other - other.mean(axis=0)) / np.maximum(other.std(axis=0), 0.05)"),
        (f"{MEAN}, {DEVIATION}", f"{BOTH}.mean(axis=0), np.maximum({BOTH}.std(axis=0), 0.05)"),
        (DEVIATION, "train.std(axis=0)"),
        (DEVIATION, "train.std(axis=0) + 0.05"),
        (DEVIATION, "np.where(train.std(axis=0) > 0, train.std(axis=0), 1)"),
        (DEVIATION, "np.maximum(train.std(axis=0, ddof=1), 0.05)"),
        (DEVIATION, "np.maximum(train.var(axis=0), 0.05)"),
        (f"{MEAN}, {DEVIATION}", "train.mean(), max(train.std(), 0.05)"),
        ("(train - mean) / deviation, ", "train, "),
    ],
    "f": [
        ("W / deviation[:, None]", "W / deviation"),
        ("W / deviation[:, None]", "W * deviation[:, None]"),
        ("b - mean @ folded", "b + mean @ folded"),
        ("b - mean @ folded", "b - mean @ W"),
        ("b - mean @ folded", "b"),
        ("b - mean @ folded", "b - folded @ mean"),
    ],
    "g": [
        (RESET, "pass"),
        ("model(scale(validation[0]))", "model(validation[0])"),
        ("scale(train[0])", "train[0] / 255"),
        ("model.optimizer.learning_rate = rate", "model.optimizer.learning_rate = 0.1"),
        ("start(seed)", "start(0)"),
        ("return result", "return result.T"),
        ("axis=1", "axis=0"),
    ],
}
