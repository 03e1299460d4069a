"""Check the notebooks and the modules exported from them: `python tools/check_notebooks.py`.

Every notebook must open on Colab and have the shape that CONTRIBUTING describes. Every module must have lines of at most
120 characters, and import no private name of another module, nothing from `colorization.all`, and nothing in a circle.
What the tables of README and the model card say must stand in the stored outputs of the notebook that measures it.
"""
import ast
import re
import sys
from importlib.util import resolve_name
from pathlib import Path

import nbformat

from render import COLAB, cfg, root

needs_gpu = {"06_training", "A23_trainer", "07_baseline", "09_strategy", "10_comparison", "A18_speed", "A20_distributed", "12_old_photos", "B7_projected", "B3_attention", "B4_classification", "B5_residual", "B6_small", "11_recipe"}
library = cfg["lib_path"]
longest_line = 120 # characters, in the exported modules


def faults(path: Path) -> list[str]:
    "What is wrong with a notebook, in words."
    nb, found = nbformat.read(path, as_version=4), []
    def must(condition, what):
        if not condition: found.append(what)
    source = [cell.source for cell in nb.cells]
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    badge = f"{COLAB}{cfg['user']}/{cfg['repo']}/blob/{cfg['branch']}/{cfg['nbs_path']}/{path.name})"
    must(re.match(r"# .+\n\n> .+", source[0]), "begins with a title and a line on what it is about")
    must(badge in source[0], "has a badge that opens it on Colab")
    must(code[0].source.startswith("# On Colab this installs the library") and "%pip" in code[0].source, "has the installing cell before all other code")
    late = defined_later(code)
    must(not late, f"defines what its cells for a GPU use before they use it ({', '.join(late)})")
    must(sum("%pip" in s for s in source) == 1, "installs in one cell only")
    must(not any(re.search(r"(?m)^\s*!", cell.source) for cell in code), "needs no shell")
    must((nb.metadata.get("accelerator") == "GPU") == (path.stem in needs_gpu), "asks Colab for a GPU if it uses one, and only then")
    must(path.stat().st_size < 1e6, "is smaller than a megabyte")
    must(not any(re.search(r"['\" ]/(home|root|work|tmp)/", str(cell.get("outputs"))) for cell in code), "shows no path of somebody's machine")
    must(not any(out.get("output_type") == "error" for cell in code for out in cell.outputs), "was run without an error")
    if path.stem.startswith("index"):
        others = sorted(other.name for other in path.parent.glob("[01AB]*.ipynb"))
        unlinked = [name for name in others if f"({name})" not in "".join(source)]
        must(not unlinked, f"links to every other one ({', '.join(unlinked)})")
        return found
    beginning = "\n".join(source[:3])
    lesson = re.match(r"[01]\d_", path.stem)
    words = sum(len(cell.source.split()) for cell in nb.cells if cell.cell_type == "markdown")
    must(not lesson or "After this lesson you" in beginning, "says what the reader can do after it")
    must(not lesson or len(nb.cells) <= 65 and words <= 1400, f"is a lesson of at most 65 cells and 1,400 words ({len(nb.cells)}, {words})")
    must("CPU" in beginning and "GPU" in beginning, "says how long it takes on a CPU and on a GPU")
    exercises = next((s[s.index("## Exercises"):] for s in source if "## Exercises" in s), "")
    asked = len(re.findall(r"(?m)^\d\. ", exercises))
    solutions = [cell for cell in code if cell.source.startswith("#@title Solution")]
    must((asked >= 2 or not lesson) and len(solutions) == asked, f"has a solution for each of two or more exercises ({asked} exercises, {len(solutions)} solutions)")
    must(all(cell.metadata.get("cellView") == "form" and cell.metadata.get("jupyter", {}).get("source_hidden") for cell in solutions), "folds its solutions away")
    must(("**Next:**" in source[-1] if lesson else ".ipynb)" in source[-1]), "ends with a link to what comes next")
    return found


