"""Build the site: a page for every notebook and every module, search, and the page that colours photos.

Run as `python tools/site.py` in the root of the repository; the pages are in `_site/` then. `--check` also follows every link on them.
"""
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import yaml
from fastcore.docments import docments
from latex2mathml.converter import convert as mathml
from nbconvert import MarkdownExporter

from browser_page import build_page
from render import PAGE, cfg, page_url, read_index, root

docs, site = root / "_site_source", root / "_site"


def in_order(path: Path) -> tuple[str, int]:
    "By number: 0 to 99, then A1 to A9, then A10."
    letter, digits = re.fullmatch(r"([A-Z]?)(\d+)", path.stem.split("_")[0]).groups()
    return letter, int(digits)


notebooks = sorted((root / cfg["nbs_path"]).glob("[0-9A-Z]*.ipynb"), key=in_order)
notebooks.insert(0, root / cfg["nbs_path"] / "index.ipynb")
pages = {"MODEL_CARD.md": "Model card", "benchmarks/RESULTS.md": "Benchmarks", "CONTRIBUTING.md": "Contributing", "LOG.md": "Log of trials"}
translations = {".zh": "中文", ".ru": "Русский"}


def formulas(text: str) -> str:
    "Formulas between dollar signs as MathML, outside of code."
    code = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.S)
    for i in range(0, len(code), 2):
        code[i] = re.sub(r"\$\$(.+?)\$\$", lambda m: f'<div style="overflow-x: auto">{mathml(m[1], display="block")}</div>', code[i], flags=re.S)
        code[i] = re.sub(r"\$([^$\n]+)\$", lambda m: mathml(m[1]), code[i])
    return "".join(code)


def links(text: str, folder: str) -> str:
    "Links between files of the repository, as seen from a page in `folder` (of the repository), as links between pages."
    def target(match):
        file, anchor = (match[1].split("#") + [""])[:2]
        path = (root / folder / file).resolve()
        inside = path.relative_to(root)
        if inside.parts[0] == "files": page = str(inside)
        elif path.suffix == ".ipynb" or str(inside) in pages: page = path.stem + ".md"
        else: return f"]({cfg['git_url']}/blob/{cfg['branch']}/{inside})"
        return f"]({page}{'#' + anchor if anchor else ''})"
    text = text.replace(page_url(), f"{PAGE}/index.html")
    return re.sub(r"\]\((?!https?:|#)([^)\s]+\.(?:ipynb|md|jpg|png|gif|py|ini)(?:#[^)]*)?|(?:\.\./)?LICENSE)\)", target, text)


def folded(cell) -> str:
    "A solution, folded away."
    title, _, code = cell.source.partition("\n")
    output = "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
    body = f"```python\n{code}\n```\n" + (f"\n```text\n{output.rstrip()}\n```\n" if output.strip() else "")
    return f'??? example "{title.removeprefix("#@title ")}"\n\n' + "".join(f"    {line}\n" for line in body.splitlines())


def notebook_page(path: Path) -> str:
    "A notebook as Markdown; its pictures go beside it. Returns the page's title."
    nb = read_index(path.stem.removeprefix("index")) if path.stem.startswith("index") else nbformat.read(path, as_version=4)
    nb.metadata.language_info = {"name": "python"}
    nb.cells = [cell for cell in nb.cells if not cell.source.startswith(("# On Colab this installs", "#| default_exp"))]
    for cell in nb.cells:
        if cell.cell_type == "code" and cell.source.startswith("#@title Solution"):
            cell.update(cell_type="markdown", source=folded(cell))
        elif cell.cell_type == "markdown":
            cell.source = formulas(links(cell.source, cfg["nbs_path"]))
        elif cell.source.startswith("#| hide_input"):
            cell.source = ""
    text, resources = MarkdownExporter().from_notebook_node(nb, {"unique_key": path.stem, "output_files_dir": f"pictures/{path.stem}"})
    for name, data in resources["outputs"].items():
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_bytes(data)
    text = re.sub(r"```python\s*```", "", text).replace("![png](", "![what the cell shows](")
    (docs / f"{path.stem}.md").write_text(text, encoding="utf-8")
    return next(cell.source.splitlines()[0].removeprefix("# ") for cell in nb.cells if cell.cell_type == "markdown")


