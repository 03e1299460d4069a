"""Visit the page of `colorize-web` with a real Chromium: upload, slider, download, a broken file, hints, ten visits at once, and nothing left behind.

Run as `python tools/check_page.py [FOLDER]`; screenshots go to FOLDER. Needs `pip install playwright` and a Chromium (Debian: `apt-get install chromium`).
"""
import io
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import TimeoutError, sync_playwright

from colorization.lab import rgb_to_lab
from colorization.data.photos import black_and_white_photos, sample_photos
from colorization.web import open_page

shots = Path(sys.argv[1]) if len(sys.argv) > 1 else None
camera, cat, astronaut = black_and_white_photos()[1], sample_photos()[1], sample_photos()[0]


def lightness(image):
    "L* of a PIL image."
    return rgb_to_lab(torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1))[0] * 50 + 50


def browser(playwright):
    return playwright.chromium.launch(executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"])


def shoot(tab, name):
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=shots / f"{name}.jpg", type="jpeg", quality=80, full_page=True)


def colorize(tab, paths):
    "Upload photos, press the button, wait for the answer."
    tab.set_default_timeout(400_000)
    tab.locator("#photos input[type=file]").set_input_files([str(p) for p in paths])
    tab.get_by_text(Path(paths[0]).stem, exact=False).first.wait_for()
    tab.wait_for_timeout(500)
    tab.locator("#colorize").click()
    words = "/colorized|: /.test(document.querySelector('#answer')?.innerText)"  # not the seconds and steps of a slow answer
    tab.wait_for_function(words, timeout=400_000)


def download(tab, name):
    "The bytes behind the download link of a result."
    for _ in range(4):  # a click is lost when the list is drawn anew at that moment
        try:
            with tab.expect_download(timeout=15_000) as waiting:
                tab.locator(f"#results a[download*='{name}']").first.click()
            return Path(waiting.value.path()).read_bytes()
        except TimeoutError:
            tab.wait_for_timeout(1000)
    raise AssertionError(f"{name} can't be downloaded")


def one_visit(url, broken):
    "Two photos and a broken file, on a desktop; then the same page on a phone."
    with sync_playwright() as playwright:
        chromium = browser(playwright)
        tab = chromium.new_page(viewport=dict(width=1280, height=900))
        elsewhere = []
        tab.on("request", lambda request: None if request.url.startswith((url, "data:", "blob:")) else elsewhere.append(request.url))
        tab.goto(url)
        tab.locator("#colorize").wait_for()
        shoot(tab, "page_empty")
        colorize(tab, [camera, cat, broken])
        tab.locator("#slider img").first.wait_for()
        tab.wait_for_timeout(1000)
        shoot(tab, "page_done")
        answer = tab.locator("#answer").inner_text()
        assert "2 colorized" in answer and "broken.jpg" in answer, answer
        handle = tab.locator("#slider .inner, #slider .outer").first.bounding_box()
        x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        before = tab.locator("#slider").screenshot()
        tab.mouse.move(x, y), tab.mouse.down(), tab.mouse.move(x - 150, y, steps=5), tab.mouse.up()
        tab.wait_for_timeout(500)
        assert tab.locator("#slider").screenshot() != before, "the slider doesn't move"
        for name, original in ("camera.png", camera), ("chelsea.png", cat):
            result = Image.open(io.BytesIO(download(tab, name)))
            assert result.size == Image.open(original).size, name
            difference = (lightness(result) - lightness(Image.open(original))).abs().mean()
            assert difference < 0.5, f"{name}: lightness differs by {difference:.2f}"
        tab.set_viewport_size(dict(width=390, height=844))
        tab.wait_for_timeout(500)
        shoot(tab, "page_phone")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 400, "the page is wider than a phone"
        chromium.close()
    assert not elsewhere, f"the page asks other hosts: {elsewhere}"


def bytes_of_photo(tab, place="#hint_photo"):
    "The file that the desk shows."
    return bytes(tab.evaluate("place => fetch(document.querySelector(place + ' img').src).then(r => r.arrayBuffer()).then(b => [...new Uint8Array(b)])", place))


