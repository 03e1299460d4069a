"""One training step, the tutorial's way and ours: milliseconds a photo.

Run as `python benchmarks/training_step.py`. The tutorial's way: float32, contiguous memory, fastai's DynamicUnet on a
ResNet18 (for the baseline, the U-Net as its paper has it), plain Adam, one `.item()` for each loss and step. Ours:
`ResUnet` and `Unet`, bf16 or fp16 where that is fast, channels_last, a fused optimizer, losses read rarely, freed
memory kept. Each way runs in a process of its own, in turn. The arithmetic is counted by PyTorch; what is attainable
is the rate of a large matrix product, in float32 and in the number type that is fast.
"""
import json
import sys

from common import in_own_process, machine, peak_memory, plain_blocks, seconds, table

BATCH = 16


def plain_l1(size):
    import torch
    from fastai.vision.learner import create_body
    from fastai.vision.models.unet import DynamicUnet
    from torchvision.models import resnet18

    from colorization.device import pick_device

    net_G = DynamicUnet(create_body(resnet18(), n_in=1, pretrained=True, cut=-2), 2, (size, size)).to(pick_device())
    opt, device = torch.optim.Adam(net_G.parameters(), lr=1e-4), pick_device()
    L, ab = torch.rand(BATCH, 1, size, size), torch.rand(BATCH, 2, size, size)

    def step():
        loss = torch.nn.functional.l1_loss(net_G(L.to(device)), ab.to(device))
        opt.zero_grad()
        loss.backward()
        opt.step()
        loss.item()

    return step


def ours_l1(size):
    import torch

    from colorization.models.resnet_unet import ResUnet
    from colorization.losses import l1
    from colorization.trainer import MainModel

    net_G = ResUnet()
    opt = torch.optim.AdamW(net_G.parameters(), lr=1e-3, fused=True)
    model = MainModel(net_G, net_D=None, losses=dict(L1=(1.0, l1)), opt_G=opt)
    batch = {"L": torch.rand(BATCH, 1, size, size), "ab": torch.rand(BATCH, 2, size, size)}

    def step():
        model.setup_input(batch)
        model.optimize()

    return step


def plain_gan(size):
    import torch

    from colorization import trainer

    plain_blocks()
    trainer.keep_freed_memory = lambda device: None
    model = trainer.MainModel(dtype=None)
    model.net_G, model.net_D = (net.to(memory_format=torch.contiguous_format) for net in (model.net_G, model.net_D))
    model.memory_format = torch.contiguous_format
    model.opt_G, model.opt_D = (torch.optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999)) for net in (model.net_G, model.net_D))
    batch = {"L": torch.rand(BATCH, 1, size, size), "ab": torch.rand(BATCH, 2, size, size)}

    def step():
        model.setup_input(batch)
        model.optimize()
        for name in ("loss_D_fake", "loss_D_real", "loss_D", "loss_G_GAN", "loss_G_L1", "loss_G"):
            getattr(model, name).item()

    return step


def ours_gan(size):
    import torch

    from colorization.trainer import MainModel

    model = MainModel()
    batch = {"L": torch.rand(BATCH, 1, size, size), "ab": torch.rand(BATCH, 2, size, size)}

    def step():
        model.setup_input(batch)
        model.optimize()

    return step


def attainable() -> dict[str, float]:
    "TFLOP/s of the product of two large matrices, by number type."
    import torch

    from colorization.device import fast_dtype, pick_device

    device, rates = pick_device(), {}
    side = 8192 if device.type == "cuda" else 4096
    for dtype in {torch.float32, fast_dtype(device) or torch.float32}:
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        rates[str(dtype).removeprefix("torch.")] = 2 * side**3 / seconds(lambda: a @ b, 10, 2) / 1e12
    return rates


def one_way(way: str, size: int) -> dict[str, float]:
    "Milliseconds a photo, GFLOP a photo, and peak memory in MB."
    from torch.utils.flop_counter import FlopCounterMode

    step = globals()[way](size)
    with FlopCounterMode(display=False) as counter:
        step()
    return dict(ms=seconds(step, 5, 2) / BATCH * 1e3, gflop=counter.get_total_flops() / BATCH / 1e9, memory=peak_memory())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one_way(sys.argv[1], int(sys.argv[2]))))
        sys.exit()
    rows, rates = [], attainable()
    for name, what, sizes in (("ResNet U-Net, L1", "l1", (64, 128, 256)), ("baseline, GAN + L1", "gan", (256,))):
        for size in sizes:
            plain, ours = (in_own_process(__file__, f"{way}_{what}", size) for way in ("plain", "ours"))
            rows.append([f"{name}, {size} px", f"{plain['ms']:.1f}", f"{ours['ms']:.1f}", f"{plain['ms'] / ours['ms']:.1f}",
                         *(f"{way['gflop']:.0f} GFLOP, {way['gflop'] / way['ms']:.2f} TFLOP/s" for way in (plain, ours)),
                         f"{plain['memory']:,.0f} MB", f"{ours['memory']:,.0f} MB"])
    print(f"{machine()}; batch {BATCH}, milliseconds a photo of forward, backward and optimizer")
    print(f"attainable: {', '.join(f'{rate:.2f} TFLOP/s in {name}' for name, rate in rates.items())}\n")
    table(["step", "plain", "ours", "ratio", "arithmetic and rate, plain", "ours", "peak memory, plain", "ours"], rows)
