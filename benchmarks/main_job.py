"""``netparity`` beside one Python process that imports the three frameworks one after the other.

Both are whole processes, started in turn. The second does no more than pay for the imports, which is what the main
job cannot avoid.

Run: python benchmarks/main_job.py
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from timing import interleaved, print_ratios

IMPORTS = "import torch, tensorflow, googlenet_mx"
ROUNDS = 3


def main() -> None:
    """Prints the ratio of one run."""
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    jobs = {
        "three imports": lambda: run([sys.executable, "-c", IMPORTS]),
        "main job": lambda: run([sys.executable, "-m", "netparity", "run"]),
    }
    print_ratios(interleaved(jobs, ROUNDS), "three imports", {"main job": 1.2})


if __name__ == "__main__":
    main()
