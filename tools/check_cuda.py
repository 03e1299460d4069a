"""Run the library's code for GPUs on a machine without one: `python tools/check_cuda.py`.

All tensors are fake (see `fake_cuda.py`): a mix of devices raises, and waiting of the CPU for the GPU is counted. What
this can't show: numbers, speed, memory, safetensors files, page-locked memory, worker processes, and several GPUs.
At the end mistakes are planted, and each of them must be found.
"""
import ast
import contextlib
import copy
import importlib
import io
import os
import sys
import tempfile
import traceback
from collections import Counter
from functools import partial
from pathlib import Path
from unittest import mock

os.environ["TQDM_DISABLE"] = "1"

import matplotlib
import nbformat
import torch
from torch import nn
from torch.nn import functional as F

from fake_cuda import fake_cuda

matplotlib.use("Agg")
root = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(root), str(root / "benchmarks")]

from colorization import colorize, lab, losses, metrics, progress, trainer, weights  # noqa: E402
from colorization.data import cache, degrade, photos  # noqa: E402
from colorization.models import discriminators, lite_unet, multi_scale, registry, resnet_unet, unet  # noqa: E402

GPU = "cuda:0"
CARDS = {"float16 (7.5)": (7, 5), "bfloat16 (8.0)": (8, 0)}
checks: dict = {}


def check(function):
    checks[function.__name__] = function
    return function


@contextlib.contextmanager
def no_waits(log, what: str):
    "Raise if the CPU waits for the GPU within this context."
    before = len(log.waits)
    yield
    if waits := log.waits[before:]:
        raise AssertionError(f"{what} waits for the GPU:\n  " + "\n  ".join(dict.fromkeys(waits)))


def definitions(notebook: str, *wanted: str) -> dict:
    "What a notebook imports, and the functions and classes that it defines: all, or those wanted."
    names: dict = {"__name__": notebook}
    cells = [c.source for c in nbformat.read(root / f"nbs/{notebook}.ipynb", as_version=4).cells if c.cell_type == "code"]
    for source in cells:
        if source.startswith("#| default_exp"):
            module = importlib.import_module(f"colorization.{source.split()[-1]}")
            names |= {name: value for name, value in vars(module).items() if not name.startswith("__")}
    for source in cells:
        for node in ast.parse("" if "%pip" in source else source).body:
            defines = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and (not wanted or node.name in wanted)
            if defines or isinstance(node, (ast.Import, ast.ImportFrom)):
                exec(compile(ast.Module([node], []), notebook, "exec"), names)
    return names


class Outside:
    "What has to be built before tensors are fake: networks with weights from files, and decoded photos."

    def __init__(self, folder: Path):
        self.folder = folder
        self.paths = photos.sample_photos()
        for size in 64, 256:
            cache.PhotoCache(self.paths, size)
        self.classifier = metrics.ImageNetClassifier()
        here = sorted((Path(weights.__file__).parent / "weights").glob("*.safetensors"))
        networks = {file.stem: registry.load_generator(file, "cpu") for file in here}
        self.branch = networks.pop("lite_unet_hints")
        self.generators = networks
        self.definitions = {}
        for name in "B7_projected", "B2_discriminators", "B3_attention", "B4_classification", "B5_residual", "B6_small":
            self.definitions |= definitions(name)
        self.definitions["ab_bins"]()  # keeps them
        self.built = {name: self.definitions[name]() for name in (
            "ProjectedDiscriminator", "MultiscaleDiscriminator", "PerceptualLoss", "SpreadLoss", "ClassifyingUnet",
            "RebalancedCrossEntropy", "AttentionResUnet", "CoarseToFine", "ResidualColorizer")}

    def new(self, name: str, *args):
        "An object of a class that a notebook defines; without arguments a copy of the one that was built outside."
        return self.definitions[name](*args) if args else copy.deepcopy(self.built[name])

    def loader(self, split="train", size=64, batch_size=3, **kwargs):
        "A loader as on a GPU, but for page-locked memory, which fake tensors have not."
        loader = cache.make_dataloaders(
            batch_size, paths=self.paths, split=split, size=size, device=GPU, **kwargs)
        assert loader.pin_memory, "batches for a GPU come from page-locked memory"
        loader.pin_memory = False
        return loader


