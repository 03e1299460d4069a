"""Loading photos for training: photos a second and core, the tutorial's way and ours.

Run as `python benchmarks/loader.py`. The tutorial's way: a dataset that for each photo, each epoch, decodes, resizes to
a square with PIL, flips, and converts with scikit-image, in loader workers. Ours: decoded once, then batches of bytes
from the memory-mapped cache that become Lab where the network is; for ours freed memory is kept, as `MainModel` and
`pretrain_generator` ask for.
"""
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import machine, make_photos, peak_memory, seconds, table
from PIL import Image
from torch.utils.data import DataLoader, Dataset

PHOTOS, SIZE, BATCH = 512, 256, 16


class PlainDataset(Dataset):
    "As the tutorial describes it."

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        from skimage.color import rgb2lab

        image = Image.open(self.paths[i]).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        lab = torch.from_numpy(rgb2lab(np.array(image)).astype("float32")).permute(2, 0, 1)
        return {"L": lab[:1] / 50 - 1, "ab": lab[1:] / 110}


def epoch(dl) -> None:
    for _ in dl:
        pass


if __name__ == "__main__":
    from colorization.data.cache import make_dataloaders
    from colorization.device import default_workers, keep_freed_memory

    cores = default_workers()
    torch.set_num_threads(cores)
    with tempfile.TemporaryDirectory() as folder:
        paths = make_photos(Path(folder) / "photos", PHOTOS, 352, 264)
        plain = DataLoader(PlainDataset(paths), BATCH, shuffle=True, num_workers=cores)
        plain_time = seconds(lambda: epoch(plain), 3)
        keep_freed_memory(torch.device("cpu"))
        began = time.perf_counter()
        ours = make_dataloaders(BATCH, paths=paths, split="train", cache_dir=Path(folder) / "cache", device="cpu")
        epoch(ours)
        first = time.perf_counter() - began
        later = seconds(lambda: epoch(ours), 5)
        bytes_only = seconds(lambda: epoch(DataLoader.__iter__(ours)), 5)
    print(f"{machine()}; {PHOTOS} JPEGs of 352 x 264 to batches of {BATCH} at {SIZE} px\n")
    rate = PHOTOS / cores
    table(["", "photos/s and core", "ratio"], [
        ["plain, every epoch", f"{rate / plain_time:.0f}", "1"],
        ["ours, first epoch (with decoding)", f"{rate / first:.0f}", f"{plain_time / first:.1f}"],
        ["ours, once the cache stands", f"{rate / later:.0f}", f"{plain_time / later:.1f}"],
        ["its part before a GPU would make Lab and mirror", f"{rate / bytes_only:.0f}", f"{plain_time / bytes_only:.1f}"]])
    print(f"\npeak memory {peak_memory():,.0f} MB")
