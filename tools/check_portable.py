"""What Linux can tell of other systems: `python tools/check_portable.py`.

Windows renames nothing that is open, or over something that is; starts processes afresh; knows other folders, encodings
and file names. So: the library is read for what only some systems have, and what it writes is watched while it writes.
"""
import ast
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

os.environ["TQDM_DISABLE"] = "1"
root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root))
RESERVED = re.compile(r'(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?$')
SOME_SYSTEMS = {  # names that other systems lack; where they are asked for with `hasattr` or caught, they may stand
    "fork", "forkpty", "fcntl", "pwd", "grp", "resource", "termios", "SIGKILL", "SIGHUP", "SIGALRM", "getuid", "geteuid",
    "mkfifo", "statvfs", "uname", "setsid", "killpg", "getpgid", "O_NOFOLLOW", "O_DIRECTORY"}
FOLDERS = re.compile(r"/(dev|tmp|proc|var|etc|home)(/|$)")


def source_faults(path: Path) -> list[str]:
    "What in a module would fail or differ on another system, by line."
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        def fault(what):
            found.append(f"{path.relative_to(root)}:{node.lineno}: {what}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and FOLDERS.match(node.value):
            fault(f"the folder {node.value}")
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            for name in SOME_SYSTEMS.intersection(modules):
                fault(f"`{name}`, which some systems lack")
        if isinstance(node, ast.Attribute) and node.attr in SOME_SYSTEMS:
            fault(f"`{node.attr}`, which some systems lack")
        if isinstance(node, ast.Call) and opens_text(node) and not any(k.arg == "encoding" for k in node.keywords):
            fault("text without an encoding, which each system chooses for itself")
    return found


def opens_text(call: ast.Call) -> bool:
    "Whether a call reads or writes a text file."
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("read_text", "write_text"):
        return True
    owner = getattr(getattr(call.func, "value", None), "id", "") if isinstance(call.func, ast.Attribute) else ""
    if name != "open" or owner in ("os", "av", "Image", "tarfile", "webbrowser", "wave") or not call.args:
        return False
    modes = [a.value for a in [*call.args, *(k.value for k in call.keywords)] if isinstance(a, ast.Constant)]
    return not any(isinstance(mode, str) and re.fullmatch(r"[rwax+]*b[rwax+]*", mode) for mode in modes)


def name_faults(names: list[str]) -> list[str]:
    "Which files of the repository Windows could not hold."
    found = [f"{name}: a name that Windows refuses" for name in names for part in name.split("/")
             if RESERVED.match(part) or set(part) & set('<>:"|?*\\') or part[-1] in ". "]
    by_case = {}
    for name in names:
        by_case.setdefault(name.lower(), []).append(name)
    return found + [f"{' and '.join(same)} differ in case only" for same in by_case.values() if len(same) > 1]


class Renames:
    "Watches renames of this process: neither name may be of a file that it has open or mapped."

    def __init__(self):
        self.seen, self.faults, self.active = 0, [], True
        sys.addaudithook(self.audit)

    def audit(self, event, arguments) -> None:
        if event != "os.rename" or not self.active:
            return
        self.seen += 1
        for path in map(os.fspath, arguments[:2]):
            if os.path.abspath(path) in self.held():
                self.faults.append(f"{path} is open while it is renamed or replaced")

    @staticmethod
    def held() -> set[str]:
        "The files that this process has open or mapped."
        files = set()
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                files.add(os.readlink(f"/proc/self/fd/{number}"))
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            files |= {line[line.index("/"):].rstrip("\n") for line in maps if "/" in line}
        return files


def write_everything(folder: Path) -> None:
    "Let the library write each kind of file, and write it again over what is there."
    from colorization.command import colorize_command
    from colorization.data.cache import make_dataloaders
    from colorization.data.clean import clean_photos
    from colorization.data.photos import black_and_white_photos, sample_photos
    from colorization.data.shards import shard_dataloader, write_shards
    from colorization.models.registry import load_generator, save_generator
    from colorization.models.unet import Unet
    from colorization.trainer import MainModel, keep_generators, train_model

    (folder / "photos").mkdir()
    for path in sample_photos():
        (folder / "photos" / path.name).write_bytes(path.read_bytes())
    clean_photos(folder / "photos", folder / "clean", size=64, min_colorfulness=0)
    paths = sorted((folder / "clean").rglob("*.jpg"))
    train_dl = make_dataloaders(4, paths=paths, split="train", size=32, cache_dir=folder / "cache", device="cpu")
    for epochs in 1, 2:
        model = MainModel(Unet(n_down=5, num_filters=4), device="cpu", dtype=None)
        train_model(model, train_dl, epochs, 1, train_dl, folder / "run", callbacks=(keep_generators,))
    net_G = load_generator(folder / "run/generator.safetensors", "cpu")
    save_generator(net_G, folder / "run/generator.safetensors")
    write_shards(folder / "photos", folder / "shards", 32, 3)
    loader = shard_dataloader(folder / "shards", 2, n_workers=2, device="cpu")
    loader.multiprocessing_context = "spawn"
    assert len(list(loader)) == len(loader)
    for _ in range(2):
        colorize_command([str(black_and_white_photos()[1]), "--out", str(folder / "out"), "--overwrite"])


def planted(folder: Path, renames: Renames) -> list[str]:
    "Mistakes that must be found; which are not."
    module = root / "colorization/planted.py"
    faults = []
    for line in ("open(p)", "p.write_text('')", "os.fork()", "import fcntl", "x = '/dev/shm/x'"):
        with mock_read(module, line):
            if not source_faults(module):
                faults.append(f"not found: {line}")
    if len(name_faults(["a/aux.py", "b:c", "A.py", "a.py"])) != 3:
        faults.append("not found: names that Windows refuses")
    with open(folder / "open", "wb") as file:
        file.write(b"1")
        (folder / "open").replace(folder / "renamed")
    if not renames.faults:
        faults.append("not found: an open file that is renamed")
    renames.faults.clear()
    return faults


@contextlib.contextmanager
def mock_read(module: Path, text: str):
    "As if `module` held `text`."
    with mock.patch.object(Path, "read_text", lambda self, **_: text):
        yield


def main() -> None:
    modules = sorted((root / "colorization").rglob("*.py"))
    names = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    faults = [fault for module in modules for fault in source_faults(module)] + name_faults(names)
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said), \
            contextlib.redirect_stderr(said):
        os.environ["XDG_CACHE_HOME"] = folder
        renames = Renames()
        faults += planted(Path(folder), renames)
        write_everything(Path(folder))
        renames.active = False
    if renames.seen < 10:
        faults.append(f"only {renames.seen} renames were seen")
    print("\n".join(faults) or f"{len(modules)} modules, {len(names)} names, {renames.seen} renames: nothing found")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