class FrechetDistance:
    "In place of torchmetrics' class, which keeps no fake tensors; it is on the CPU, as long as nobody moves it."

    def __init__(self, features):
        self.compute = lambda: torch.zeros(())

    def update(self, features, real):
        assert features.device.type == "cpu", "features are on the GPU, their statistics are not"


def pair(criterion):
    "A loss of (prediction, target) as one of (prediction, target, L)."
    return lambda prediction, target, L: criterion(prediction, target)


def batch(size=64, count=3) -> dict:
    return dict(L=torch.rand(count, 1, size, size, device=GPU), ab=torch.rand(count, 2, size, size, device=GPU))


def small_unet() -> nn.Module:
    return unet.Unet(n_down=5, num_filters=8)


def one_step(log, model, data=None, what="a training step") -> None:
    "Two steps of a `MainModel`, the second of which must not wait. The first makes the optimizers' state."
    meters = progress.create_loss_meters(model.losses, bool(model.net_D))
    data = data or batch()
    for i in range(2):
        with no_waits(log, what) if i else contextlib.nullcontext():
            model.setup_input(data)
            model.optimize()
            progress.update_losses(model, meters, len(data["L"]))
    assert all(p.grad is None for p in model.net_G.parameters()), "gradients are left over"
    assert all(p.device.type == "cuda" for p in model.parameters()), "weights are left on the CPU"


@check
def steps(log, outside):
    "The training step of each generator, with and without a discriminator."
    builders = dict(
        Unet=small_unet, ResUnet=lambda: resnet_unet.build_res_unet(weights=None, device=GPU))
    for name, build in builders.items():
        for net_D in "patch", None:
            for ema_decay in 0.0, 0.99:
                model = trainer.MainModel(build(), net_D=net_D, device=GPU, ema_decay=ema_decay)
                one_step(log, model, what=f"a step of {name}, discriminator {net_D}, average {ema_decay}")
    model = trainer.MainModel(device=GPU, gan_mode="lsgan", dtype=None)
    one_step(log, model, batch(256), "a step of the default networks in float32")
    with no_waits(log, "a step of the discriminator"):
        model.setup_input(batch(256))
        model.warm_up_D()


@check
def number_types(log, outside):
    "Networks run in 16 bits, losses in 32."
    model = trainer.MainModel(small_unet(), device=GPU)
    model.setup_input(batch())
    with model.autocast():
        found = model.net_G(model.input).dtype
    expected = torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float16
    assert found == model.dtype == expected, f"computes in {found}"
    assert model.scaler.is_enabled() == (expected == torch.float16), "float16, and only it, needs a scaler"
    model.optimize()
    assert model.loss_G.dtype == torch.float32


@check
def lite_unet_step(log, outside):
    "`LiteUnet` with its cross-entropy, stages fixed and not, and degraded inputs."
    for fixed in 0, 2, 7:
        net_G = lite_unet.build_lite_unet(pretrained=False, device=GPU)
        net_G.encoder.fix(fixed)
        entropy = dict(entropy=(1.0, lite_unet.ColorCrossEntropy(net_G.grid)))
        opt = trainer.adamw(net_G)
        model = trainer.MainModel(net_G, net_D=None, losses=entropy, opt_G=opt, ema_decay=0.999, device=GPU)
        data = degrade.degrade_some(batch(128))
        one_step(log, model, data, f"a step of LiteUnet, {fixed} stages fixed")


@check
def every_discriminator(log, outside):
    "A step against each discriminator, those of the notebooks too."
    nets = discriminators.PatchDiscriminator(3), outside.new("ProjectedDiscriminator"), \
        outside.new("MultiscaleDiscriminator"), outside.new("AttentionDiscriminator", 3), \
        outside.new("StridedDiscriminator", 3)
    for net_D in nets:
        name = type(net_D).__name__
        model = trainer.MainModel(small_unet(), net_D=net_D, device=GPU)
        one_step(log, model, batch(256), f"a step against {name}")


