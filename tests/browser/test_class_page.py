"""The instructor's page in a real browser: light, dark, by keyboard, behind a proxy."""

from __future__ import annotations

import re
from pathlib import Path

import openai
import pytest

from finetune_kit.classroom import handouts
from finetune_kit.key_file import Key
from tests.localapi.running import RunningServer, chat_rows, until, upload

pytestmark = pytest.mark.browser

INSTRUCTOR = "sk-instructor-0001"
NAMES = ("Anna", "Ben Müller", "Chidi", "Dana", "Zoë")
NOTEBOOKS = ("07_watch_the_job", "03_find_and_repair_faults")
SECONDS = 120  # until something is there, on a busy machine
SIDES = ("top", "right", "bottom", "left")
WINDOW = {"width": 1250, "height": 1000}
#: Contrast of text with what lies behind it, as WCAG 2.2 counts it, at its smallest.
CONTRAST = """() => {
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        for (; element; element = element.parentElement) {
            const colour = rgb(getComputedStyle(element).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const says = element => [...element.childNodes]
        .some(node => node.nodeType === 3 && node.textContent.trim());
    return Math.min(...[...document.body.querySelectorAll('*')].filter(says)
        .map(element => {
            const pair = [light(rgb(getComputedStyle(element).color)),
                          light(behind(element))].sort((a, b) => b - a);
            return (pair[0] + 0.05) / (pair[1] + 0.05);
        }));
}"""


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A class at work: jobs that run, wait, succeeded and failed; refused requests."""
    folder = tmp_path_factory.mktemp("class")
    keys, instructor = folder / "keys.txt", folder / "instructor-key.txt"
    lines = [f"sk-{n:04}  # {name}\n" for n, name in enumerate(NAMES)]
    keys.write_text("".join(lines), encoding="utf-8")
    instructor.write_text(INSTRUCTOR, encoding="utf-8")
    options = ["--api-key-file", str(keys), "--instructor-key-file", str(instructor)]
    options += ["--cpu-seconds", "60"]
    with RunningServer(folder / "home", *options, fake=True) as server:
        anna, ben, chidi, _, zoe = [server.client(f"sk-{n:04}") for n in range(5)]
        server.finished(create(anna, suffix="proverbs"), "sk-0000")
        server.finished(create(chidi, rows=3), "sk-0002")
        slow = {"n_epochs": 50, "learning_rate_multiplier": 0.5}  # five minutes
        for client, notebook in zip((anna, ben), NOTEBOOKS, strict=True):
            header = {"X-Finetune-Kit-Notebook": notebook}
            create(client.with_options(default_headers=header), **slow)
            until(  # one runs before the next is there: whose turn it is, is certain
                lambda: anna.fine_tuning.jobs.list(limit=1).data[0].status,
                lambda status: status == "running",
            )
        with pytest.raises(openai.BadRequestError):
            zoe.fine_tuning.jobs.create(model="gpt-9", training_file="file-absent")
        yield server


def create(client, rows=12, suffix=None, **hyperparameters):
    return client.fine_tuning.jobs.create(
        model="gpt-4o-mini",
        training_file=upload(client, chat_rows(rows)),
        suffix=suffix,
        hyperparameters=hyperparameters or {"n_epochs": 3},
    ).id


def signed_in(browser, server, **options):
    """By keyboard alone; without JavaScript, as the page promises."""
    context = browser.new_context(viewport=WINDOW, java_script_enabled=False, **options)
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.goto(f"{server.origin}/class")
    page.wait_for_selector("input:focus")  # by itself, a moment after the load
    page.keyboard.type(INSTRUCTOR)
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:text-is('Learners')")
    page.wait_for_load_state()  # what stands below is there too
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_in_both_colour_schemes(
    browser, room, pictures: Path, scheme
):
    page = signed_in(browser, room, color_scheme=scheme)
    cookies = page.context.cookies()
    text = page.inner_text("body")
    for name in (*NAMES, *NOTEBOOKS):
        assert name in text
    assert "▲ Job failed" in text
    page.screenshot(path=pictures / f"class_{scheme}.png", full_page=True)
    page.context.close()
    measured = browser.new_context(viewport=WINDOW, color_scheme=scheme)
    measured.add_cookies(cookies)
    with_script = measured.new_page()
    with_script.goto(f"{room.origin}/class?refresh=off")
    assert with_script.evaluate(CONTRAST) >= 4.5
    measured.close()


def test_the_form_is_readable_and_says_when_the_key_is_wrong(
    browser, room, pictures: Path
):
    page = browser.new_page(viewport=WINDOW, color_scheme="dark")
    page.set_default_timeout(SECONDS * 1000)
    page.goto(f"{room.origin}/class")
    page.get_by_label("Instructor's key").fill("sk-0000")
    page.get_by_role("button", name="Sign in").click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "not the instructor's key" in alert.inner_text()
    assert page.evaluate(CONTRAST) >= 4.5
    page.screenshot(path=pictures / "class_form.png")
    page.close()


def test_the_page_loads_itself_anew_until_it_is_held_still(browser, room):
    page = signed_in(browser, room)
    before = page.title()
    page.wait_for_function("before => document.title !== before", arg=before)
    page.get_by_role("link", name="Hold it still").press("Enter")
    page.get_by_role("link", name="Go on by itself").wait_for()
    assert page.url.endswith("/class?refresh=off")
    held = page.title()
    page.wait_for_timeout(12_000)
    assert page.title() == held
    page.context.close()


def test_every_table_and_control_has_a_name_for_a_screen_reader(browser, room):
    page = signed_in(browser, room)
    page.goto(f"{room.origin}/class?refresh=off")  # or it is loaded anew in between
    for table in page.get_by_role("table").all():
        assert table.locator("caption").inner_text()
        assert table.locator("thead th[scope=col]").count()
    for name in ("Learners", "Queue", "Jobs that have ended", "Refused requests"):
        assert page.get_by_role("heading", name=name, exact=True).count() == 1
        assert page.get_by_role("region", name=name, exact=True).count() == 1
    assert page.get_by_role("progressbar", name="Progress of Anna's job").count() == 1
    page.context.close()


def test_a_printer_gives_each_learner_one_sheet(browser, tmp_path: Path):
    learners = [
        Key("sk-wb3a-fvez-8hrd-u6ww-zd2v", f"{'Long Name ' * 5}{n}") for n in "123"
    ]
    html = tmp_path / "handouts.html"
    text = handouts.pages(learners, "http://classroom-server.school.example:8765/v1")
    html.write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto(html.as_uri())
    printed = page.pdf(format="A4", margin=dict.fromkeys(SIDES, "15mm"))
    page.close()
    assert re.findall(rb"/Type /Pages.*?/Count (\d+)", printed, re.S) == [b"3"]


def test_who_signs_out_is_out(browser, room):
    page = signed_in(browser, room)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Instructor's key").wait_for()
    page.goto(f"{room.origin}/class")
    assert "Anna" not in page.inner_text("body")
    page.context.close()
