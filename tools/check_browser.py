"""Visit the page that runs in the visitor's own browser with a real Chromium, as a desktop and as a phone.

Run as `python tools/check_browser.py [FOLDER]`, after `python tools/site.py` (else the page is built for the visit);
screenshots go to FOLDER. It prints what it measured: seconds, memory, bytes loaded, and the difference from what the
command `colorize` writes. With `--webgpu` the network runs on Chromium's WebGPU without a GPU too, which takes minutes.
"""
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms
from playwright.sync_api import sync_playwright

from browser_page import build_page, root
from colorization.colorize import Colorizer
from colorization.data.photos import sample_photos
from colorization.hints import read_hints
from colorization.images import open_photo, save_photo
from colorization.lab import rgb_to_lab
from colorization.metrics import delta_e

PATIENCE = 600_000 # milliseconds: slow machines are no fault of the page; what it took is printed
arguments = [word for word in sys.argv[1:] if word != "--webgpu"]
shots = Path(arguments[0]) if arguments else None
astronaut, cat, coffee, motorcycle, rocket, china, flower, hopper = sample_photos()


# The photos

def save(folder: Path, name: str, source: Path, size: tuple[int, int], **options) -> Path:
    "A photo in another size, as a file of the kind that its name says."
    image = Image.open(source).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    image.save(folder / name, quality=95, **options)
    return folder / name


def good_files(folder: Path) -> dict[str, Path]:
    "Photos of a megapixel, of twelve, on its side, with a colour profile, and of odd shapes."
    (turned := Image.Exif())[0x112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exchanged = profile.replace(b"rXYZ", b"temp").replace(b"bXYZ", b"rXYZ").replace(b"temp", b"bXYZ")
    return {
        "one": save(folder, "temple.jpg", china, (1225, 817)),
        "two": save(folder, "red flower.png", flower, (1201, 801)),
        "three": save(folder, "rocket.jpg", rocket, (1225, 817)),
        "twelve": save(folder, "twelve megapixels.jpg", coffee, (4000, 3000)),
        "turned": save(folder, "turned.jpg", hopper, (700, 500), exif=turned),
        "profile": save(folder, "red is blue.png", flower, (640, 427), icc_profile=exchanged),
        "wide": save(folder, "wide.png", motorcycle, (1500, 211)),
        "tall": save(folder, "tall.png", astronaut, (77, 513)),
        "dot": save(folder, "dot.png", cat, (1, 1))}


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    "Files that are no photos or too large, each with a part of what the page must say."
    whole = io.BytesIO()
    Image.open(cat).save(whole, "png")
    data = {"empty.jpg": (b"", "0 bytes"), "text.jpg": (b"not a photo", "not a photo"),
            "telephone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC"),
            "cut.png": (whole.getvalue()[:5000], "damaged")}
    for name, (content, _) in data.items():
        (folder / name).write_bytes(content)
    Image.new("1", (20_000, 10_000)).save(folder / "huge.png")
    return {name: (folder / name, said) for name, said in [*((n, s) for n, (_, s) in data.items()),
                                                           ("huge.png", "200 megapixels")]}


def difference(result: Image.Image, expected: Image.Image) -> tuple[float, float]:
    "Mean CIEDE2000 and mean difference of L* of two photos of one size."
    assert result.size == expected.size, (result.size, expected.size)
    one, other = (torch.from_numpy(np.array(x.convert("RGB"))).permute(2, 0, 1)[None] for x in (result, expected))
    light = (rgb_to_lab(one)[0] - rgb_to_lab(other)[0]).abs().mean() * 50
    return delta_e(one, other).item(), light.item()


# The machine

@contextmanager
def served(folder: Path):
    "The address of a folder, served by `python -m http.server`, and its process."
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield re.search(r"http://\S+?/", process.stdout.readline())[0], process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def another_host():
    "The address of a second server, and the list of what was asked of it."
    asked = []

    class Listen(BaseHTTPRequestHandler):
        def log_message(self, *_): pass
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listen)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()