@check
def every_loss(log, outside):
    "A step with each loss, those of the notebooks too."
    scales = outside.new("MultiscaleDiscriminator")
    further = dict(
        l1=(losses.l1, None), matching=(outside.new("FeatureMatchingLoss", scales), scales),
        content=(outside.new("PerceptualLoss"), None), spread=(pair(outside.new("SpreadLoss")), None))
    for name, (loss, net_D) in further.items():
        model = trainer.MainModel(small_unet(), net_D=net_D, losses={name: (1.0, loss)}, device=GPU)
        one_step(log, model, batch(128), f"a step with {name}")
    net_G, entropy = outside.new("ClassifyingUnet"), outside.new("RebalancedCrossEntropy").to(GPU)
    model = trainer.MainModel(net_G, net_D=None, losses=dict(classes=(1.0, pair(entropy))), device=GPU)
    one_step(log, model, what="a step over 313 colours")


@check
def further_generators(log, outside):
    "A step of each generator that a notebook defines."
    for name in "AttentionResUnet", "CoarseToFine", "ResidualColorizer":
        one_step(log, trainer.MainModel(outside.new(name), device=GPU), what=f"a step of {name}")


@check
def loaders(log, outside):
    "Batches of Lab are made on the GPU without waiting, cut, mirrored, degraded."
    from torchvision.transforms import v2

    ways = dict(
        plain={}, cut=dict(crop=32), degraded=dict(transform=partial(degrade.degrade_some, share=0.25, varied=0.6)),
        resized=dict(augment=v2.RandomResizedCrop(32, scale=(0.25, 1), ratio=(0.78, 1.28))))
    for name, settings in ways.items():
        next(iter(outside.loader(**settings)))  # constants are made once
        with no_waits(log, f"a {name} batch"):
            for data in outside.loader(**settings):
                assert {x.device.type for x in data.values()} == {"cuda"}
    item = cache.ColorizationDataset(outside.paths, size=64)[0]
    assert item["L"].device.type == "cpu", "an item of a dataset is on the CPU"


@check
def degradation(log, outside):
    "On the GPU, with random numbers of the GPU, or of a generator on the CPU, the same on every machine."
    rgb = torch.zeros(3, 3, 64, 64, dtype=torch.uint8, device=GPU)
    degrade.degrade(rgb)
    degrade.degrade_some(batch())
    with no_waits(log, "degradation"):
        degrade.degrade(rgb)
        degrade.degrade_some(batch())
    degrade.degrade(rgb, torch.Generator().manual_seed(0))


@check
def whole_training(log, outside):
    "`train_model`: the loop, pictures, numbers, checkpoints, resuming; waiting does not grow with the steps."
    classifier = copy.deepcopy(outside.classifier).to(GPU)

    def waits(folder, rounds, epochs=2, **kwargs):
        model = trainer.MainModel(small_unet(), device=GPU, ema_decay=0.99)
        loader, val_dl = list(outside.loader()) * rounds, list(outside.loader("val"))
        before = len(log.waits)
        trainer.train_model(
            model, loader, epochs, val_dl=val_dl, checkpoint_dir=folder, warmup_epochs=1, decay_epochs=1,
            callbacks=(trainer.keep_generators,), classifier=classifier, **kwargs)
        return Counter(log.waits[before:])
    folder = Path(tempfile.mkdtemp(dir=outside.folder))
    waits(folder / "first", 1)  # constants are made once
    few, many = waits(folder / "few", 1, display_every=0), waits(folder / "many", 4, display_every=0)
    assert not many - few, f"{2 * 3 * 3} more steps wait more often:\n  " + "\n  ".join(map(str, (many - few).items()))
    waits(folder / "few", 1, 3, display_every=2)


