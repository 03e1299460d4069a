"""The tutorial's recipe (20 + 20 epochs, 8,000 photos, 256 px): how long it would take, and how much of that is loading.

Run as `python benchmarks/recipe.py`. Both parts of the strategy train the ResNet U-Net on some photos from the loader,
whose cache stands, and then on a single batch that lies there already, again and again. What the first takes longer is
loading, for which a GPU would have to wait. (The bundled weights come from shorter recipes: notebooks 9 and later.)
"""
import tempfile
from pathlib import Path

import torch
from common import machine, make_photos, seconds, table

EPOCHS, PHOTOS = 20, 8000


def alone(device: torch.device):
    "A function that trains a generator on batches, with L1."
    from types import SimpleNamespace

    from colorization.pretraining import _pretrain_epoch, _warm_up_and_cosine, adamw
    from colorization.resnet_unet import ResUnet
    from colorization.training import _keep_freed_memory, fast_dtype, fast_memory_format

    _keep_freed_memory(device)
    net_G, dtype = ResUnet().to(device, memory_format=fast_memory_format(device)), fast_dtype(device)
    opt = adamw(net_G)
    parts = dict(net_G=net_G, opt=opt, schedule=_warm_up_and_cosine(opt, 10000), scaler=torch.amp.GradScaler(device.type, enabled=dtype == torch.float16))
    return lambda batches: _pretrain_epoch(batches, torch.nn.L1Loss(), dtype, 1, None, SimpleNamespace(update=lambda: None), None, **parts)


def game(device: torch.device):
    "A function that trains a generator and a judge on batches, with L1 + GAN."
    from colorization.resnet_unet import ResUnet
    from colorization.training import MainModel

    model = MainModel(ResUnet(), device=device)

    def train(batches):
        for batch in batches:
            model.setup_input(batch)
            model.optimize()

    return train


if __name__ == "__main__":
    from colorization.data import make_dataloaders, pick_device

    device = pick_device()
    batch_size, count = (64, 2048) if device.type == "cuda" else (16, 128)
    rows, total = [], 0
    with tempfile.TemporaryDirectory() as folder:
        paths = make_photos(Path(folder) / "photos", count, 352, 264)
        dl = make_dataloaders(batch_size, paths=paths, split="train", cache_dir=Path(folder) / "cache", device=device)
        there = [next(iter(dl))] * len(dl)
        for name, train in (("L1", alone(device)), ("L1 + GAN", game(device))):
            fed, still = (seconds(lambda: train(batches), 5) / count for batches in (dl, there))
            total += fed * EPOCHS * PHOTOS
            rows.append([name, f"{1 / fed:,.1f}", f"{1 / still:,.1f}", f"{1 - still / fed:.1%}", f"{fed * EPOCHS * PHOTOS / 60:,.1f}"])
    print(f"{machine()}; batches of {batch_size} at 256 px\n")
    table(["", "photos/s", "with a batch that is there", "loading", f"minutes for {EPOCHS} epochs of {PHOTOS:,}"], rows)
    print(f"\ntogether {total / 60:,.1f} minutes")
