"""How long a process takes until it can colorize: `import torch`, and a Colorizer with the default weights."""
import statistics
import subprocess
import sys
import time

from common import machine, table

WAYS = {
    "import torch": "import torch",
    "Colorizer.from_pretrained()": "from colorization.colorize import Colorizer; Colorizer.from_pretrained(device='cpu')",
    "from colorization.all import *": "from colorization.all import *",
}


def seconds(code: str, runs: int = 5) -> float:
    "The median time of a process that runs `code`, after one to warm up."
    times = []
    for _ in range(1 + runs):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


if __name__ == "__main__":
    measured = {name: seconds(code) for name, code in WAYS.items()}
    plain = measured["import torch"]
    print(f"{machine()}; a fresh process, median of five\n")
    table(["", "seconds", "more than import torch"], [[k, f"{v:.2f}", f"{v - plain:.2f}"] for k, v in measured.items()])
