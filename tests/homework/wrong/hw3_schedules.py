"""Wrong answers to assignment 3: by question, what to replace in its solution, or (None, code) for another answer."""

WRONG = {
    "a": [
        ("// steps_per_epoch", "// 1"),
        ("drop ** (epoch // every)", "drop ** (epoch / every)"),
        ("epoch // every", "(epoch + 1) // every"),
        ("drop ** (epoch // every), 0.01)", "drop ** (epoch // every), 0)"),
        ("first * np.maximum(drop ** (epoch // every), 0.01)", "np.maximum(first * drop ** (epoch // every), 0.01)"),
        (
            None,
            "def step_decay(step, first, every, steps_per_epoch):\n"
            "    return np.maximum(0.5 * 0.4 ** (np.asarray(step) // 20), 0.005)\n",
        ),
    ],
    "b": [
        ("(total - 1 - warmup)", "(total - warmup)"),
        ("top * (step + 1) / warmup", "top * step / warmup"),
        ("np.clip((step - warmup) / (total - 1 - warmup), 0, 1)", "(step - warmup) / (total - 1 - warmup)"),
        ("(1 + np.cos(np.pi * s)) / 2", "np.cos(np.pi * s / 2)"),
        ("(top - bottom) *", "top *"),
        ("bottom = floor * top", "bottom = floor"),
        (None, "def warm_cosine(step, top, warmup, total):\n    return 0.4\n"),
    ],
    "c": [
        ("ops.power(shrink, before)", "1"),
        ("self.low + (self.high - self.low) * height", "(self.low + (self.high - self.low) * height)"),
        ("height = 1 - ops.abs(within / self.half - 1)", "height = ops.abs(within / self.half - 1)"),
        ("ops.floor(step / (2 * self.half))", "ops.floor(step / self.half)"),
        ("ops.floor(", "np.floor("),
        ("ops.floor(step / (2 * self.half))", "ops.ceil(step / (2 * self.half))"),
    ],
    "d": [
        ("ends.append(len(rates) - 1)", "ends.append(len(rates))"),
        ("np.arange(length) / length", "np.arange(length) / (length - 1)"),
        ("length *= growth", "pass"),
        ("[end for end in ends if end < total]", "ends"),
        ("np.array(rates[:total])", "np.array(rates)"),
        ("np.pi * np.arange", "2 * np.pi * np.arange"),
    ],
    "e": [
        ("(epoch + 1) % self.every", "epoch % self.every"),
        ("[-most:]", "[:most]"),
        ("[-most:]", ""),
        ("self.kept = []", "pass"),
        ("self.model.get_weights()", "self.model.weights"),
        ("[*self.kept, self.model.get_weights()]", "[self.model.get_weights(), *self.kept]"),
    ],
    "f": [
        ("weights[-1] = newest", "pass"),
        ("weights[-1]", "weights[0]"),
        (" - logits.max(axis=2, keepdims=True)", ""),
        ("e.sum(axis=2, keepdims=True)", "e.sum(axis=0, keepdims=True)"),
        ("logits - logits.max(axis=2, keepdims=True)", "logits - logits.max(axis=0, keepdims=True)"),
        (
            None,
            "def ensemble(logits):\n    z = np.average(logits, axis=0, weights=[1] * (len(logits) - 1) + [2])\n"
            "    e = np.exp(z - z.max(axis=1, keepdims=True))\n    return e / e.sum(axis=1, keepdims=True)\n",
        ),
        ("np.average(p, axis=0, weights=weights)", "np.tensordot(weights, p, 1) / len(p)"),
    ],
    "g": [
        ("(count + 1)", "(epoch + 1)"),
        ("(w - m) / (count + 1)", "(w - m) / 2"),
        (" and (epoch - start) % stride == 0", ""),
        ("(epoch - start) % stride", "epoch % stride"),
        ("epoch >= start", "epoch > start"),
        (
            None,
            "def swa(path, start):\n    kept = list(path)[start::2]\n"
            "    return [np.mean(w, axis=0) for w in zip(*kept, strict=True)]\n",
        ),
    ],
    "h": [
        ("train(waves(cycles), seed, cycles)", "train(waves(1), seed, cycles)[:0]"),
        ("np.arange(300) % length", "np.arange(300)"),
        ("probabilities[-1]", "probabilities[0].T"),
        (
            None,
            "def race(seed, top, cycles):\n"
            '    return {"long run": (0.93, 0.3), "last snapshot": (0.92, 0.3), "ensemble": (0.94, 0.3)}\n',
        ),
        (
            "score(np.mean(probabilities, axis=0))",
            "score(predict([np.mean(w, axis=0) for w in zip(*train(waves(cycles), seed, cycles))]))",
        ),
    ],
}
