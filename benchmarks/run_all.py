"""Run all benchmarks, one after the other, and write what they print into benchmarks/RESULTS.md.

Run as `COLORIZATION_PHOTOS=FOLDER python benchmarks/run_all.py`, on a machine that does nothing else; without photos to
train on, `batch_size.py` is left out. Takes about half an hour on two cores.
"""
import os
import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
HEAD = "# Results\n\nWhat `COLORIZATION_PHOTOS=FOLDER python benchmarks/run_all.py` printed. Each table can be made again by the command above it.\n"


def section(script: str) -> str:
    "What `script` prints, under its first line."
    print(f"{script} …", flush=True)
    done = subprocess.run([sys.executable, here / f"{script}.py"], capture_output=True, text=True, check=True)
    about = (here / f"{script}.py").read_text().split('"""')[1].split("\n")[0]
    photos = "COLORIZATION_PHOTOS=FOLDER " if script == "batch_size" else ""
    return f"## {about}\n\n`{photos}python benchmarks/{script}.py`\n\n{done.stdout}"


if __name__ == "__main__":
    scripts = ["start", "loader", "training_step", "recipe", "large_photo", "many_photos", "film"]
    if os.environ.get("COLORIZATION_PHOTOS"):
        scripts.append("batch_size")
    (here / "RESULTS.md").write_text("\n".join([HEAD, *map(section, scripts)]))
