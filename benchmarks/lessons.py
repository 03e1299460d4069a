"""The training steps of lessons 7, 9 and 11 on this CPU, and as on one without its 16-bit units, and without AVX-512.

Run as `python benchmarks/lessons.py`. Each way runs in a process of its own; PyTorch and oneDNN are told by
`ATEN_CPU_CAPABILITY` and `ONEDNN_MAX_CPU_ISA` which instructions to use. The photos are random numbers.
"""
import json
import sys

from common import in_own_process, machine, seconds, table

LESSONS = {
    "7, baseline, 256 px": ("baseline", 16, 256),
    "9, L1, 128 px": ("l1", 32, 128),
    "9, GAN, 128 px": ("gan", 16, 128),
    "11, default recipe, 192 px": ("recipe", 16, 192),
}
WAYS = {"as it is": {}, "float32": {}, "float32, AVX2": dict(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2")}


def model_of(name: str, dtype):
    "The model of a lesson, as a CPU trains it."
    import torch

    from colorization.losses import l1
    from colorization.models.discriminators import PatchDiscriminator
    from colorization.models.lite_unet import ColorCrossEntropy, build_lite_unet
    from colorization.models.resnet_unet import build_res_unet
    from colorization.models.unet import Unet
    from colorization.trainer import MainModel, adamw

    options = dict(device="cpu", dtype=dtype)
    if name == "baseline":
        return MainModel(Unet(num_filters=16), net_D=PatchDiscriminator(3, num_filters=16), **options)
    if name == "gan":
        return MainModel(build_res_unet(weights=None, device="cpu"), ema_decay=0.999, **options)
    net_G = build_lite_unet(device="cpu") if name == "recipe" else build_res_unet(weights=None, device="cpu")
    loss = ColorCrossEntropy(net_G.grid) if name == "recipe" else l1
    return MainModel(net_G, net_D=None, losses=dict(loss=(1.0, loss)), opt_G=adamw(net_G), ema_decay=0.999, **options)


def one_way(name: str, batch: int, size: int, way: str) -> float:
    "Milliseconds of a training step for one photo."
    import torch

    model = model_of(name, "auto" if way == "as it is" else None)
    data = {"L": torch.rand(batch, 1, size, size) * 2 - 1, "ab": torch.rand(batch, 2, size, size) / 2}

    def step():
        model.setup_input(data)
        model.optimize()

    return seconds(step, 5, 2) / batch * 1e3


if __name__ == "__main__":
    if len(sys.argv) > 1:
        name, batch, size, way = sys.argv[1:]
        print(json.dumps(one_way(name, int(batch), int(size), way)))
        sys.exit()
    print(f"{machine()}; milliseconds of a training step for one photo\n")
    rows = []
    for lesson, step in LESSONS.items():
        first, *others = (in_own_process(__file__, *step, way, **variables) for way, variables in WAYS.items())
        rows.append([lesson, f"{first:.0f}", *(f"{ms:.0f} ({ms / first:.1f} times)" for ms in others)])
    table(["lesson", *WAYS], rows)