@check
def pretraining(log, outside):
    "`pretrain_generator`, with a loader for each epoch."
    net_G = resnet_unet.build_res_unet(weights=None, device=GPU)
    train_dl = [outside.loader(), outside.loader(size=256)]
    trainer.pretrain_generator(net_G, train_dl, trainer.adamw(net_G), nn.L1Loss(), 2, outside.loader("val"))


@check
def evaluation(log, outside):
    "All numbers, of networks on the GPU and of batches on either device."
    classifier = copy.deepcopy(outside.classifier).to(GPU)
    val_dl = outside.loader("val")
    on_cpu = [{name: x.cpu() for name, x in data.items()} for data in val_dl]
    net_G = small_unet().to(GPU)
    for batches in val_dl, on_cpu:
        metrics.evaluate(net_G, batches, classifier)
    metrics.evaluate(metrics.ConstantColor(), val_dl)
    metrics.evaluate(metrics.mean_color(val_dl), val_dl)
    metrics.plot_error_curves(dict(one=metrics.error_curve(net_G, val_dl)))
    degrade.evaluate_degraded(net_G, val_dl)


@check
def fitting_colors(log, outside):
    "How much each of `LiteUnet`'s colours counts, as the recipe fits it; and how frequent they are."
    val_dl, grid = outside.loader("val"), lite_unet.color_grid()
    frequency = lite_unet.color_frequency(val_dl, grid)
    net_G = lite_unet.build_lite_unet(pretrained=False, frequency=frequency, device=GPU)
    lite_unet.fit_colors(net_G, val_dl, steps=3)


@check
def colorizing(log, outside):
    "From a photo to a coloured photo, with every network that has weights."
    opened = [(photos.Image.open(path).convert("RGB"), None, None) for path in outside.paths[:2]]
    for net_G in outside.generators.values():
        colorizer = colorize.Colorizer(copy.deepcopy(net_G).to(GPU))
        assert [image.size for image in colorizer.colorize_opened(opened)] == [image.size for image, *_ in opened]
        colorizer.predict_ab(torch.rand(2, 1, 260, 300))
    small = colorize.SmallCopy(small_unet().to(GPU).eval(), size=64)
    assert small(torch.rand(2, 1, 128, 160, device=GPU)).device.type == "cuda"
    multi_scale.multi_scale(resnet_unet.ResUnet().to(GPU))(torch.rand(1, 1, 256, 256, device=GPU))


@check
def hints(log, outside):
    "Colours that follow a hint, and several colourings."
    colorizer = colorize.Colorizer(copy.deepcopy(outside.generators["lite_unet"]).to(GPU))
    colorizer.branch = copy.deepcopy(outside.branch).to(GPU)
    L, known = torch.rand(1, 1, 70, 100), torch.zeros(1, 2, 70, 100)
    prepared = colorizer.prepare(L)
    assert colorizer.hinted_ab(prepared, known, torch.ones(1, 1, 70, 100)).shape == known.shape
    assert len(colorizer.plausible(prepared, 3)) == 3


@check
def cells_for_gpus(log, outside):
    "The cells that begin with `#| cuda`, but for those that read weights from files or use page-locked memory."
    for path in sorted((root / "nbs").glob("*.ipynb")):
        if "#| cuda" in path.read_text(encoding="utf-8") and path.stem not in ("13_colorize", "A15_backbones", "A04_cache"):
            definitions(path.stem, "same_on_gpu")["same_on_gpu"]()


@check
def benchmarks(log, outside):
    "Steps of `benchmarks/gpu.py`, arithmetic counted; the seconds are meaningless here."
    import gpu

    assert gpu.matrix_rate(torch.device(GPU), torch.float16, 64) > 0
    for name in gpu.MODELS:
        gpu.step_row(name, 64, 2, torch.device(GPU), 1.0, 1)


