"""What all benchmarks share: the machine's name, photos to work on, medians, and tables."""
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def machine() -> str:
    "Processor, cores for this process, the type of number in which it is fastest, and the accelerator, in a line."
    import torch

    from colorization.device import fast_dtype

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")), cpu)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    fastest = "float32" if fast_dtype(torch.device("cpu")) is None else "bfloat16"
    return f"{cpu}, {cores} cores, fastest in {fastest}{gpu}; PyTorch {torch.__version__}"


def synchronize() -> None:
    "Wait until the GPU has done what it was asked, where there is one."
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(run: Callable[[], object], runs: int, warm_up: int = 1) -> float:
    "The median time of `run()`."
    times = []
    for _ in range(warm_up + runs):
        synchronize()
        began = time.perf_counter()
        run()
        synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[warm_up:])


def in_own_process(script: str, *arguments: object, **environment: str) -> object:
    "What `script`, run with these arguments and environment variables, prints as JSON in its last line."
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)], capture_output=True, text=True, env=os.environ | environment)
    if done.returncode:
        raise RuntimeError(f"{script} {arguments} failed: {done.stderr[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory(pid: int | str = "self") -> float:
    "The most memory a running process ever had, in MB (Linux; `ru_maxrss` would count what its parent had)."
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3 if "VmHWM:" in status else 0


def plain_blocks() -> None:
    "From here on in this process, both U-Nets compute as their papers have it: the ResNet's doubles and joins maps, the baseline's joins without a ReLU before."
    import torch
    from torch.nn import functional as F

    from colorization.models.unet import UnetBlock
    from colorization.models.resnet_unet import UpBlock

    UpBlock.forward = lambda self, x, skip: self.convs(torch.cat([F.interpolate(x, scale_factor=2), skip], 1))
    UnetBlock.forward = lambda self, x: self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


def make_photos(folder: Path, count: int, width: int, height: int, mode: str = "RGB") -> list[Path]:
    "`count` JPEGs in `folder`, crops of the photos inside the dependencies."
    from PIL import Image

    from colorization.data.photos import sample_photos

    folder.mkdir(parents=True, exist_ok=True)
    sources, paths = [Image.open(p).convert(mode).resize((2 * width, 2 * height)) for p in sample_photos()], []
    for i in range(count):
        left, top = 5 * (i // len(sources)) % width, 3 * (i // len(sources)) % height
        paths.append(folder / f"{i:04}.jpg")
        sources[i % len(sources)].crop((left, top, left + width, top + height)).save(paths[-1], quality=90)
    return paths


def table(head: list[str], rows: list[list[str]]) -> None:
    "Print a Markdown table."
    for row in [head, ["---"] * len(head), *rows]:
        print("| " + " | ".join(row) + " |")
