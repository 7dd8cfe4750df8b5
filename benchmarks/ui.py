"""Measure the interface in a real browser: from what the hand does to the frame that shows what came of it.

    python benchmarks/ui.py --out benchmarks/ui.json     # about five minutes; needs Chromium and the `test` extra
    python benchmarks/ui.py --quick                      # a small map, to see that it all runs

The widgets and `edsnb serve` run in processes of their own on this machine; the browser is headless and has no graphics
card. How times are taken stands in README.md and ui.js.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from jobs import ELEMENTS, Result
from peers import PACKAGES, machine, run_timed, version
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
UI_PACKAGES = ("panel", "panel-material-ui", "bokeh", "holoviews", "playwright")
SCRIPT = Path(__file__).with_name("ui.js").read_text("utf-8")
MAP, SPECTRUM, COMPOSITION = r"x \(", "X-rays per channel", r"\(at%\)"
"""What is found in title and axis labels of these figures."""


@dataclass(frozen=True)
class Setup:
    """Size of the measured case."""

    size: int = 512
    frames: int = 30
    counts: int = 120
    """X-rays per pixel."""
    chip: int = 15
    crop: int = 500
    """Edge of the part of the map that is cut."""
    dense_chip: int = 10
    """Size of chips, all over the map, while it is moved and zoomed."""
    repeats: int = 20
    warm_ups: int = 3
    pause_s: float = 0.35
    """Between one action and the next."""
    pages: int = 5
    """Times that the page is opened."""


QUICK = Setup(size=128, frames=8, crop=120, dense_chip=4, repeats=3, warm_ups=1, pages=2)
Action = Callable[[int], None]


def serve_widget(name: str, port: int, example: str, setup: Setup) -> None:
    """Serve one explorer until the process is ended."""
    import panel as pn

    import edsnb

    image = edsnb.open(example)
    recipe = edsnb.Recipe(
        chip=setup.chip, crop=(0, setup.crop) * 2, elements=ELEMENTS[:5], deconvolve=ELEMENTS[5:]
    )  # fmt: skip
    analysis = edsnb.analyse(image, recipe) if name == "fit" else None
    apps: dict[str, Callable[[], Any]] = {
        "chips": lambda: edsnb.ChipExplorer(image, recipe=recipe),
        "dense": lambda: edsnb.ChipExplorer(image, chip=setup.dense_chip),
        "fit": lambda: edsnb.FitExplorer(analysis),
    }
    pn.serve(
        {"app": apps[name]}, port=port, address="127.0.0.1", show=False, websocket_origin=f"localhost:{port}"
    )  # fmt: skip


@contextmanager
def served(name: str, setup: Setup, example: Path) -> Iterator[str]:
    """Run a server in a process of its own; yield the address of its page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    if name == "workbench":
        command = [str(Path(sys.executable).with_name("edsnb")), "serve", str(example), "--port", str(port)]
        address = f"http://localhost:{port}"
    else:
        command = [sys.executable, __file__, "--serve", name, str(port), str(example), json.dumps(asdict(setup))]
        address = f"http://localhost:{port}/app"
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not _listens(port):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"benchmark: the server of {name} did not start: {' '.join(command)}")
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """Open a page, and wait until its first map is drawn and it has come to rest."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(120_000)
    page.add_init_script(SCRIPT)
    page.goto(address)
    page.evaluate("bench.first()")
    _rest(page)
    yield page
    page.close()


def _rest(page: Page, seconds: float = 2.0) -> None:
    page.wait_for_function("Bokeh.documents.every(document => document.is_idle)")
    page.wait_for_timeout(1000 * seconds)


def latency(page: Page, setup: Setup, event: str, figures: str, column: str, act: Action) -> Result:
    """Return the time from an event to the frame in which all such figures show other data, over repeated actions."""
    times = []
    for k in range(setup.warm_ups + setup.repeats):
        page.evaluate("(what) => bench.arm(...what)", [event, figures, column])
        act(k)
        times.append(page.evaluate("bench.result"))
        page.wait_for_timeout(1000 * setup.pause_s)
    return _summary(times[setup.warm_ups :])


def _summary(times: Sequence[float]) -> Result:
    ordered = sorted(times)
    return {
        "ms": median(ordered),
        "p90_ms": ordered[min(len(ordered) - 1, round(0.9 * len(ordered)))],
        "all_ms": [round(t, 1) for t in times],
    }


def _click(page: Page, y: float, x: float) -> None:
    page.mouse.click(*page.evaluate("(where) => bench.place(...where)", [MAP, y, x]))


def chips(browser: Browser, setup: Setup, example: Path) -> dict[str, Result]:
    """Cut the map by the slider of the chip size, and click on chips."""
    with served("chips", setup, example) as address, opened(browser, address) as page:
        slider = page.get_by_role("slider", name="Chip size (px)")

        def step(k: int) -> None:
            slider.press("ArrowLeft" if k % 2 else "ArrowRight")

        def click(k: int) -> None:
            _click(page, *_somewhere(setup, k))

        click(-1)
        _rest(page)
        slider.focus()
        return {
            "overlay": latency(page, setup, "keydown", MAP, "x0", step),
            "spectrum_of_new_chip": latency(page, setup, "keydown", SPECTRUM, "counts0", step),
            "spectrum_of_click": latency(page, setup, "pointerup", SPECTRUM, "counts0", click),
        }


def _somewhere(setup: Setup, k: int) -> tuple[float, float]:
    """Return a pixel (y, x) of the cut part that is in another chip than the one before."""
    cells = setup.crop // setup.chip
    cell = (3 * k + 1) % cells, (5 * k + 2) % cells
    return (cell[0] + 0.5) * setup.chip, (cell[1] + 0.5) * setup.chip


def fits(browser: Browser, setup: Setup, example: Path) -> dict[str, Result]:
    """Click on chips, and look at spectrum, fit and residuals."""
    with served("fit", setup, example) as address, opened(browser, address) as page:

        def click(k: int) -> None:
            _click(page, *_somewhere(setup, k))

        return {"fit_of_click": latency(page, setup, "pointerup", SPECTRUM, "model0", click)}


def motion(browser: Browser, setup: Setup, example: Path) -> dict[str, Result]:
    """Drag the map, with all chips on it, and zoom it with the wheel: the time from one drawn frame to the next."""
    with served("dense", setup, example) as address, opened(browser, address) as page:
        y = x = setup.size / 2
        left, top = page.evaluate("(where) => bench.place(...where)", [MAP, y, x])

        def drag() -> None:
            page.mouse.move(left, top)
            page.mouse.down()
            for k in range(60):
                page.mouse.move(left + 40 * (k % 20) / 20, top + k / 2)
            page.mouse.up()

        def zoom() -> None:
            page.mouse.move(left, top)
            for k in range(30):
                page.mouse.wheel(0, -40 if k < 15 else 40)

        return {"drag_frame": _frames(page, setup, drag), "zoom_frame": _frames(page, setup, zoom)}


def _frames(page: Page, setup: Setup, move: Callable[[], None]) -> Result:
    times: list[float] = []
    for k in range(setup.warm_ups + max(setup.repeats // 4, 1)):
        drawn = page.evaluate_handle("(figures) => bench.frames(figures)", MAP)
        move()
        page.wait_for_timeout(1000 * setup.pause_s)
        found = drawn.evaluate("drawn => drawn()")
        if k >= setup.warm_ups:
            times += [after - before for before, after in pairwise(found)]
    return _summary(times)


def workbench(browser: Browser, setup: Setup, example: Path) -> dict[str, Result]:
    """Open the page of `edsnb serve` anew, then have all chips cut, fitted and quantified again."""
    with served("workbench", setup, example) as server:
        address = f"{server}/?file={example.name}&chip={setup.chip}&crop=0:{setup.crop},0:{setup.crop}"
        visitor = browser.new_context(viewport={"width": 1280, "height": 800})
        paints = [_first_paint(visitor, address) for _ in range(1 + setup.pages)]
        visitor.close()
        with opened(browser, address) as page:
            page.get_by_label("Run again after each change").uncheck()
            page.get_by_role("tab", name="Composition").click()
            page.get_by_role("columnheader", name="χ²").wait_for()
            _rest(page)

            def run(k: int) -> None:
                page.get_by_role("button", name="Run", exact=True).click()

            def prepare(k: int) -> None:
                page.get_by_role("tab", name="Chips").click()
                page.get_by_role("slider", name="Origin x (px)").press("ArrowLeft" if k % 2 else "ArrowRight")
                page.get_by_role("tab", name="Composition").click()
                _rest(page, 1.0)

            times = []
            for k in range(setup.warm_ups + setup.repeats):
                prepare(k)
                page.evaluate("(what) => bench.arm(...what)", ["pointerup", COMPOSITION, "image"])
                run(k)
                times.append(page.evaluate("bench.result"))
    return {
        "first_page": {"ms": paints[0], "all_ms": [round(paints[0], 1)]},
        "page": _summary(paints[1:]),
        "composition": _summary(times[setup.warm_ups :]),
    }


def _first_paint(visitor: BrowserContext, address: str) -> float:
    """Return the time from the navigation to the frame that shows a map; the visitor keeps scripts from before."""
    page = visitor.new_page()
    page.add_init_script(SCRIPT)
    page.goto(address)
    found = page.evaluate("bench.first()")
    page.close()
    return float(found)


JOBS = {job.__name__: job for job in (chips, fits, motion, workbench)}


def targets(jobs: dict[str, Result]) -> list[Result]:
    """Hold the results against what edsnb promises; they are meant for the full case on a quiet machine."""
    promised = [
        ("chip size to lines on both maps, ms", "overlay", 100),
        ("chip size to the spectrum of the shown chip, ms", "spectrum_of_new_chip", 200),
        ("click to spectrum, ms", "spectrum_of_click", 150),
        ("click to spectrum, fit and residuals, ms", "fit_of_click", 150),
        ("Run to maps of at%, all chips cut, fitted and quantified, ms", "composition", 1000),
        ("edsnb serve: page to first map, file opened, ms", "page", 4000),
        ("map with all chips, dragged: from frame to frame, ms", "drag_frame", 50),
        ("the same, zoomed: from frame to frame, ms", "zoom_frame", 50),
    ]
    return [
        {"what": what, "found": jobs[name]["ms"], "target": f"<= {most}", "met": jobs[name]["ms"] <= most}
        for what, name, most in promised
        if name in jobs
    ]


def make_example(setup: Setup, example: Path) -> None:
    """Write the simulated map, where it is not there yet."""
    if not example.exists():
        example.parent.mkdir(parents=True, exist_ok=True)
        options = ["--size", str(setup.size), "--frames", str(setup.frames), "--counts", str(setup.counts)]
        run_timed([str(Path(sys.executable).with_name("edsnb")), "simulate", str(example), *options])


def main() -> None:
    """Measure all, print the targets and write the results; with --serve, serve one explorer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small map and few repeats: numbers mean nothing")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write the results")
    parser.add_argument("--example", type=Path, metavar="FILE.emd", help="kept in results/benchmark; made if absent")
    parser.add_argument("--only", nargs="+", choices=sorted(JOBS), help="measure these alone")
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        name, port, example, values = arguments.serve
        serve_widget(name, int(port), example, Setup(**json.loads(values)))
        return
    setup = QUICK if arguments.quick else Setup()
    example = arguments.example or Path("results", "benchmark", "quick.emd" if arguments.quick else "example.emd")
    make_example(setup, example)
    described = machine()
    jobs: dict[str, Result] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_browser(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )  # fmt: skip
        described["browser"] = f"Chromium {browser.version}, headless"
        for name in arguments.only or JOBS:
            jobs |= (found := JOBS[name](browser, setup, example))
            for what, result in found.items():
                print(f"  {what:24s} {result['ms']:8.0f} ms", flush=True)
        browser.close()
    results = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": arguments.quick,
        "machine": described,
        "versions": {name: version(name) for name in (*PACKAGES, *UI_PACKAGES)},
        "setup": asdict(setup) | {"elements": ELEMENTS},
        "jobs": jobs,
        "targets": targets(jobs),
    }
    if arguments.quick:
        print("The targets are meant for the full case:")
    for target in results["targets"]:
        print(f"{'met' if target['met'] else 'NOT MET':8s}{target['what']}: {target['found']:.0f} ({target['target']})")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
        print(f"\nwritten: {arguments.out}")


def _browser() -> str:
    found = os.environ.get("EDSNB_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit("benchmark: no browser found: install Chromium, or name one in EDSNB_BROWSER.")
    return found


if __name__ == "__main__":
    main()
