"""Run all benchmarks, one after the other, and write what they print into benchmarks/RESULTS.md.

Run as `python benchmarks/run_all.py`, on a machine that does nothing else. Takes about a quarter of an hour on two cores.
"""
import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
HEAD = "# Results\n\nWhat `python benchmarks/run_all.py` printed. Each table can be made again by the command above it.\n"


def section(script: str) -> str:
    "What `script` prints, under its first line."
    print(f"{script} …", flush=True)
    done = subprocess.run([sys.executable, here / f"{script}.py"], capture_output=True, text=True, check=True)
    about = (here / f"{script}.py").read_text().split('"""')[1].split("\n")[0]
    return f"## {about}\n\n`python benchmarks/{script}.py`\n\n{done.stdout}"


if __name__ == "__main__":
    scripts = "loader", "training_step", "large_photo", "many_photos", "film"
    (here / "RESULTS.md").write_text("\n".join([HEAD, *map(section, scripts)]))