def browser_memory() -> int:
    "Bytes of memory of every process of Chromium that descends from this one, shared pages counted once (Linux)."
    parents, total = {}, 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
            parents[int(stat.parent.name)] = (int(rest.split()[1]), name)
        except OSError: # it has ended
            pass
    for process, (parent, name) in parents.items():
        while parent in parents and parent != os.getpid():
            parent = parents[parent][0]
        if parent == os.getpid() and "chrom" in name:
            try:
                rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
                total += int(re.search(r"Pss:\s+(\d+)", rollup)[1]) * 1024
            except OSError:
                pass
    return total


class Peak:
    "The largest memory of the browser while a block runs."
    def __enter__(self):
        self.bytes, self.running = 0, True
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self
    def watch(self):
        while self.running:
            self.bytes = max(self.bytes, browser_memory())
            time.sleep(0.2)
    def __exit__(self, *_):
        self.running = False
        self.thread.join()


# The visits

def shoot(tab, name):
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=shots / f"{name}.png", full_page=True)


def choose(tab, *paths):
    tab.locator("#choose").set_input_files([str(path) for path in paths])


def wait_done(tab, count):
    "Wait until so many photos are in the list, all of them in colour."
    tab.wait_for_function(
        """count => {
          const bars = [...document.querySelectorAll('#photos progress')]
          return bars.length === count && bars.every(bar => bar.hidden)
        }""", arg=count)


def open_item(tab, path):
    "Show a photo of the list; returns what the download link gives."
    tab.locator(f"#photos button[aria-label*='{path.name}']").click()
    with tab.expect_download(timeout=PATIENCE) as waiting:
        tab.locator("#download").click()
    return waiting.value.suggested_filename, Image.open(io.BytesIO(Path(waiting.value.path()).read_bytes()))


def compare(tab, colorizer, path):
    "Download a result; it must be what the command `colorize` writes for the file."
    name, result = open_item(tab, path)
    save_photo(colorizer.colorize(path), expected := path.parent / f"expected{Path(name).suffix}", path)
    color, light = difference(result, open_photo(expected)[0])
    print(f"  {name:34} {str(result.size):13} CIEDE2000 {color:.3f}, L* {light:.3f}")
    assert name.startswith(path.stem), name
    assert color < 0.5 and light < 0.5, f"{path.name} is not what the command makes of it"


def patient(context):
    "A new tab that waits as long as a slow machine takes."
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    return tab


def fits(tab, width):
    assert tab.evaluate("document.documentElement.scrollWidth") <= width, f"the page is wider than {width} pixels"


def timed(tab, path, count, what):
    "Colour one more photo; print how long it took and the largest memory, and return that."
    with Peak() as peak:
        began = time.time()
        choose(tab, path)
        wait_done(tab, count)
        seconds = time.time() - began
    print(f"  {what}: {seconds:.1f} s, at most {peak.bytes / 1e9:.2f} GB of memory in all processes of the browser")
    return peak.bytes


def desktop(browser, url, server, photos, bad):
    "The whole of the page, on a desktop; at its end the server is gone."
    colorizer = Colorizer.from_pretrained(device="cpu")
    context = browser.new_context(viewport=dict(width=1280, height=900), accept_downloads=True, locale="en")
    tab, requests, loaded, errors = patient(context), [], {}, []
    context.on("request", lambda request: requests.append(request.url))
    lengths = lambda r: {r.url: int(r.headers.get("content-length", 0))} if r.url.startswith(url) else {}
    context.on("response", lambda response: loaded.update(lengths(response)))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    began = time.time()
    tab.goto(url)
    choose(tab, photos["one"])
    tab.locator("#stage").wait_for()
    shoot(tab, "desktop_loading")
    wait_done(tab, 1)
    print(f"  a megapixel, from a cold page: {time.time() - began:.1f} s; {tab.locator('#engine').inner_text()}")
    print(f"  loaded: {sum(loaded.values()) / 1e6:.1f} MB in {len(loaded)} files")
    assert any(address.endswith(".onnx") for address in loaded), "what the worker loads isn't counted"
    assert sum(loaded.values()) < 45e6, "the page is too large"
    shoot(tab, "desktop_done")
    timed(tab, photos["two"], 2, "another megapixel")
    assert timed(tab, photos["twelve"], 3, "12 megapixels") < 2e9, "the browser takes more than 2 GB"
    choose(tab, *[photos[name] for name in ("three", "turned", "profile", "wide", "tall", "dot")])
    wait_done(tab, len(photos))
    for path in photos.values():
        compare(tab, colorizer, path)
    check_strength(tab, photos["one"])
    check_hints(tab, colorizer, photos["three"], photos["twelve"])
    check_bad(tab, bad, photos["three"])
    check_policy(tab)
    check_languages(tab)
    check_install(tab)
    elsewhere = [address for address in requests if not address.startswith((url.rsplit("/", 2)[0], "blob:", "data:"))]
    assert not elsewhere, f"the page asks other hosts: {elsewhere}"
    print(f"  {len(requests)} requests, none of them to another host")
    check_offline(tab, server, photos["three"])
    assert not errors, errors
    context.close()


