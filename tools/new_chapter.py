"""Begin a new notebook: `python tools/new_chapter.py A99_name` copies tools/chapter.ipynb to nbs/A99_name.ipynb, for the module `name`."""
import re
import sys

from render import cfg, render_notebook, root


def main(stem: str) -> None:
    match, path = re.fullmatch(r"(?:\d|A|B)\d+_(\w+)", stem), root / cfg["nbs_path"] / f"{stem}.ipynb"
    if not match: sys.exit(f"a notebook's name is like A99_name, not {stem}")
    if path.exists(): sys.exit(f"{path} exists already")
    text = (root / "tools/chapter.ipynb").read_text(encoding="utf-8")
    path.write_text(text.replace("NUMBER_NAME", stem).replace("default_exp NAME", f"default_exp {match[1]}"), encoding="utf-8")
    render_notebook(path)
    print(f"{path.relative_to(root)} is yours: edit it, then nbdev_export and nbdev_test --path {path.relative_to(root)}")


if __name__ == "__main__":
    sys.exit(__doc__) if len(sys.argv) != 2 else main(sys.argv[1])
