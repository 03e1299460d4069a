"""The tutorial's recipe (20 + 20 epochs, 8,000 photos, 256 px): how long it would take, and how much of that is loading.

Run as `python benchmarks/recipe.py`; with `--trial` on a few photos, to see that it runs. Both parts of the strategy train the ResNet U-Net on some photos from the loader,
whose cache stands, and then on a single batch that lies there already, again and again. What the first takes longer is
loading, for which a GPU would have to wait. (The bundled weights come from shorter recipes: notebooks 9 and later.)
"""
import contextlib
import io
import statistics
import sys
import tempfile
from pathlib import Path

import torch
from common import machine, make_photos, table

EPOCHS, PHOTOS, MEASURED = 20, 8000, 5


def alone(batches) -> list[dict]:
    "The history of a pretraining with L1."
    from colorization.models.resnet_unet import build_res_unet
    from colorization.trainer import adamw, pretrain_generator

    net_G = build_res_unet(weights=None)
    return pretrain_generator(net_G, [batches] * (1 + MEASURED), adamw(net_G), torch.nn.L1Loss(), 1 + MEASURED, ema_decay=0)


def game(batches) -> list[dict]:
    "The history of a training with L1 + GAN."
    from colorization.models.resnet_unet import build_res_unet
    from colorization.trainer import MainModel, train_model

    return train_model(MainModel(build_res_unet(weights=None)), batches, 1 + MEASURED, 0)


def epoch_seconds(train, batches) -> float:
    "The median time of an epoch, after one to warm up."
    with contextlib.redirect_stdout(io.StringIO()):
        return statistics.median(row["seconds"] for row in train(batches)[1:])


if __name__ == "__main__":
    from colorization.device import pick_device
    from colorization.data.cache import make_dataloaders

    batch_size, count = (64, 2048) if pick_device().type == "cuda" else (16, 128)
    if "--trial" in sys.argv[1:]:
        batch_size, count, MEASURED = 2, 4, 1
    rows, total = [], 0
    with tempfile.TemporaryDirectory() as folder:
        paths = make_photos(Path(folder) / "photos", count, 352, 264)
        dl = make_dataloaders(batch_size, paths=paths, split="train", cache_dir=Path(folder) / "cache")
        there = [next(iter(dl))] * len(dl)
        for name, train in (("L1", alone), ("L1 + GAN", game)):
            fed, still = (epoch_seconds(train, batches) / count for batches in (dl, there))
            total += fed * EPOCHS * PHOTOS
            rows.append([name, f"{1 / fed:,.1f}", f"{1 / still:,.1f}", f"{1 - still / fed:.1%}", f"{fed * EPOCHS * PHOTOS / 60:,.1f}"])
    print(f"{machine()}; batches of {batch_size} at 256 px\n")
    table(["", "photos/s", "with a batch that is there", "loading", f"minutes for {EPOCHS} epochs of {PHOTOS:,}"], rows)
    print(f"\ntogether {total / 60:,.1f} minutes")