def defined_later(cells: list) -> list[str]:
    "What the cells for a GPU use before a later cell of the notebook defines it; elsewhere the tests would find it."
    made, used = [], []
    for cell in cells:
        nodes = list(ast.walk(ast.parse(re.sub(r"(?m)^\s*%.*", "pass", cell.source))))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        made.append({node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))})
        made[-1] |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        used.append({node.id for node in names if isinstance(node.ctx, ast.Load)})
    found = []
    for i, cell in enumerate(cells):
        if cell.source.startswith("#| cuda"):
            found += sorted(used[i] & set().union(*made[i + 1:]) - set().union(*made[:i + 1]))
    return found


def read_modules() -> dict[str, Path]:
    "The library's modules by name; a package's `__init__.py` has the name of the package."
    modules = {}
    for path in sorted((root / library).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts[-1] != "_modidx":
            modules[".".join(parts)] = path
    return modules


def imports(name: str, path: Path) -> list[tuple[str, str]]:
    "What a module imports, also inside functions: (module, name), with the name '' for `import module`."
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            found += [(origin, alias.name) for alias in node.names]
    return found


def long_lines(path: Path) -> list[int]:
    "The numbers of a module's lines that are too long, but for those of the `__all__` that nbdev writes."
    text = path.read_text(encoding="utf-8")
    generated = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            generated |= set(range(node.lineno, node.end_lineno + 1))
    numbered = enumerate(text.split("\n"), 1)
    return [number for number, line in numbered if len(line) > longest_line and number not in generated]


def module_faults(name: str, path: Path) -> list[str]:
    "What is wrong with one module, in words."
    found = []
    if numbers := long_lines(path):
        which = ", ".join(map(str, numbers))
        found.append(f"more than {longest_line} characters in {len(numbers)} of its lines: {which}")
    for origin, imported in imports(name, path):
        if origin.split(".")[0] != library:
            continue
        if imported.startswith("_") and not imported.startswith("__"):
            found.append(f"it imports {imported}, which is private, from {origin}")
        if f"{library}.all" in (origin, f"{origin}.{imported}"):
            found.append(f"it imports {library}.all, which imports everything")
    return found


def loaded_by(name: str, modules: dict[str, Path]) -> set[str]:
    "Which of the library's modules a module loads: those it imports, and the packages that these are in and it isn't."
    loaded = set()
    for origin, imported in imports(name, modules[name]):
        target = f"{origin}.{imported}" if f"{origin}.{imported}" in modules else origin
        if target not in modules:
            continue
        loaded.add(target)
        package = target.rpartition(".")[0]
        while package and not f"{name}.".startswith(f"{package}."):
            loaded.add(package)
            package = package.rpartition(".")[0]
    return loaded


def circles(modules: dict[str, Path]) -> list[str]:
    "The circles among the modules' imports, each as 'a > b > a'."
    edges = {name: sorted(loaded_by(name, modules)) for name in modules}
    found, finished = [], set()

    def follow(name: str, way: list[str]) -> None:
        if name in way:
            found.append(" > ".join(way[way.index(name):] + [name]))
        elif name not in finished:
            for target in edges[name]:
                follow(target, way + [name])
            finished.add(name)

    for name in modules:
        follow(name, [])
    return found


def unproven(path: Path) -> list[str]:
    "The measured numbers in the tables of a page that stand in no stored output of lesson 10, which measures them."
    nb = nbformat.read(root / cfg["nbs_path"] / "10_comparison.ipynb", as_version=4)
    outputs = " ".join(str(cell.outputs) for cell in nb.cells if cell.cell_type == "code")
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    quoted = [number for row in rows for number in re.findall(r"(?<=\| )\d+\.\d+(?= \|)", row)]
    return [number for number in quoted if f" {number} " not in outputs]


def main() -> None:
    wrong = False
    for name in "README.md", "README.ru.md", "README.zh.md", "MODEL_CARD.md":
        if found := unproven(root / name):
            print(f"{name}: lesson 10 doesn't print {', '.join(found)}")
            wrong = True
    for path in sorted((root / cfg["nbs_path"]).glob("*.ipynb")):
        if found := faults(path):
            print(f"{path.name}: must be a notebook that", "; that ".join(found))
            wrong = True
    modules = read_modules()
    for name, path in modules.items():
        if found := module_faults(name, path):
            print(f"{path.relative_to(root)}: " + "; ".join(found))
            wrong = True
    for circle in circles(modules):
        print(f"imports in a circle: {circle}")
        wrong = True
    sys.exit(wrong)


if __name__ == "__main__":
    main()