def entry(name: str, thing) -> str:
    "The reference of one function or class: signature, docstring, and what its arguments mean."
    lines = [f"## `{name}`", "", (inspect.getdoc(thing) or "").split("\n\n")[0], ""]
    if not callable(thing): return "\n".join([*lines[:2], f"`{thing!r}`"[:500], ""])
    call = thing.__init__ if inspect.isclass(thing) else thing
    try: about = docments(call, full=True)
    except (TypeError, ValueError, OSError): return "\n".join(lines)
    rows = []
    for argument, d in about.items():
        if argument == "self" or (argument == "return" and not d["docment"]): continue
        kind = d["anno"] if d["anno"] is not inspect.Parameter.empty else ""
        kind = getattr(kind, "__name__", str(kind)) if kind is not None else ""
        default = "" if d["default"] is inspect.Parameter.empty or argument == "return" else f"`{d['default']!r}`"
        cells = ("**returns**" if argument == "return" else f"`{argument}`", f"`{kind}`" if kind else "", default, d["docment"] or "")
        rows.append("| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in cells) + " |")
    if rows: lines += ["| | type | default | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def module_page(path: Path) -> str | None:
    "The reference page of the module that a notebook exports; returns the module's name."
    module = re.search(r"#\| default_exp ([\w.]+)", path.read_text(encoding="utf-8"))
    if not module or module[1] == "all": return None
    imported = importlib.import_module(f"{cfg['lib_path']}.{module[1]}")
    parts = [f"# {cfg['lib_path']}.{module[1]}", imported.__doc__ or "", f"From [{path.stem}]({path.stem}.md), where each of these is explained, shown and tested."]
    parts += [entry(name, getattr(imported, name)) for name in imported.__all__]
    (docs / f"module_{module[1]}.md").write_text("\n\n".join(parts), encoding="utf-8")
    return module[1]


def build() -> None:
    "Make the pages' sources, and let MkDocs build them; every broken link between them is an error."
    for folder in docs, site: shutil.rmtree(folder, ignore_errors=True)
    docs.mkdir()
    shutil.copytree(root / "files", docs / "files")
    for device, count in build_page(docs / PAGE).items():
        print(f"{PAGE}/: {count / 1e6:.1f} MB to load with {device}")
    chapters = [{f"{path.stem.split('_')[0]} · {notebook_page(path)}": f"{path.stem}.md"} for path in notebooks]
    for language in translations: notebook_page(root / cfg["nbs_path"] / f"index{language}.ipynb")
    for name in pages:
        text = (root / name).read_text(encoding="utf-8")
        (docs / Path(name).name).write_text(links(text, str(Path(name).parent)), encoding="utf-8")
    modules = [name for path in notebooks if (name := module_page(path))]
    config = dict(
        site_name=cfg["lib_path"], site_description=cfg["description"], repo_url=cfg["git_url"], copyright=cfg["copyright"] % {"author": cfg["author"]} if "%(" in cfg["copyright"] else cfg["copyright"],
        docs_dir=str(docs), site_dir=str(site), strict=True,
        theme=dict(name="material", font=False, features=["navigation.indexes", "navigation.footer", "navigation.top", "search.highlight", "content.code.copy"],
                   palette=[dict(scheme="default", media="(prefers-color-scheme: light)"), dict(scheme="slate", media="(prefers-color-scheme: dark)")]),
        plugins=["search"], validation=dict(links=dict(anchors="warn", not_found="warn", unrecognized_links="warn")),
        markdown_extensions=["admonition", "tables", "pymdownx.details", "pymdownx.superfences", "pymdownx.highlight"],
        nav=[{"Start": "index.md"}, *({title: f"index{language}.md"} for language, title in translations.items()), {"Notebooks": chapters[1:]},
             {"Modules": [{name: f"module_{name}.md"} for name in modules]}, *({title: Path(name).name} for name, title in pages.items())])
    (docs.parent / "_site_source.yml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")
    try: subprocess.run([sys.executable, "-m", "mkdocs", "build", "-q", "-f", "_site_source.yml"], check=True, cwd=root)
    finally: (root / "_site_source.yml").unlink()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_): pass


def check() -> None:
    "Follow every link on the built pages, but for those that leave them."
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = ["linkchecker", "--no-status", "--no-warnings", "--threads=2", f"http://127.0.0.1:{server.server_port}/"]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout[-3000:])
    if done.returncode: raise SystemExit("broken links on the site")
    look(f"http://127.0.0.1:{server.server_port}/")


def look(url: str) -> None:
    "Open every page in Chromium, as wide as a phone: nothing may stick out, and every picture must load. And search for something."
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"])
        tab = browser.new_page(viewport=dict(width=390, height=844))
        tab.route(lambda address: not address.startswith(url), lambda route: route.abort())
        for page in sorted(docs.glob("*.md")):
            tab.goto(url + ("" if page.stem == "index" else f"{page.stem}/"))
            width = tab.evaluate("document.documentElement.scrollWidth")
            missing = tab.evaluate("[...document.images].filter(i => i.src.startsWith(location.origin) && !(i.complete && i.naturalWidth)).map(i => i.src)")
            if width > 390 or missing: raise SystemExit(f"{page.stem}: {width} pixels wide on a phone of 390, pictures missing: {missing}")
        tab.set_viewport_size(dict(width=1280, height=900))
        tab.goto(url)
        tab.keyboard.press("/")
        tab.keyboard.type("saturation")
        tab.locator(".md-search-result__item").first.wait_for(timeout=10_000)
        browser.close()
    print("every page fits a phone, every picture is there, search finds")


if __name__ == "__main__":
    build()
    if "--check" in sys.argv: check()
