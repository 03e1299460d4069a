"""Larger batches, with the same and with a higher learning rate: what they do to speed and to validation numbers.

Run as `COLORIZATION_PHOTOS=FOLDER python benchmarks/batch_size.py`. The ResNet U-Net from random weights, L1, AdamW with
a cosine, whose highest learning rate grows with the square root of the batch, a rule of thumb for Adam (Malladi et al. 2022);
for the largest batch also with the learning rate of the smallest. On a CPU four epochs at 64 px, on a GPU ten at 256.
"""
import contextlib
import io

import torch
from common import machine, table

SIZES = {16: (1e-3,), 64: (2e-3,), 256: (1e-3, 4e-3)}

if __name__ == "__main__":
    from colorization.device import pick_device
    from colorization.data.photos import train_val_photos
    from colorization.data.cache import make_dataloaders
    from colorization.models.resnet_unet import build_res_unet
    from colorization.trainer import adamw, pretrain_generator

    device = pick_device()
    size, epochs = (256, 10) if device.type == "cuda" else (64, 4)
    with contextlib.redirect_stdout(io.StringIO()):
        train_paths, val_paths = train_val_photos()
        val_dl, rows = make_dataloaders(25, paths=val_paths, split="val", size=size), []
        for batch_size, rates in SIZES.items():
            dl = make_dataloaders(batch_size, paths=train_paths, split="train", size=size)
            for lr in rates:
                torch.manual_seed(0)
                net_G = build_res_unet(weights=None)
                history = pretrain_generator(net_G, dl, adamw(net_G, lr, encoder_factor=1), torch.nn.L1Loss(), epochs, val_dl, ema_decay=0)
                rate, last = epochs * len(dl.dataset) / sum(row["seconds"] for row in history), history[-1]
                rows.append([f"{batch_size}", f"{lr:g}", f"{rate:,.0f}", f"{last['L1']:.4f}", f"{last['psnr']:.2f}", f"{last['colorfulness']:.1f}"])
    print(f"{machine()}; {epochs} epochs of {len(dl.dataset):,} photos at {size} px; {len(val_dl.dataset):,} validation photos\n")
    table(["batch", "highest learning rate", "photos/s", "L1", "PSNR", "colourfulness"], rows)
