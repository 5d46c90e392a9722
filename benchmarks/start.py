"""Measure what `import kerasopt` costs once Keras and its backend are there: the median of fresh interpreters."""

import argparse
import statistics
import subprocess
import sys

CODE = "import keras, time; t = time.perf_counter(); import kerasopt; print(time.perf_counter() - t)"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="interpreters (default: %(default)s)")
    command = [sys.executable, "-c", CODE]
    times = range(parser.parse_args().times)
    seconds = [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in times]
    print(f"import kerasopt after import keras: {statistics.median(seconds):.3f} s")


if __name__ == "__main__":
    main()