def check_strength(tab, path):
    "Strength 0 gives back the grey photo; the slider moves the line."
    tab.locator(f"#photos button[aria-label*='{path.name}']").click()
    tab.locator("#strength").fill("0")
    tab.locator("#strength").dispatch_event("change")
    tab.wait_for_function("() => !document.querySelector('#photos button[aria-current=true] progress').hidden")
    wait_done(tab, tab.locator("#photos li").count())
    _, result = open_item(tab, path)
    chroma = (rgb_to_lab(torch.from_numpy(np.array(result)).permute(2, 0, 1))[1] * 110).norm(dim=0).mean().item()
    assert chroma < 1, f"at strength 0 the photo has a chroma of {chroma:.1f}"
    box = tab.locator("#compare").bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    split = tab.evaluate("getComputedStyle(document.querySelector('#compare')).getPropertyValue('--split')")
    assert 15 < float(split.rstrip("%")) < 25, f"the line is at {split}"
    print("  strength and line: as they should be")


def pick(tab, x, y):
    "Click on the photo at a share of its width and height; returns the colours that are offered there."
    aim = tab.locator("#aim")
    box = aim.bounding_box()
    aim.click(position=dict(x=box["width"] * x, y=box["height"] * y))
    tab.wait_for_function("() => !document.querySelector('#swatches').hidden")
    return tab.locator("#swatches button").evaluate_all("buttons => buttons.map(b => b.style.backgroundColor)")


def recolored(tab, act):
    "Wait until what an action changes is shown, then until the whole photo is done; returns the seconds of each."
    former = tab.locator("#after").get_attribute("src")
    began = time.time()
    act()
    tab.wait_for_function("former => document.querySelector('#after').src !== former", arg=former)
    first = time.time() - began
    wait_done(tab, tab.locator("#photos li").count())
    return first, time.time() - began


def pixels(result):
    "The pixels of a photo as (1, 3, H, W)."
    return torch.from_numpy(np.array(result.convert("RGB"))).permute(2, 0, 1)[None]


