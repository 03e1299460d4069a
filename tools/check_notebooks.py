"""Check that every notebook opens on Colab and has the shape that CONTRIBUTING describes: `python tools/check_notebooks.py`."""
import re
import sys
from pathlib import Path

import nbformat

from render import COLAB, cfg, root

needs_gpu = {"06_training", "07_baseline", "09_strategy", "10_comparison", "15_speed", "17_train", "19_old_photos", "20_projected", "24_attention", "25_classification", "26_residual", "28_small", "29_recipe"}


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
    must(sum("%pip" in s for s in source) == 1, "installs in one cell only")
    must(not any(re.search(r"(?m)^\s*!", cell.source) for cell in code), "needs no shell")
    must((nb.metadata.get("accelerator") == "GPU") == (path.stem in needs_gpu), "asks Colab for a GPU if it uses one, and only then")
    must(path.stat().st_size < 1e6, "is smaller than a megabyte")
    must(not any(re.search(r"['\" ]/(home|root|work|tmp)/", str(cell.get("outputs"))) for cell in code), "shows no path of somebody's machine")
    must(not any(out.get("output_type") == "error" for cell in code for out in cell.outputs), "was run without an error")
    if path.stem.startswith("index"): return found
    beginning = "\n".join(source[:3])
    must("After this notebook you" in beginning, "says what the reader can do after it")
    must("CPU" in beginning and "GPU" in beginning, "says how long it takes on a CPU and on a GPU")
    exercises = next((s[s.index("## Exercises"):] for s in source if "## Exercises" in s), "")
    asked = len(re.findall(r"(?m)^\d\. ", exercises))
    solutions = [cell for cell in code if cell.source.startswith("#@title Solution")]
    must(asked >= 2 and len(solutions) == asked, f"has a solution for each of two or more exercises ({asked} exercises, {len(solutions)} solutions)")
    must(all(cell.metadata.get("cellView") == "form" and cell.metadata.get("jupyter", {}).get("source_hidden") for cell in solutions), "folds its solutions away")
    must("**Next:**" in source[-1], "ends with a link to what comes next")
    return found


def main() -> None:
    wrong = {path.name: f for path in sorted((root / cfg["nbs_path"]).glob("*.ipynb")) if (f := faults(path))}
    for name, what in wrong.items():
        print(f"{name}: must be a notebook that", "; that ".join(what))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
