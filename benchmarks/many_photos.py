"""500 small photos by one command, against a call for each; and whether memory grows with their number.

Run as `python benchmarks/many_photos.py`. The photos are crops of those in the dependencies, 320 x 256 pixels, grey JPEGs.
A call for each is measured for ten photos.
"""
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-c", "import sys; from colorization.command import colorize_command; sys.exit(colorize_command())"]


def call(*arguments) -> tuple[float, float]:
    "Seconds and peak memory in MB of one call of `colorize`."
    began = time.perf_counter()
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"colorize ended with {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 1e3


def make_photos(folder: Path, count: int) -> list[Path]:
    from PIL import Image

    from colorization.data import sample_photos

    sources, paths = [Image.open(p).convert("L").resize((640, 512)) for p in sample_photos()], []
    for i in range(count):
        left, top = 5 * (i // len(sources)) % 320, 3 * (i // len(sources)) % 256
        paths.append(folder / f"{i:03}.jpg")
        sources[i % len(sources)].crop((left, top, left + 320, top + 256)).save(paths[-1], quality=90)
    return paths


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "photos").mkdir()
        photos = make_photos(folder / "photos", 500)
        call(photos[0], "--out", folder / "warm-up")
        single = [call(photo, "--out", folder / "single") for photo in photos[:10]]
        (fifty, memory_fifty), (all_of_them, memory) = call(*photos[:50], "--out", folder / "fifty"), call(folder / "photos", "--out", folder / "all")
        each, together = sum(s for s, _ in single) / len(single), all_of_them / len(photos)
        print(f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores\n")
        print("| | seconds a photo | peak memory |\n|---|---|---|")
        print(f"| a call for each | {each:.2f} | {max(m for _, m in single):,.0f} MB |")
        print(f"| one call for 50 | {fifty / 50:.3f} | {memory_fifty:,.0f} MB |")
        print(f"| one call for 500 | {together:.3f} | {memory:,.0f} MB |")
        print(f"\none call for 500 costs {each / together:.1f} times less a photo than a call for each")