def check_hints(tab, colorizer, path, large):
    "A hint changes the thing and not its surroundings, is what the command makes of it, and can be undone to the byte."
    _, before = open_item(tab, path)
    tab.locator("#hinting").click()
    offered = pick(tab, 0.5, 0.3)
    assert len(offered) == 8 and len(set(offered)) == 8, offered
    shoot(tab, "desktop_palette")
    recolored(tab, lambda: tab.locator("#swatches input").fill("#a03050"))
    _, after = open_item(tab, path)
    shoot(tab, "desktop_hint")
    with tab.expect_download() as waiting:
        tab.locator("#save-hints").click()
    waiting.value.save_as(saved := path.parent / waiting.value.suggested_filename)
    (x, y, color), = read_hints(saved)
    assert abs(x / after.width - 0.5) < 0.01 and abs(y / after.height - 0.3) < 0.01 and color == (160, 48, 80)
    expected = path.parent / "hinted.jpg"
    save_photo(colorizer.colorize(path, hints=[(x, y, color)]), expected, path)
    difference_now, light = difference(after, open_photo(expected)[0])
    print(f"  with a hint: CIEDE2000 {difference_now:.3f} and L* {light:.3f} from what the command makes of it")
    assert difference_now < 0.5 and light < 0.5
    moved = (rgb_to_lab(pixels(after))[1] - rgb_to_lab(pixels(before))[1]).norm(dim=1)[0] * 110
    at_hint, border = moved[int(y) - 4:int(y) + 5, int(x) - 4:int(x) + 5].mean(), moved[-60:].mean()
    print(f"  a hint moves the colours by {at_hint:.1f} under it, by {border:.1f} at the lower edge of the photo")
    assert at_hint > 5 * border and at_hint > 5
    pick(tab, 0.2, 0.8)
    recolored(tab, lambda: tab.locator("#swatches button").first.click())
    recolored(tab, lambda: tab.locator("#undo").click())
    assert open_item(tab, path)[1].tobytes() == after.tobytes(), "to undo the second hint doesn't bring back the first"
    recolored(tab, lambda: tab.locator("#no-hints").click())
    assert open_item(tab, path)[1].tobytes() == before.tobytes(), "without hints the photo isn't as it was"
    open_item(tab, large)
    for count in 1, 2:
        pick(tab, 0.3 * count, 0.5)
        first, whole = recolored(tab, lambda: tab.locator("#swatches button").nth(1).click())
        print(f"  hint {count} on 12 megapixels: shown after {first:.1f} s, the whole photo after {whole:.1f} s")
    check_hint_keys(tab)
    tab.locator("#hinting").click()


def check_hint_keys(tab):
    "A hint without a mouse."
    tab.locator("#aim").focus()
    for key in "ArrowRight", "ArrowDown", "Enter":
        tab.keyboard.press(key)
    tab.wait_for_function("() => document.activeElement.parentNode.id === 'swatches'")
    before = tab.locator("#aim i").count()
    recolored(tab, lambda: tab.keyboard.press("Enter"))
    assert tab.locator("#aim i").count() == before, "the place has become a hint"
    recolored(tab, lambda: tab.locator("#undo").press("Enter"))
    print("  hints with the keyboard alone: placed, chosen, undone")


def check_bad(tab, bad, good):
    "Bad files, and between them a good one: a sentence for each, and the page goes on."
    tab.locator("#clear").click()
    files = [path for path, _ in bad.values()]
    choose(tab, *files[:2], good, *files[2:])
    wait_done(tab, 1)
    tab.wait_for_function(f"() => document.querySelectorAll('#problems li').length === {len(bad)}")
    wait_done(tab, 1)
    said = tab.locator("#problems li").all_inner_texts()
    for name, (_, words) in bad.items():
        line = next((line for line in said if name in line), "")
        assert words in line, f"of {name} the page says {line!r}"
        print("  ", line)
    shoot(tab, "desktop_bad_files")


def check_policy(tab):
    "Neither the page nor the worker that holds the photo can reach another host."
    with another_host() as (address, asked):
        ask = f"fetch('{address}?photo').then(() => 'reached', () => 'refused')"
        answers = [place.evaluate(ask) for place in (tab, *tab.workers)]
        assert len(answers) > 1 and set(answers) == {"refused"} and not asked, (answers, asked)
    print("  page and worker are refused when they try to reach another host")


def check_languages(tab):
    for language in "zh", "ru", "en":
        tab.locator(f"[data-language={language}]").click()
        fits(tab, 1280)
        shoot(tab, f"desktop_{language}")
    keys = "import('./texts.js').then(m => Object.values(m.texts).map(t => Object.keys(t).sort().join()))"
    assert len(set(tab.evaluate(keys))) == 1, "a text is missing in one of the languages"


def check_install(tab):
    "Nothing but the private window that Playwright opens stands in the way of installing the page as an app."
    session = tab.context.new_cdp_session(tab)
    errors = [error["errorId"] for error in session.send("Page.getInstallabilityErrors")["installabilityErrors"]]
    errors += session.send("Page.getAppManifest")["errors"]
    assert errors in ([], ["in-incognito"]), errors


def check_offline(tab, server, path):
    "With the server gone, the page opens and colours."
    tab.wait_for_function("() => navigator.serviceWorker.controller !== null")
    server.terminate()
    server.wait()
    tab.reload()
    choose(tab, path)
    wait_done(tab, 1)
    print("  without the server: the page opens and colours")


