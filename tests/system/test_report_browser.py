"""The report in a real browser: it opens from disk, sorts, finds, prints, and fits a phone."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from tracks2zarr.reporting import page as pages
from tracks2zarr.reporting.figures import ImageSize
from tracks2zarr.reporting.images import VideoImages, draw_video
from tracks2zarr.store.overview import StoreInfo, info
from tracks2zarr.store.store import Store

pytestmark = [pytest.mark.system, pytest.mark.slow]

VIDEO = "04.09.2023-01-Right"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium of the system."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "Chromium is not installed; run 'make system'"
    with sync_playwright() as playwright:
        # as root, which is what tests run as in containers, it has no sandbox
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


class Opened:
    """A page that was opened from disk, and what went wrong on it."""

    def __init__(self, browser: Browser, file: Path, **settings: object) -> None:
        self.context = browser.new_context(offline=True, **{"viewport": DESKTOP, **settings})  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("requestfailed", lambda request: self.wrong.append(request.url[:200]))
        started = time.monotonic()
        self.page.goto(file.as_uri())
        self.seconds = time.monotonic() - started

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.context.close()
        assert not self.wrong


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, sample_store: Path) -> Path:
    return tz.report(sample_store, tmp_path_factory.mktemp("browser") / "r.html", workers=1)


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of three videos, one of which failed, and 15 clips."""
    folder = tmp_path_factory.mktemp("failed")
    clips = tuple(
        Clip(
            f"Loop{n:02}", 100 * n + 1, 100 * n + 50, 100 * n + 30, "fast", (Box(0, n, 9, 9, 2, 2),)
        )
        for n in range(5)
    )
    inputs = Experiment(tuple(Video(name, clips) for name in "ABC")).write(folder)
    bad = inputs[0] / "B-Loop03_tracks.csv"
    bad.write_bytes(bad.read_bytes() + b"half a row,")
    tz.create(tz.plan(*inputs), folder / "out.zarr", workers=1)
    return tz.report(folder / "out.zarr", workers=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_fits_the_window_and_shows_all_pictures(
    browser: Browser, report: Path, tmp_path: Path, viewport: dict[str, int], scheme: str
) -> None:
    with Opened(browser, report, viewport=viewport, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        for image in page.locator("img").all():
            image.scroll_into_view_if_needed()
            page.wait_for_function("image => image.naturalWidth > 100", arg=image.element_handle())
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(int(part) for part in paper[4:-1].split(","))
        assert (brightness > 600) == (scheme == "light")
        picture = page.screenshot(path=tmp_path / "all.png", full_page=True)
        assert len(picture) > 20_000


def texts(page: Page, column: int) -> list[str]:
    return page.locator(
        f"#overview tbody tr:not([hidden]) td:nth-child({column})"
    ).all_inner_texts()


def test_tables_sort_by_value_both_ways(browser: Browser, report: Path) -> None:
    with Opened(browser, report) as page:
        boxes = page.get_by_role("button", name="boxes").first
        header = page.locator("#overview th", has_text="boxes")
        boxes.click()
        assert texts(page, 8) == ["3,623", "7,382"]
        assert header.get_attribute("aria-sort") == "ascending"
        boxes.press("Enter")  # by keyboard
        assert texts(page, 8) == ["7,382", "3,623"]
        assert header.get_attribute("aria-sort") == "descending"
        clips = page.locator("table.clips").first
        clips.get_by_role("button", name="escape after").click()
        clips.get_by_role("button", name="escape after").click()
        assert clips.locator("tbody td:first-child").all_inner_texts()[0] == "Loop02"


def test_links_lead_to_what_they_name(browser: Browser, failed: Path) -> None:
    with Opened(browser, failed) as page:
        assert page.locator("details[open]").count() == 0
        for link in page.locator("a[href^='#']").all():
            target = link.get_attribute("href") or ""
            assert page.locator(target).count() == 1, target
        page.locator(".span").nth(12).click()
        expect(page.locator("details[open]")).to_have_count(1)  # once the page has been told
        assert "Loop02" in page.locator("details[open] summary").inner_text()
        expect(page.locator("details[open]")).to_be_in_viewport()


def test_search_finds_videos_by_what_is_said_of_them(browser: Browser, failed: Path) -> None:
    with Opened(browser, failed) as page:
        assert texts(page, 1) == ["A", "B", "C"]
        page.keyboard.press("/")
        page.keyboard.type("failed")
        assert texts(page, 1) == ["B"]
        assert page.locator("section.video:visible").count() == 1
        page.locator("#search").fill("loop04 C-Loop04")
        assert texts(page, 1) == ["C"]
        page.locator("#search").fill("no such words")
        assert page.get_by_text("Nothing in this report fits the search.").is_visible()
        page.locator("#search").press("Escape")
        assert len(texts(page, 1)) == 3


def test_keys(browser: Browser, failed: Path) -> None:
    with Opened(browser, failed) as page:
        page.keyboard.press("o")
        assert page.locator("details[open]").count() == 10
        page.keyboard.press("o")
        assert page.locator("details[open]").count() == 0
        names = []
        for key in "nnpn":
            page.keyboard.press(key)
            names.append(page.evaluate("document.activeElement.querySelector('h2').textContent"))
        assert names == ["A", "B", "A", "B"]
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.keyboard.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_all_pictures_are_printed(browser: Browser, failed: Path, report: Path) -> None:
    with Opened(browser, failed) as page:
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details[open]").count() == 10
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0
    with Opened(browser, report) as page:
        printed = page.pdf(format="A4")
        assert printed.count(b"/Subtype /Image") >= page.locator("img").count() > 0


def test_it_is_read_without_scripts(browser: Browser, failed: Path) -> None:
    with Opened(browser, failed, java_script_enabled=False) as page:
        assert page.get_by_text("half").count() + page.get_by_text("failed").count() > 0
        page.locator("summary").first.click()
        assert page.locator("img").first.is_visible()


# ---- large experiments: pages of pictures that were drawn once


def many(store: Store, folder: Path, n_videos: int, n_clips: int) -> Path:
    """Write a report of many videos, each of which has the clips of the sample many times."""
    known = info(store.path, VIDEO).videos[0]
    receipt = store.read_receipt(VIDEO)
    assert receipt is not None
    size = ImageSize.for_clips(n_clips)
    drawn = draw_video(store.path, receipt, size)
    each = [n_clips // n_videos + (n < n_clips % n_videos) for n in range(n_videos)]
    videos, pictures = [], {}
    for number, count in enumerate(each):
        name = f"Video{number:04}"
        three = [known.clips[n % 3] for n in range(count)]
        clips = tuple(replace(one, clip=f"Loop{n:02}") for n, one in enumerate(three))
        images = tuple(replace(drawn.clips[n % 3], clip=f"Loop{n:02}") for n in range(count))
        videos.append(replace(known, video=name, clips=clips))
        pictures[name] = VideoImages(name, images)
    page = pages.report_page(
        StoreInfo(store.path, tuple(videos)),
        {},
        pictures,
        made="2026-01-01T00:00",
        size=size,
        failures=(),
    )
    file = folder / f"{n_videos}.html"
    file.write_text(pages.as_html(page), encoding="utf-8")
    return file


def fastest(browser: Browser, file: Path) -> float:
    """Return the seconds in which a page opens, on a machine that may have other work."""
    seconds = []
    for _ in range(5):
        opened = Opened(browser, file)
        with opened as page:
            page.keyboard.press("n")
            assert page.evaluate("document.activeElement.querySelector('h2').textContent")
        seconds.append(opened.seconds)
    return min(seconds)


def test_a_whole_experiment_opens_at_once(
    browser: Browser, sample_store: Path, tmp_path: Path
) -> None:
    """In its share of the time of a tenth of it: how long that is, is up to the machine."""
    file, tenth = (many(Store.at(sample_store), tmp_path, *n) for n in ((27, 234), (3, 26)))
    assert file.stat().st_size < 10e6
    assert fastest(browser, file) < 15 * fastest(browser, tenth)


def test_a_thousand_videos_open(browser: Browser, sample_store: Path, tmp_path: Path) -> None:
    file = many(Store.at(sample_store), tmp_path, 1000, 1000)
    assert file.stat().st_size < 40e6
    with Opened(browser, file) as page:
        page.locator("#search").fill("Video0999")
        assert texts(page, 1) == ["Video0999"]
        page.locator("details:visible summary").click()
        image = page.locator("details:visible img").first
        page.wait_for_function("image => image.naturalWidth > 100", arg=image.element_handle())
