"""A 12-megapixel JPEG, from file to file: time and peak memory, against colorizing the whole photo at once.

Run as `python benchmarks/large_photo.py`. The photo is one of scikit-image's, enlarged.
"""
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import machine, make_photos, table

CHILD = '''
import sys, time, resource
import torch
from PIL import Image
from torch.nn import functional as F
from colorization.all import *
from colorization.colorize import _to_tensor, small_lightness

def ours(colorizer, path): return colorizer.colorize(path)

@torch.no_grad()
def plain(colorizer, path):
    "All of the photo as floating-point Lab at once; colours enlarged bilinearly."
    image = Image.open(path).convert('RGB')
    ab = colorizer.predict_ab(small_lightness(image, colorizer.size))
    L = rgb_to_lab(_to_tensor(image))[0]
    rgb = rgb_to_uint8(lab_to_rgb(L, F.interpolate(ab, L.shape[-2:], mode='bilinear')))
    return Image.fromarray(rgb[0].permute(1, 2, 0).numpy())

way, path, out = globals()[sys.argv[1]], sys.argv[2], sys.argv[3]
colorizer, times = Colorizer.from_pretrained(device='cpu'), []
for _ in range(4):
    began = time.perf_counter()
    way(colorizer, path).save(out, quality=95)
    times.append(time.perf_counter() - began)
print(*times[1:], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
'''


def measure(way: str, photo: Path, out: Path) -> tuple[float, float]:
    "Median seconds of three runs after one to warm up, and the process's peak memory in MB."
    done = subprocess.run([sys.executable, "-c", CHILD, way, photo, out], capture_output=True, text=True, check=True)
    *times, memory = map(float, done.stdout.split())
    return statistics.median(times), memory


if __name__ == "__main__":
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, mode in (("grey", "L"), ("colour", "RGB")):
            photo, = make_photos(Path(folder) / kind, 1, 4000, 3000, mode)
            (plain, plain_memory), (ours, memory) = (measure(way, photo, Path(folder) / "out.jpg") for way in ("plain", "ours"))
            rows.append([kind, f"{plain:.2f} s", f"{ours:.2f} s", f"{plain / ours:.1f}", f"{plain_memory:,.0f} MB", f"{memory:,.0f} MB"])
    print(f"{machine()}; load to save, decoding and encoding included\n")
    table(["12-megapixel JPEG", "all of it at once", "ours, in strips", "ratio", "peak memory, at once", "ours"], rows)