def most_different(palette, color):
    "Which swatch of a palette differs most from a colour."
    strip = np.array(Image.open(io.BytesIO(palette)).convert("RGB")).astype(int)
    swatches = strip[strip.shape[0] // 2, 30::60]
    return int(np.abs(swatches - color).sum(1).argmax())


def wait_for_new_photo(tab, act):
    "Do something that changes the desk's photo; returns the new file and the seconds it took."
    before, began = tab.locator("#hint_photo img").get_attribute("src") if tab.locator("#hint_photo img").count() else "", time.perf_counter()
    act()
    tab.wait_for_function("before => { const i = document.querySelector('#hint_photo img'); return i && i.src != before && i.complete && i.naturalWidth }", arg=before)
    return bytes_of_photo(tab), time.perf_counter() - began


def click_at(tab, selector, x, y):
    "Click at a picture, at shares of its width and height."
    box = tab.locator(f"{selector} img").first.bounding_box()
    tab.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def hint_visit(url, path, x, y):
    "Give a photo one hint, from the palette; returns the desk's files before it, with it, and undone, the hints' text, and seconds."
    with sync_playwright() as playwright:
        chromium = browser(playwright)
        tab = chromium.new_page(viewport=dict(width=1280, height=1400))
        tab.goto(url)
        colorize(tab, [path])
        plain, _ = wait_for_new_photo(tab, lambda: tab.locator("#start_hints").click())
        tab.locator("#hint_photo").scroll_into_view_if_needed()
        tab.wait_for_timeout(300)
        click_at(tab, "#hint_photo", x, y)
        tab.locator("#palette img").wait_for()
        tab.wait_for_timeout(500)
        image = Image.open(io.BytesIO(plain)).convert("RGB")
        color = image.getpixel((int(x * image.width), int(y * image.height)))
        swatch = most_different(bytes_of_photo(tab, "#palette"), color)
        hinted, seconds = wait_for_new_photo(tab, lambda: click_at(tab, "#palette", (swatch + 0.5) / 8, 0.5))
        tab.locator("#hints a").first.wait_for()
        shoot(tab, f"page_hint_{path.stem}")
        with tab.expect_download() as waiting:
            tab.locator("#hints a").first.click()
        text = Path(waiting.value.path()).read_text()
        undone, _ = wait_for_new_photo(tab, lambda: tab.locator("#undo").click())
        tab.locator("#others").click()
        tab.wait_for_function("document.querySelectorAll('#gallery button img').length >= 4")
        shoot(tab, f"page_variants_{path.stem}")
        variant, _ = wait_for_new_photo(tab, lambda: tab.locator("#gallery button img").nth(2).click())
        chromium.close()
    assert variant != undone, "a variant is no other picture"
    return plain, hinted, undone, text, seconds


def ab_of(data):
    "a* and b* of a file."
    return rgb_to_lab(torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("RGB"))).permute(2, 0, 1))[1] * 110


def check_hints(url, folder):
    "A hint changes the thing and not its surroundings; undoing brings back the picture to the byte. The seconds are printed."
    large = folder / "large.png"
    Image.open(astronaut).resize((4000, 3000)).save(large)
    plain, hinted, undone, text, seconds = hint_visit(url, large, 0.3, 0.75)
    change = (ab_of(hinted) - ab_of(plain)).norm(dim=0)
    height, width = change.shape
    at = change[int(0.75 * height) - 5:int(0.75 * height) + 5, int(0.3 * width) - 5:int(0.3 * width) + 5].mean()
    away = change[:height // 8, width // 2:].mean()
    print(f"a click changed the place by {at:.0f} in a* and b*, the far corner by {away:.1f}, after {seconds:.2f} s")
    assert at > 10 and away < at / 5
    assert undone == plain, "undoing doesn't bring back the picture"
    x, y, color = text.strip().split(",")
    assert abs(float(x) - 1200) < 15 and abs(float(y) - 2250) < 15 and color.startswith("#"), text


def quick_visit(url, path):
    "A visit of one photo; returns what was downloaded."
    with sync_playwright() as playwright:
        chromium = browser(playwright)
        tab = chromium.new_page()
        tab.goto(url)
        colorize(tab, [path])
        data = download(tab, path.name)
        chromium.close()
    return data


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder, page = Path(folder), open_page()
        (folder / "broken.jpg").write_text("not a photo")
        one_visit(page.local_url, folder / "broken.jpg")
        print("upload, slider, download, a broken file: as they should be")
        check_hints(page.local_url, folder)
        print("hints: a click, undo, download and variants are as they should be")
        photos = [folder / f"photo{i}.png" for i in range(10)]
        for i, path in enumerate(photos):
            Image.new("L", (200 + i, 100), 30 + 20 * i).save(path)
        with ThreadPoolExecutor(10) as pool:
            results = list(pool.map(lambda path: quick_visit(page.local_url, path), photos))
        assert [Image.open(io.BytesIO(data)).size for data in results] == [(200 + i, 100) for i in range(10)]
        print("ten visits at once: each got its own photo")
        with ThreadPoolExecutor(10) as pool:
            visits = list(pool.map(lambda i: hint_visit(page.local_url, photos[i], 0.05 + 0.09 * i, 0.5), range(10)))
        for i, (plain, hinted, undone, text, _) in enumerate(visits):
            assert Image.open(io.BytesIO(hinted)).size == (200 + i, 100) and undone == plain != hinted, i
            assert abs(float(text.split(",")[0]) - (0.05 + 0.09 * i) * (200 + i)) < 4, (i, text)
        print("ten visits with hints at once: each got its own hint")
        for _ in range(60):
            left = [p for p in Path(page.visits.folder.name).rglob("*") if p.is_file() and p.stat().st_size]  # gr.File leaves empty ones
            if not left:
                break
            time.sleep(1)
        assert not left, f"the visitors left, their files didn't: {left}"
        print("nothing is left on the server")
        page.close()


if __name__ == "__main__":
    main()
