"""A 12-megapixel JPEG, from file to file: time and peak memory of three ways.

Run as `python benchmarks/large_photo.py`. The photo is one of scikit-image's, enlarged. "Whole": the network sees all of
its pixels, in contiguous memory, with maps doubled and joined. "At once": the network sees a network input, its colours
are enlarged bilinearly, and all of the photo becomes floating-point Lab at once. Both in float32. "Ours": a network input
too, in the number type that is fast, guided upsampling, in strips.
"""
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import machine, make_photos, table

CHILD = '''
import sys, time
import torch
from PIL import Image
from torch.nn import functional as F
from colorization import colorize
from colorization.all import *
from colorization.colorize import _to_tensor, small_lightness
from common import peak_memory, plain_blocks

def ours(colorizer, path): return colorizer.colorize(path)

@torch.no_grad()
def whole(colorizer, path):
    L = rgb_to_lab(_to_tensor(Image.open(path).convert('RGB')))[0]
    return Image.fromarray(rgb_to_uint8(lab_to_rgb(L, colorizer.predict_ab(L)))[0].permute(1, 2, 0).numpy())

@torch.no_grad()
def at_once(colorizer, path):
    image = Image.open(path).convert('RGB')
    ab = colorizer.predict_ab(small_lightness(image, colorizer.size))
    L = rgb_to_lab(_to_tensor(image))[0]
    rgb = rgb_to_uint8(lab_to_rgb(L, F.interpolate(ab, L.shape[-2:], mode='bilinear')))
    return Image.fromarray(rgb[0].permute(1, 2, 0).numpy())

way, path, out = globals()[sys.argv[1]], sys.argv[2], sys.argv[3]
if way is whole: plain_blocks()
if way is not ours: colorize.fast_dtype = lambda device: None # float32
colorizer, times = Colorizer.from_pretrained('resnet_unet' if way is whole else DEFAULT_WEIGHTS, device='cpu'), [] # whole: one look
if way is whole: colorizer.net_G.to(memory_format=torch.contiguous_format)
for _ in range(1 if way is whole else 4):
    began = time.perf_counter()
    way(colorizer, path).save(out, quality=95)
    times.append(time.perf_counter() - began)
print(*times[-3:], peak_memory())
'''


def measure(way: str, photo: Path, out: Path) -> tuple[float, float]:
    "Median seconds of three runs after one to warm up (of one run for `whole`), and the process's peak memory in MB."
    done = subprocess.run([sys.executable, "-c", CHILD, way, photo.absolute(), out.absolute()], capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    *times, memory = map(float, done.stdout.split())
    return statistics.median(times), memory


if __name__ == "__main__":
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, mode in (("grey", "L"), ("colour", "RGB")):
            photo, = make_photos(Path(folder) / kind, 1, 4000, 3000, mode)
            (whole, whole_memory), (at_once, at_once_memory), (ours, memory) = (measure(way, photo, Path(folder) / "out.jpg") for way in ("whole", "at_once", "ours"))
            rows += [[f"{kind}, {way}", f"{time:.2f} s", f"{whole / time:.1f}", f"{used:,.0f} MB"] for way, time, used in
                     (("whole", whole, whole_memory), ("at once", at_once, at_once_memory), ("ours", ours, memory))]
    print(f"{machine()}; load to save, decoding and encoding included\n")
    table(["12-megapixel JPEG", "time", "ratio", "peak memory"], rows)
