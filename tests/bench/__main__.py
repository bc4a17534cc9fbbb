"""Every benchmark of this folder, each in a process of its own; exits 1 where a bound is missed.

python -m tests.bench
"""

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parents[1]


def main() -> int:
    """Return how many benchmarks missed a bound."""
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT / 'lambda_functions'}:{PROJECT}"}
    ended = [
        subprocess.run([sys.executable, path], env=environment, cwd=PROJECT, check=False).returncode
        for path in sorted(FOLDER.glob("bench_*.py"))
    ]
    return sum(code != 0 for code in ended)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
