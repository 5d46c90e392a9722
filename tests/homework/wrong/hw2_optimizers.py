"""Wrong answers to assignment 2: by question, what to replace in its solution, or (None, code) for another answer."""

VELOCITY = '0.9 * self.read("velocity", variable) + gradient'
WRONG = {
    "a": [
        ("variable - learning_rate", "variable + learning_rate"),
        ("learning_rate * gradient", "gradient"),
        ("variable - learning_rate * gradient", "-learning_rate * gradient"),
        ("self.assign(variable, variable - learning_rate * gradient)", "variable - learning_rate * gradient"),
    ],
    "b": [
        (VELOCITY, VELOCITY.replace("0.9 * ", "")),
        (VELOCITY, VELOCITY.replace("+ gradient", "+ 0.1 * gradient")),
        (VELOCITY, VELOCITY.replace("+ gradient", "- gradient")),
        ('self.write("velocity", variable, velocity)', "pass"),
        (VELOCITY, VELOCITY.replace("gradient", "learning_rate * gradient")),
        (
            f'{VELOCITY}\n        self.write("velocity", variable, velocity)\n'
            "        self.assign(variable, variable - learning_rate * velocity)",
            f"{VELOCITY.replace('gradient', 'learning_rate * gradient')}\n"
            '        self.write("velocity", variable, velocity)\n        self.assign(variable, variable - velocity)',
        ),
    ],
    "c": [
        ("(gradient + 0.9 * velocity)", "velocity"),
        ("(gradient + 0.9 * velocity)", "(gradient + velocity)"),
        ("(gradient + 0.9 * velocity)", "(gradient + 0.9 * (velocity - gradient))"),
        ("variable - learning_rate", "variable + learning_rate"),
    ],
    "d": [
        ("ops.square(gradient)", "ops.abs(gradient)"),
        ("(ops.sqrt(total) + 1e-7)", "ops.sqrt(total + 1e-7)"),
        ('self.read("total", variable) + ops', "ops"),
        ("ops.sqrt(total)", "total"),
    ],
    "e": [
        ("0.1 * ops.square", "ops.square"),
        ("(ops.sqrt(mean_square) + 1e-7)", "ops.sqrt(mean_square + 1e-7)"),
        ("0.9 * self.read", "0.99 * self.read"),
        ("0.1 * ops.square(gradient)", "0.1 * gradient"),
    ],
    "f": [
        ("self.iterations + 1", "self.iterations"),
        ("m_hat = m / (1 - ops.power(0.9, t))", "m_hat = m"),
        ("v_hat = v / (1 - ops.power(0.999, t))", "v_hat = v"),
        ("(ops.sqrt(v_hat) + 1e-7)", "ops.sqrt(v_hat + 1e-7)"),
        ("0.001 * ops.square(gradient)", "0.001 * gradient"),
        ('self.write("m", variable, m)', 'self.write("m", variable, m / (1 - ops.power(0.9, t)))'),
    ],
    "g": [
        ('"Adam": MyAdam', '"Adam": MySGD'),
        ("make(rate)", "make(0.03)"),
        ("seeds=seeds", "seeds=1"),
        ("batch_size=50", "batch_size=100"),
        ("lambda rate, make=make: make(rate)", "lambda rate: make(rate)"),
        ("rates=rates", "rates=[0.003, 0.03, 0.3]"),
    ],
}