def untested() -> list[str]:
    "Discriminators and losses of the notebooks that nothing here runs."
    text = Path(__file__).read_text(encoding="utf-8")
    found = []
    for path in sorted((root / "nbs").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for line in cell.source.splitlines() if cell.cell_type == "code" else ():
                name = line.split("(")[0].split(":")[0].removeprefix("class ")
                if line.startswith("class ") and name.endswith(("Discriminator", "Loss", "Entropy")) and name not in text:
                    found.append(f"{path.name}: {name}")
    return found


def planted() -> list[tuple]:
    "Mistakes: what is wrong, the check that must find it, words of its message, and the patch that brings it."
    def labels_on_cpu(self, preds, real):
        return torch.ones(preds.shape) if real else torch.zeros(preds.shape)

    def reads_a_number(prediction, target, L):
        return (loss := F.l1_loss(prediction, target)) if loss_is(prediction, target) else loss

    def loss_is(prediction, target):
        return F.l1_loss(prediction, target).item() > 0

    def masked(prediction, target, L):
        return (prediction - target).abs()[target > 0].mean()

    def to_cpu(self, logits, ab, L=None):
        return F.l1_loss(logits[:, :2].float().cpu(), F.avg_pool2d(ab, 4).cpu())

    def predicts_from_cpu(self, L):
        return self.net_G(L)

    def noise_of_cpu(L, draw, coarse, generator):
        return L + torch.randn(L.shape) * draw(0, 0.06)

    def constants_each_time(values, device, dtype):
        return torch.tensor(values, dtype=dtype).to(device)

    def backward_of_other_device(prediction, target, L):
        return Crossing.apply(prediction).abs().mean()

    class Crossing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, gradient):
            return torch.ones(gradient.shape)

    render = colorize.Colorizer.render

    def without_cpu(*args):
        with mock.patch.object(torch.Tensor, "cpu", lambda self: self):
            return render(*args)

    patch = mock.patch.object
    return [
        ("labels on the CPU", "steps", "same device", patch(losses.GANLoss, "get_labels", labels_on_cpu)),
        ("a number is read in each step", "every_loss", "a number is read", patch(losses, "l1", reads_a_number)),
        ("a mask in a loss", "every_loss", "chosen by a mask", patch(losses, "l1", masked)),
        ("a gradient of another device", "every_loss", "a gradient on cpu", patch(losses, "l1", backward_of_other_device)),
        ("a loss on the CPU", "lite_unet_step", "copied from cuda", patch(lite_unet.ColorCrossEntropy, "forward", to_cpu)),
        ("the input stays on the CPU", "colorizing", "same device", patch(colorize.Colorizer, "predict_ab", predicts_from_cpu)),
        ("NumPy of GPU memory", "colorizing", "to numpy", patch(colorize.Colorizer, "render", without_cpu)),
        ("noise of the CPU", "degradation", "same device", patch(degrade, "_grain", noise_of_cpu)),
        ("constants copied at each call", "loaders", "copied from cpu", patch(lab, "_constant", constants_each_time))]


def forget_constants(outside: Outside) -> None:
    "Fake tensors are of one context, and must not be kept for the next."
    lab._constants.clear()
    outside.definitions["bins_on"].cache_clear()


def run(name: str, capability: tuple, outside: Outside) -> str:
    "What a check finds wrong, or nothing."
    forget_constants(outside)
    try:
        said = io.StringIO()
        with fake_cuda(capability) as log, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            with mock.patch("torchmetrics.image.fid.FrechetInceptionDistance", FrechetDistance):
                checks[name](log, outside)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if root in Path(f.filename).parents] or frames[-1:]
        where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in ours[:-4:-1])
        return f"{type(error).__name__}: {error} ({where})"
    finally:
        forget_constants(outside)
    return ""


def main() -> None:
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        outside = Outside(Path(folder))
        for card, capability in CARDS.items():
            for name in sys.argv[1:] or checks:
                fault = run(name, capability, outside)
                wrong += bool(fault)
                print(f"{card}: {name}: {fault or 'ok'}", flush=True)
        for fault in untested():
            wrong += 1
            print(f"nothing here runs {fault}")
        for what, name, words, patch in planted() if not sys.argv[1:] else ():
            with patch:
                fault = run(name, (8, 0), outside)
            wrong += words not in fault
            print(f"planted, {what}: {'found' if words in fault else 'NOT FOUND'} by {name}: {fault}", flush=True)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
