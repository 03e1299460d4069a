"""Training and colorizing on a GPU: photos a second, the share of the attainable rate, and a 12-megapixel photo.

Run as `python benchmarks/gpu.py`; with `--trial` in small sizes on any machine, to see that it runs. A step is a batch
that lies on the device, forwards, backwards, optimizer and average; the first steps don't count. The arithmetic is
counted by PyTorch, which counts depthwise convolutions wrongly: so `LiteUnet` has no share. Attainable is the rate of a
large matrix product in the same number type.
"""
import statistics
import sys
import tempfile
import time
from pathlib import Path

from common import machine, make_photos, seconds, synchronize, table


def l1_model(device):
    from colorization.models.resnet_unet import build_res_unet
    from colorization.losses import l1
    from colorization.trainer import MainModel, adamw

    net_G = build_res_unet(weights=None, device=device)
    losses = dict(L1=(1.0, l1))
    return MainModel(net_G, net_D=None, losses=losses, opt_G=adamw(net_G), ema_decay=0.999, device=device)


def gan_model(device):
    from colorization.models.resnet_unet import build_res_unet
    from colorization.trainer import MainModel

    return MainModel(build_res_unet(weights=None, device=device), ema_decay=0.999, device=device)


def entropy_model(device):
    from colorization.models.lite_unet import ColorCrossEntropy, build_lite_unet
    from colorization.trainer import MainModel, adamw

    net_G = build_lite_unet(pretrained=False, device=device)
    losses = dict(entropy=(1.0, ColorCrossEntropy(net_G.grid)))
    return MainModel(net_G, net_D=None, losses=losses, opt_G=adamw(net_G), ema_decay=0.999, device=device)


MODELS = {"ResNet U-Net, L1": l1_model, "ResNet U-Net, L1 + GAN": gan_model, "LiteUnet, cross-entropy": entropy_model}


def matrix_rate(device, dtype, side: int) -> float:
    "TFLOP/s of the product of two square matrices."
    import torch

    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: a @ b, 20, 5) / 1e12


def step_row(name: str, size: int, batch_size: int, device, attainable: float, runs: int = 20) -> list[str]:
    "What a training step achieves."
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model = MODELS[name](device)
    batch = {"L": torch.rand(batch_size, 1, size, size, device=device), "ab": torch.rand(batch_size, 2, size, size, device=device)}

    def step():
        model.setup_input(batch)
        model.optimize()

    with FlopCounterMode(display=False) as counter:
        step()
    taken = seconds(step, runs, 5)
    rate = counter.get_total_flops() / taken / 1e12
    memory = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0
    share = ["—", "—"] if name.startswith("LiteUnet") else [f"{rate:.1f}", f"{rate / attainable:.0%}"]
    return [f"{name}, {size} px", str(batch_size), f"{batch_size / taken:,.0f}", *share, f"{memory:.1f} GB"]


def photo_row(device, photo: Path, out: Path) -> list[str]:
    "A photo from file to file, and what of that the network takes."
    from colorization.colorize import Colorizer, small_lightness
    from colorization.images import open_photo

    colorizer, times = Colorizer.from_pretrained(device=device), []
    for _ in range(4):
        began = time.perf_counter()
        colorizer.colorize(photo).save(out, quality=95)
        times.append(time.perf_counter() - began)
    small = small_lightness(open_photo(photo)[0], colorizer.size)
    network = seconds(lambda: colorizer.predict_ab(small), 5)
    return [str(device), f"{statistics.median(times[1:]):.2f} s", f"{network * 1e3:.1f} ms"]


def main(trial: bool) -> None:
    import torch

    from colorization.device import fast_dtype, pick_device

    device = pick_device()
    dtype = fast_dtype(device) or torch.float32
    steps = [(32, 2)] if trial else [(128, 128), (256, 64)]
    attainable = matrix_rate(device, dtype, 256 if trial else 8192)
    rows = []
    for name in MODELS:
        for size, batch_size in steps:
            rows.append(step_row(name, size, batch_size, device, attainable, 1 if trial else 20))
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
    print(f"{machine()}; attainable: {attainable:.1f} TFLOP/s in {str(dtype).removeprefix('torch.')}\n")
    table(["step", "batch", "photos/s", "TFLOP/s", "share", "memory"], rows)
    width, height = (400, 300) if trial else (4000, 3000)
    with tempfile.TemporaryDirectory() as folder:
        photo, = make_photos(Path(folder) / "photos", 1, width, height, "L")
        rows = [photo_row(where, photo, Path(folder) / "out.jpg") for where in dict.fromkeys([device, torch.device("cpu")])]
    synchronize()
    print(f"\nA photo of {width} x {height}, load to save:\n")
    table(["device", "file to file", "the network"], rows)


if __name__ == "__main__":
    main("--trial" in sys.argv[1:])
