"""One seed after another."""

import numpy as np


def successor(seed):
    """Return the integer seed that follows `seed`; a `keras.random.SeedGenerator` follows itself."""
    if not isinstance(seed, int):
        return seed
    return int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1)  # 31 bits, which every backend takes