def keyboard(browser, url, path):
    "Choose, move the line, change the strength, download: without a mouse."
    context = browser.new_context(viewport=dict(width=1280, height=900), locale="en")
    tab, dialogs = patient(context), []
    tab.on("filechooser", lambda dialog: dialogs.append(dialog)) # early: to listen takes the browser a moment
    tab.goto(url)

    def tab_to(name):
        for _ in range(30):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.id") == name:
                return
        raise AssertionError(f"Tab doesn't reach {name}")

    tab_to("choose")
    shoot(tab, "keyboard_focus")
    tab.keyboard.press("Enter")
    for _ in range(PATIENCE // 100):
        if dialogs:
            break
        tab.wait_for_timeout(100)
    dialogs[0].set_files(str(path))
    wait_done(tab, 1)
    tab.evaluate("document.activeElement.blur()")
    tab_to("split")
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("#split").input_value() == "49"
    tab_to("strength")
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("() => !document.querySelector('#photos progress').hidden")
    wait_done(tab, 1)
    assert tab.locator("#percent").inner_text() == "110 %"
    tab_to("download")
    with tab.expect_download() as waiting:
        tab.keyboard.press("Enter")
    assert Image.open(waiting.value.path()).size == Image.open(path).size
    context.close()
    print("  with the keyboard alone: chosen, compared, made stronger, downloaded")


def phone(browser, url, photos):
    context = browser.new_context(viewport=dict(width=390, height=844), is_mobile=True, has_touch=True,
                                  device_scale_factor=2, locale="en")
    tab = patient(context)
    tab.goto(url)
    tab.locator("#example-list img").last.wait_for()
    for width in 320, 390:
        tab.set_viewport_size(dict(width=width, height=844))
        fits(tab, width)
    shoot(tab, "phone_empty")
    tab.locator("#example-list button").first.tap()
    wait_done(tab, 1)
    fits(tab, 390)
    shoot(tab, "phone_done")
    tab.locator("#hinting").tap()
    pick(tab, 0.5, 0.6)
    fits(tab, 390)
    shoot(tab, "phone_palette")
    recolored(tab, lambda: tab.locator("#swatches button").nth(1).tap())
    shoot(tab, "phone_hint")
    choose(tab, photos["tall"], photos["two"], photos["turned"])
    wait_done(tab, 4)
    tab.locator("[data-language=ru]").tap()
    fits(tab, 390)
    shoot(tab, "phone_ru")
    context.close()
    print("  on a phone's width: nothing sticks out, an example and three photos are coloured, one with a hint")


def webgpu(playwright, chromium, url, path):
    "WebGPU gives the same colours; where it is computed by the processor, the page prefers WebAssembly."
    software = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"]
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *software])
    tab = patient(browser.new_context(locale="en"))
    for address, engine in (url, "WebAssembly on"), (f"{url}?device=webgpu", "WebGPU"):
        tab.goto(address)
        tab.wait_for_function("() => document.querySelector('#engine').innerText")
        assert engine in tab.locator("#engine").inner_text(), tab.locator("#engine").inner_text()
    choose(tab, path)
    wait_done(tab, 1)
    compare(tab, Colorizer.from_pretrained(device="cpu"), path)
    browser.close()


def main():
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        folder = Path(folder)
        site = root / "_site"
        if not (site / "browser").is_dir():
            site = folder / "site"
            site.mkdir()
            build_page(site / "browser")
        (folder / "photos").mkdir()
        photos, bad = good_files(folder / "photos"), bad_files(folder / "photos")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with served(site) as (address, server):
            if "--webgpu" in sys.argv:
                print("WebGPU"), webgpu(playwright, chromium, f"{address}browser/", photos["two"])
            print("phone"), phone(browser, f"{address}browser/", photos)
            print("keyboard"), keyboard(browser, f"{address}browser/", photos["one"])
            print("desktop"), desktop(browser, f"{address}browser/", server, photos, bad)
        browser.close()


if __name__ == "__main__":
    main()
