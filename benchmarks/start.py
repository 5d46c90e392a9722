"""Measure what `import kerasopt` costs over `import keras` with its backend: medians of fresh interpreters in turn."""

import argparse
import statistics
import subprocess
import sys


def seconds(module):
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7, help="interpreters of each kind (default: %(default)s)")
    pairs = [(seconds("keras"), seconds("kerasopt")) for _ in range(parser.parse_args().times)]
    keras, kerasopt = (statistics.median(column) for column in zip(*pairs, strict=True))
    extra = statistics.median(ours - theirs for theirs, ours in pairs)
    print(f"import keras {keras:.2f} s, import kerasopt {kerasopt:.2f} s, median difference {extra:+.2f} s")


if __name__ == "__main__":
    main()
