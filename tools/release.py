"""Collect the weights that a release attaches: `python tools/release.py FOLDER [TAG]`.

Each file of the table of weights is taken from the working tree, or from the commit that last held it, and checked.
With TAG, it must be the version of settings.ini, and CHANGELOG.md must have a section for it.
"""
import hashlib
import re
import subprocess
import sys
from pathlib import Path

from colorization.weights import WEIGHTS
from render import cfg, root


def git(*arguments: str) -> bytes:
    "What a git command prints."
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True).stdout


def weights_file(path: str) -> bytes:
    "A file of the repository as it is, or as it was before it was removed. Raises SystemExit if it never was there."
    if (root / path).is_file():
        return (root / path).read_bytes()
    removed = git("log", "-1", "--format=%H", "--diff-filter=D", "--", path).decode().strip()
    if not removed:
        raise SystemExit(f"error: no commit has {path}; is this a shallow clone? `git fetch --unshallow` gets the rest")
    return git("show", f"{removed}^:{path}")


def collect(folder: Path) -> None:
    "Write all weights to a folder. Raises SystemExit where one isn't what the table says."
    folder.mkdir(parents=True, exist_ok=True)
    for name, known in WEIGHTS.items():
        if known.source:
            continue
        data = weights_file(f"{cfg['lib_path']}/weights/{name}.safetensors")
        found = hashlib.sha256(data).hexdigest()
        if found != known.sha256 or len(data) != known.size:
            raise SystemExit(f"error: {name} has {len(data):,} bytes and the SHA-256 {found}, the table says otherwise")
        (folder / f"{name}.safetensors").write_bytes(data)
        print(f"{name:24} {len(data):>12,}  {found}")


def check_tag(tag: str) -> None:
    "Raise SystemExit unless a tag, the version and the changelog agree."
    version = cfg["version"]
    if tag != f"v{version}":
        raise SystemExit(f"error: the tag {tag} is not v{version}, the version of settings.ini")
    if not re.search(rf"(?m)^## {re.escape(version)}\b", (root / "CHANGELOG.md").read_text(encoding="utf-8")):
        raise SystemExit(f"error: CHANGELOG.md has no section for {version}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    if len(sys.argv) == 3:
        check_tag(sys.argv[2])
    collect(Path(sys.argv[1]))
