"""Render what depends on settings.ini: badges, installing cells and links of all notebooks, the addresses in nbdev's index of
the library, and every README.

Run as `python tools/render.py` in the root of the repository.
"""
import re
from configparser import ConfigParser
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import TagRemovePreprocessor
from traitlets.config import Config

root = Path(__file__).resolve().parent.parent
parser = ConfigParser(delimiters=["="])
parser.read(root / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]
COLAB = "https://colab.research.google.com/github/"
PAGE = "browser" # the folder of the site with the page that colours photos


def page_url() -> str:
    "The address of the page that colours photos in the visitor's browser."
    return f"{cfg['doc_host']}{cfg['doc_baseurl']}/{PAGE}/"


INSTALL = """# On Colab this installs the library: from the clone it runs in, else from GitHub. Elsewhere it does nothing.
import sys; from pathlib import Path
if 'google.colab' in sys.modules:
    clone = next((p.resolve() for p in (Path('.'), Path('..')) if (p/'settings.ini').exists()), None)
    %pip install -q "{lib_name}[{extras}] @ {{clone.as_uri() if clone else 'git+{git_url}@{branch}'}}\""""


def extras(text: str) -> str:
    "The extras that a notebook with this text needs: `train`, which holds what lessons draw and measure with, and others."
    used = {"video": r"default_exp video|colorization\.video|import av\b", "web": r"default_exp web|colorization\.web"}
    return ",".join(["train", *(name for name, signs in used.items() if re.search(signs, text))])


def render_notebook(path: Path) -> None:
    "Point badges, installing cell and links to the page to the owner, repository and branch of settings.ini."
    text = path.read_text(encoding="utf-8")
    nb = nbformat.reads(text, as_version=4)
    for cell in nb.cells:
        if cell.source.startswith("# On Colab this installs"):
            cell.source = INSTALL.format(extras=extras(text), **cfg)
    text = nbformat.writes(nb) + "\n"
    here = f"{cfg['user']}/{cfg['repo']}/blob/{cfg['branch']}/{cfg['nbs_path']}/"
    text = re.sub(re.escape(COLAB) + r"[^/]+/[^/]+/blob/[^/]+/\w+/", COLAB + here, text)
    text = re.sub(rf"https://[\w.-]+\.github\.io/[\w.-]+/{PAGE}/", page_url(), text)
    path.write_text(text, encoding="utf-8", newline="\n")


def render_addresses(path: Path) -> None:
    "Point nbdev's index of the library to the repository of settings.ini, as `nbdev_export` does."
    text = path.read_text(encoding="utf-8")
    for key in "doc_baseurl", "doc_host", "git_url":
        text = re.sub(rf"('{key}': )'[^']*'", lambda found: f"{found[1]}{cfg[key]!r}", text, count=1)
    path.write_text(text, encoding="utf-8", newline="\n")


def read_index(language: str = "") -> nbformat.NotebookNode:
    "The index in a language ('' for English), with the outputs of the English one. Exits if the two are out of step."
    original, nb = (nbformat.read(root / cfg["nbs_path"] / f"index{suffix}.ipynb", as_version=4) for suffix in ("", language))
    for what, (ours, theirs) in {name: (outline(original)[name], outline(nb)[name]) for name in outline(nb)}.items():
        if ours != theirs:
            raise SystemExit(f"index{language}.ipynb is out of step with index.ipynb in its {what}:\n{theirs}\nshould be\n{ours}")
    for cell, source in zip(nb.cells, original.cells):
        if cell.cell_type == "code":
            cell.outputs = source.outputs
    return nb


def outline(nb: nbformat.NotebookNode) -> dict[str, list]:
    "What a translation must share with its original."
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    return {
        "cells": [cell.cell_type for cell in nb.cells],
        "code cells": [re.sub(r"\s*#(?!\| hide).*", "", cell.source) for cell in nb.cells if cell.cell_type == "code"],
        "headings": re.findall(r"^#+(?= )", text, flags=re.M),
        "commands": re.findall(r"```.*?```", text, flags=re.S),
        "links": [link for link in re.findall(r"\]\(([^)]*)\)", text) if "/index." not in link],
        "numbers in tables": [re.findall(r"\| *\**([\d.]+%?)\** *(?=\|)", line) for line in text.splitlines() if line.startswith("|")],
    }


def render_readme(language: str = "") -> None:
    "Convert the index in a language to README{language}.md, with its pictures in files/ and its links as seen from the root."
    nb, readme = read_index(language), root / f"README{language}.md"
    nb.metadata.language_info = {"name": "python"}
    nb.cells = [cell for cell in nb.cells if not cell.source.startswith("# On Colab this installs")]
    descriptions = []
    for cell in nb.cells:
        if cell.source.startswith("#| hide_input"):
            cell.metadata.tags = ["hide_input"]
        descriptions += re.findall(r"^#\| fig-alt: (.*)\n", cell.source, flags=re.M)
        cell.source = re.sub(r"^#\| fig-alt: .*\n", "", cell.source, flags=re.M)
    config = Config()
    config.ExtractOutputPreprocessor.output_filename_template = "{unique_key}_{index}_{cell_index}{extension}"
    config.TagRemovePreprocessor.remove_input_tags = {"hide_input"}
    exporter = MarkdownExporter(config=config)
    exporter.register_preprocessor(TagRemovePreprocessor(config=config, enabled=True), enabled=True)
    text, resources = exporter.from_notebook_node(nb, {"unique_key": "index", "output_files_dir": "files"})
    for name, data in resources["outputs"].items():
        if name in text:
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(data)
    text = re.sub(r"!\[(?:png|jpeg)\]", lambda _: f"![{descriptions.pop(0)}]", text).replace("](../", "](")
    text = re.sub(r"\]\(index([.a-z]*)\.ipynb\)", r"](README\1.md)", text)
    text = re.sub(r"\]\((\w+\.ipynb)\)", rf"]({cfg['nbs_path']}/\1)", text)
    readme.write_text(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    for notebook in [*sorted((root / cfg["nbs_path"]).glob("*.ipynb")), root / "tools/chapter.ipynb"]:
        render_notebook(notebook)
    render_addresses(root / cfg["lib_path"] / "_modidx.py")
    for language in "", ".zh", ".ru":
        render_readme(language)
