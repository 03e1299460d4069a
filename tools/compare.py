"""Write a page to compare our colours with somebody else's, blind: `python tools/compare.py FOLDER_OF_GREY OUT`.

The folder holds grey photos NAME_grey.png and, beside each, what others made of it: NAME_SUFFIX.jpg or .png. The page shows
grey, and two results in random order; a click (or the keys 1, 2 and 0) says which is better. In the end it counts.
"""
import argparse
import json
import random
import shutil
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from colorization.colorize import Colorizer
from colorization.weights import DEFAULT_WEIGHTS

PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Which is better?</title>
<style>
body {{ font: 16px system-ui, sans-serif; margin: 1rem auto; max-width: 1300px }}
.row {{ display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem; margin: 1.5rem 0 .25rem }}
img {{ width: 100% }}
button {{ font: inherit; padding: .4rem 1rem }}
.answered {{ opacity: .35 }}
</style>
<h1>Which is better?</h1>
<p>Left the photo without colour, then two results in random order. Click on the better one, or on "equal".</p>
<div id="rows"></div>
<h2 id="count" aria-live="polite"></h2>
<script>
const pairs = {pairs};
const answers = {{}};
const rows = document.querySelector('#rows');
function count() {{
  const n = {{ours: 0, equal: 0, theirs: 0}};
  for (const answer of Object.values(answers)) n[answer]++;
  const left = pairs.length - Object.keys(answers).length;
  document.querySelector('#count').textContent = left ? `${{left}} to go`
    : `ours better ${{n.ours}}, equal ${{n.equal}}, theirs better ${{n.theirs}}, of ${{pairs.length}}`;
}}
for (const pair of pairs) {{
  const section = document.createElement('section');
  section.innerHTML = `<div class="row"><img src="${{pair.grey}}" alt="without colour">
    <img src="${{pair.shown[0]}}" alt="first" tabindex="0"><img src="${{pair.shown[1]}}" alt="second" tabindex="0"></div>
    <button>equal</button>`;
  const [, first, second] = section.querySelectorAll('img');
  const answer = value => {{ answers[pair.name] = value; section.classList.add('answered'); count(); }};
  first.onclick = () => answer(pair.sides[0]);
  second.onclick = () => answer(pair.sides[1]);
  section.querySelector('button').onclick = () => answer('equal');
  section.onkeydown = event => {{ const i = ['0', '1', '2'].indexOf(event.key);
    if (i >= 0) answer(i ? pair.sides[i - 1] : 'equal'); }};
  rows.append(section);
}}
count();
</script>
"""


def other_results(folder: Path, name: str, against: str, names: list[str]) -> list[Path]:
    "What others made of the photo `name`, one of `names`, but for its truth."
    found = []
    for path in sorted(folder.glob(f"{name}_*")):
        longest = max((other for other in names if path.stem.startswith(f"{other}_")), key=len)
        is_picture = path.suffix.lower() in (".jpg", ".jpeg", ".png")
        is_input = path.stem.endswith(("_grey", "_truth"))
        if longest == name and is_picture and not is_input and path.stem.endswith(against):
            found.append(path)
    return found


def make_page(folder: Path, out: Path, against: str, weights: str) -> int:
    "Write page and pictures to `out`; returns the number of pairs."
    colorizer, pairs, hidden = Colorizer.from_pretrained(weights), [], random.Random()
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    greys = sorted(folder.glob("*_grey.png"))
    names = [grey.stem.removesuffix("_grey") for grey in greys]
    for name, grey in zip(names, tqdm(greys, "colorizing", unit="photo")):
        ours = colorizer.colorize(grey)
        for number, theirs in enumerate(other_results(folder, name, against, names)):
            files = {side: f"pictures/{hidden.randrange(10**12):012}.png" for side in ("grey", "ours", "theirs")}
            shutil.copy(grey, out / files["grey"])
            ours.save(out / files["ours"])
            with Image.open(theirs) as picture:
                picture.convert("RGB").resize(ours.size).save(out / files["theirs"])
            sides = hidden.sample(["ours", "theirs"], 2)
            pairs.append(dict(name=f"{name} {number}", grey=files["grey"], shown=[files[s] for s in sides], sides=sides))
    hidden.shuffle(pairs)
    (out / "index.html").write_text(PAGE.format(pairs=json.dumps(pairs)), encoding="utf-8")
    return len(pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="grey photos NAME_grey.png and others' results NAME_SUFFIX")
    parser.add_argument("out", type=Path, help="folder for the page")
    parser.add_argument("--against", default="", metavar="SUFFIX", help="only results with this suffix (default: all)")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS, metavar="NAME_OR_FILE", help="ours (default: %(default)s)")
    args = parser.parse_args()
    count = make_page(args.folder, args.out, args.against, args.weights)
    if not count:
        raise SystemExit(f"error: no NAME_grey.png with a result beside it in {args.folder}")
    print(f"{count} pairs; open {args.out / 'index.html'}")


if __name__ == "__main__":
    main()
