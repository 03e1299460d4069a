"""500 small photos by one command, against a call for each; and whether memory grows with their number.

Run as `python benchmarks/many_photos.py`. The photos are crops of those in the dependencies. A call for each is measured for ten photos.
"""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import machine, make_photos, peak_memory, table

COMMAND = [sys.executable, "-c", "import sys; from colorization.command import colorize_command; sys.exit(colorize_command())"]


def call(*arguments) -> tuple[float, float]:
    "Seconds and peak memory in MB of one call of `colorize`."
    began = time.perf_counter()
    process, memory = subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), 0
    while process.poll() is None:
        memory = peak_memory(process.pid) or memory
        time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"colorize ended with {process.returncode}")
    return time.perf_counter() - began, memory


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = make_photos(folder / "photos", 500, 320, 256, "L")
        call(photos[0], "--out", folder / "warm-up")
        single = [call(photo, "--out", folder / "single") for photo in photos[:10]]
        fifty, memory_fifty = call(*photos[:50], "--out", folder / "fifty")
        together, memory = call(folder / "photos", "--out", folder / "all")
    each = sum(time for time, _ in single) / len(single)
    print(f"{machine()}; grey JPEGs of 320 x 256\n")
    table(["", "seconds a photo", "ratio", "peak memory"], [
        ["a call for each", f"{each:.2f}", "1", f"{max(m for _, m in single):,.0f} MB"],
        ["one call for 50", f"{fifty / 50:.3f}", f"{each / fifty * 50:.1f}", f"{memory_fifty:,.0f} MB"],
        ["one call for 500", f"{together / 500:.3f}", f"{each / together * 500:.1f}", f"{memory:,.0f} MB"]])
