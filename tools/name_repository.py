"""Set owner and name of the repository in settings.ini, so that every badge, link and installing cell points to it.

Run as `python tools/name_repository.py OWNER/NAME`; the workflow `name.yml` does so with the repository that it runs in.
Where settings.ini names that repository already, nothing changes; else `tools/render.py` writes what depends on it.
"""
import re
import subprocess
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent


def set_repository(settings: Path, repository: str) -> bool:
    "Write OWNER/NAME into `settings`; returns whether it was another. Raises ValueError for what is no repository."
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}", repository):
        raise ValueError(f"{repository!r} is not OWNER/NAME of a repository")
    text = named = settings.read_bytes().decode("utf-8")
    for key, value in zip(("user", "repo"), repository.split("/")):
        named, count = re.subn(rf"(?m)^{key} = [^\s]+", f"{key} = {value}", named)
        if count != 1:
            raise ValueError(f"{settings} has {count} lines '{key} = …'; it should have one")
    settings.write_bytes(named.encode("utf-8"))
    return named != text


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python tools/name_repository.py OWNER/NAME")
    try:
        changed = set_repository(root / "settings.ini", sys.argv[1])
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}")
    if changed:
        subprocess.run([sys.executable, root / "tools/render.py"], check=True)
    print(f"{'now' if changed else 'already'} named {sys.argv[1]}")


if __name__ == "__main__":
    main()
