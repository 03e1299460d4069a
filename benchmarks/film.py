"""Frames a second and peak memory of colorizing a film, short and long.

Run as `python benchmarks/film.py`. The film is 640 x 480: the camera moves over scikit-learn's china.jpg.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

from common import machine, table

CHILD = '''
import sys, time
from common import peak_memory
from colorization.all import *
colorizer = Colorizer.from_pretrained(device='cpu')
began = time.perf_counter()
colorize_film(sys.argv[1], sys.argv[2], colorizer)
print(time.perf_counter() - began, peak_memory())
'''


def write_film(path: Path, frames: int) -> None:
    import av
    from PIL import Image

    from colorization.data.photos import sample_photos

    china = Image.open(next(p for p in sample_photos() if p.stem == "china")).convert("L").resize((1280, 960))
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for i in range(frames):
            frame = china.crop((i, i // 2, i + 640, i // 2 + 480)).convert("RGB")
            film.mux(stream.encode(av.VideoFrame.from_image(frame)))
        film.mux(stream.encode())


if __name__ == "__main__":
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for frames in (50, 400):
            source, target = Path(folder) / f"{frames}.mp4", Path(folder) / "out.mp4"
            write_film(source, frames)
            done = subprocess.run([sys.executable, "-c", CHILD, source, target], capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
            taken, memory = map(float, done.stdout.split())
            rows.append([str(frames), f"{frames / taken:.1f}", f"{memory:,.0f} MB"])
    print(f"{machine()}; 640 x 480\n")
    table(["frames", "frames/s", "peak memory"], rows)
