"""Build the page that colours photos in the visitor's browser.

Run as `python tools/browser_page.py FOLDER`; `tools/site.py` makes it a part of the site. The source is in `page/`.
Added to it are the graphs of the bundled weights, ONNX Runtime from npm, icons and example photos.
"""
import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from colorization.browser import export_graphs
from colorization.colorize import HINT_BRANCH
from colorization.data.photos import black_and_white_photos, sample_photos
from colorization.files import atomic_write, cache_folder
from colorization.models.hint_branch import load_hint_branch
from colorization.models.registry import load_generator
from colorization.weights import DEFAULT_WEIGHTS, weights_file

root = Path(__file__).resolve().parent.parent
RUNTIME = "onnxruntime-web-1.30.0"
RUNTIME_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
RUNTIMES = { # for each device, what the page loads from that package
    "wasm": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.jspi.bundle.min.mjs", "ort-wasm-simd-threaded.jspi.wasm")}
EXAMPLES = {"camera": "photographer", "china": "temple", "flower": "flower", "chelsea": "cat"}
STEP_PIXELS = 200_000 # in a strip of the photo
MEGAPIXELS = 100 # the largest photo that the page takes


def is_runtime(file: Path) -> bool:
    "Whether a file is the package that this page was tested with, byte for byte."
    return file.is_file() and base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode() == RUNTIME_SHA512


def runtime_package() -> Path:
    "The npm package of ONNX Runtime, from the cache folder or fetched. Exits with what to do if it can't be had."
    package = cache_folder() / f"{RUNTIME}.tgz"
    if is_runtime(package):
        return package
    by_hand = f"or put the package there yourself, as {package}"
    if not shutil.which("npm"):
        raise SystemExit(f"the page needs {RUNTIME} from npm, and there is no npm here: install Node.js, {by_hand}")
    package.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        name = RUNTIME.replace("web-", "web@")
        done = subprocess.run(["npm", "pack", "--silent", name], cwd=folder, capture_output=True, text=True)
        fetched = Path(folder) / package.name
        if done.returncode or not fetched.is_file():
            said = f"{done.stdout}{done.stderr}".strip()[-500:]
            raise SystemExit(f"npm could not fetch {RUNTIME}, which the page needs: go online, {by_hand}\n{said}")
        if not is_runtime(fetched):
            raise SystemExit(f"npm sent another {RUNTIME} than the one known here (its SHA-512 differs)")
        with atomic_write(package) as unfinished:
            shutil.copy(fetched, unfinished)
    return package


def graphs() -> dict[str, Path]:
    "The graphs of the bundled weights by name, exported once for each state of the weights and of their code."
    weights = weights_file(DEFAULT_WEIGHTS)
    library = root / "colorization"
    sources = [library / f"{name}.py" for name in ("browser", "colorize", "hints", "lab", "upsample")]
    sources += sorted((library / "models").glob("*.py"))
    state = hashlib.sha256(torch.__version__.encode())
    for file in [weights, HINT_BRANCH, *sources]:
        state.update(file.read_bytes())
    folder = cache_folder() / f"graphs-{state.hexdigest()[:12]}"
    files = {name: folder / f"{name}.onnx" for name in ("shrink", "colors", "render", "hints", "palette")}
    if not all(file.is_file() for file in files.values()):
        for old in cache_folder().glob("graphs-*"):
            shutil.rmtree(old)
        folder.mkdir(parents=True)
        net_G = load_generator(weights, "cpu")
        export_graphs(net_G, load_hint_branch(HINT_BRANCH, net_G), folder)
    return files


def icon(side: int) -> Image.Image:
    "A landscape under the sun, grey on its left half."
    big = Image.new("RGB", (1024, 1024), "#bfe0ea")
    draw = ImageDraw.Draw(big)
    draw.ellipse((560, 200, 800, 440), fill="#f2b441")
    draw.polygon([(0, 760), (330, 400), (640, 760)], fill="#7c5c8e")
    draw.polygon([(330, 1024), (760, 560), (1024, 800), (1024, 1024)], fill="#c85a48")
    draw.ellipse((-400, 700, 1100, 1700), fill="#2f8f6b")
    big.paste(big.convert("L").crop((0, 0, 512, 1024)).convert("RGB"), (0, 0))
    draw.rectangle((504, 0, 520, 1024), fill="white")
    return big.resize((side, side), Image.Resampling.LANCZOS)


def example_photos(folder: Path) -> list[str]:
    "Grey JPEGs of photos that come with the dependencies; returns their names."
    folder.mkdir()
    found = {path.stem: path for path in [*black_and_white_photos(), *sample_photos()]}
    for stem, name in EXAMPLES.items():
        Image.open(found[stem]).convert("L").save(folder / f"{name}.jpg", quality=90)
    return [f"{name}.jpg" for name in EXAMPLES.values()]


def keep(data: bytes, folder: Path, stem: str, suffix: str) -> dict:
    "Write a large file under a name that changes with its bytes, so that a cache never holds the wrong one."
    name = f"{stem}-{hashlib.sha256(data).hexdigest()[:8]}{suffix}"
    (folder / name).write_bytes(data)
    return {"name": name, "bytes": len(data)}


def large_files(folder: Path) -> tuple[dict, dict]:
    "Write the runtimes and the graphs; returns what `build.js` says of each."
    runtimes, models = {}, {}
    with tarfile.open(runtime_package()) as package:
        for device, files in RUNTIMES.items():
            script, binary = (package.extractfile(f"package/dist/{file}").read() for file in files)
            runtimes[device] = {
                "script": keep(script, folder, f"runtime-{device}", ".mjs"),
                "binary": keep(binary, folder, f"runtime-{device}", ".wasm")}
    for name, file in graphs().items():
        models[name] = keep(file.read_bytes(), folder, name, ".onnx")
    return runtimes, models


def fill_in(file: Path, **values) -> None:
    "Give constants of a script their values."
    text = file.read_text(encoding="utf-8")
    for name, value in values.items():
        empty = "''" if isinstance(value, str) else "[]"
        assert f"const {name} = {empty}" in text, name
        text = text.replace(f"const {name} = {empty}", f"const {name} = {json.dumps(value)}")
    file.write_text(text, encoding="utf-8")


def build_page(folder: Path) -> dict[str, int]:
    "Write the page into a new folder; returns how many bytes a visitor loads for each device."
    shutil.copytree(root / "page", folder)
    for side in 192, 512:
        icon(side).save(folder / f"icon-{side}.png", optimize=True)
    examples = example_photos(folder / "examples")
    runtimes, models = large_files(folder)
    size = getattr(load_generator(weights_file(DEFAULT_WEIGHTS), "cpu"), "size", 256)
    constants = dict(runtimes=runtimes, graphs=models, size=size, stepPixels=STEP_PIXELS, megapixels=MEGAPIXELS,
                     examples=examples)
    build = "".join(f"export const {name} = {json.dumps(value)}\n" for name, value in constants.items())
    (folder / "build.js").write_text(build, encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    large = [name for name in names if name.endswith((".wasm", ".onnx"))]
    shell = ["./", *(name for name in names if name not in [*large, "sw.js", "index.html"])]
    version = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    fill_in(folder / "sw.js", version=version, shell=shell, large=large)
    rest = sum((folder / name).stat().st_size for name in [*shell[1:], "sw.js", "index.html", *large])
    binaries = {device: files["binary"]["bytes"] for device, files in runtimes.items()}
    return {device: rest - sum(binaries.values()) + count for device, count in binaries.items()}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for device, count in build_page(Path(sys.argv[1])).items():
        print(f"{device}: {count / 1e6:.1f} MB to load")
