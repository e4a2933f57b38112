"""Notebooks in a real browser: run from the menu, played with, reloaded, looked at."""

import re
from pathlib import Path

import httpx
import pytest

from finetune_kit import local_server
from tests.browser.page import NotebookPage
from tests.learner import ROOT

pytestmark = pytest.mark.browser

START = ROOT / "notebooks" / "00_start_here.ipynb"
WIDGETS = Path(__file__).with_name("widgets.ipynb")
JUDGE = ROOT / "notebooks" / "08_use_and_judge.ipynb"
LOSS_CHART = "Line chart of the loss"


def look_in_the_dark(lab, page, address, pictures, name):
    """Pictures of the saved notebook in the dark theme."""
    lab.theme("Dark")
    page.open(address)
    page.pictures(pictures, f"{name}_dark")
    lab.theme("Light")


def test_lesson_00_runs_from_the_menu_with_progress_and_chart(browser, lab, pictures):
    address = lab.put(START)
    page = NotebookPage(browser, address)
    page.menu("Edit", "Clear Outputs of All Cells")
    page.run_all()
    page.output(re.compile("Fine-tuning .*: running"))
    page.wait_until_all_have_run()
    assert page.errors() == 0
    job = page.output(re.compile("Fine-tuning .*: succeeded"))
    assert "step 300 of 300" in job.text_content()
    assert page.picture(LOSS_CHART)
    page.save()
    page.pictures(pictures, "lesson_00_light")
    look_in_the_dark(lab, page, address, pictures, "lesson_00")
    assert page.picture(LOSS_CHART)
    page.output(re.compile("Fine-tuning .*: succeeded"))
    page.page.close()


def test_lesson_08_is_run_and_played_with_and_keeps_what_it_showed(
    browser, lab, pictures
):
    page = NotebookPage(browser, lab.put(JUDGE))
    page.menu("Edit", "Clear Outputs of All Cells")
    page.run_all()
    page.output(re.compile("Fine-tuning .*: (running|succeeded)"))
    page.wait_until_all_have_run()
    assert page.errors() == 0
    assert page.picture("Dots with 95 % intervals")
    assert page.picture(LOSS_CHART)
    page.type("Question", "Should I work hard?")
    page.output("“Should I work hard?” · temperature 0")
    page.wait_until_enabled("Ask")
    page.type_number("Temperature", "1.2")
    page.press("Ask", "Space")
    warm = page.output("“Should I work hard?” · temperature 1.2")
    page.wait_until_enabled("Ask")
    assert "no answer" not in warm.text_content()
    page.press("step 80", "Enter")
    assert page.picture("Chosen: step 80.")
    page.output("step 80: no answer")  # the clean-up has deleted that model
    page.save()
    page.pictures(pictures, "lesson_08_light")
    page.restart_kernel()
    look_in_the_dark(lab, page, lab.address(JUDGE), pictures, "lesson_08")
    assert page.errors() == 0
    assert page.picture("Dots with 95 % intervals")
    assert page.picture("Chosen: step 80.")
    page.output("“Should I work hard?” · temperature 1.2")
    page.page.close()


def delay_answers(times, milliseconds):
    """Have the next answers refused, with a time after which the SDK asks again."""
    server = local_server.find()
    fault = {"fault": "rate_limit", "times": times, "path": "/v1/chat"}
    httpx.post(
        server.base_url.replace("/v1", "/_kit/faults"),
        json={**fault, "retry_after_ms": milliseconds},
        headers={"Authorization": f"Bearer {server.key}"},
    ).raise_for_status()


@pytest.fixture(scope="module")
def widgets(browser, lab):
    page = NotebookPage(browser, lab.put(WIDGETS))
    page.run_all()
    page.wait_until_all_have_run()
    assert page.errors() == 0
    return page


def test_the_example_browser_is_used_by_keyboard(widgets):
    widgets.press("Next", "Enter")
    widgets.output("Example 2 of 100")
    widgets.press("Next", "Space")
    widgets.output("Example 3 of 100")
    widgets.press("Previous", "Enter")
    widgets.output("Example 2 of 100")
    widgets.type("Line", "50")
    widgets.output("Example 50 of 100")
    widgets.type("Filter", "luck")
    widgets.output("with “luck”")


def test_the_calculators_sliders_move_by_arrow_key_typed_number_and_mouse(widgets):
    widgets.field("Epochs", ".noUi-handle").press("ArrowRight")
    widgets.output("4 epochs")
    widgets.type_number("Epochs", "7")
    widgets.output("7 epochs")
    widgets.type_number("Calls a month", "20000")
    widgets.output("months, at 20,000 calls each")
    before = widgets.output("7 epochs").text_content()
    assert "prompts 500 tokens shorter" in before
    widgets.drag("Tokens saved a call", by=60)
    widgets.gone("prompts 500 tokens shorter")


def test_a_checkpoint_is_chosen_on_the_curve_and_answers(widgets):
    widgets.press("step 100", "Enter")
    assert widgets.picture("Chosen: step 100.")
    answers = widgets.output("Is war sweet?").text_content()
    assert "questionstep 100" in answers


def test_the_playground_answers_stops_and_keeps_its_answers_after_a_restart(
    lab, widgets, pictures
):
    widgets.type("Question", "Will I be happy?")  # Enter asks
    widgets.output("“Will I be happy?” · temperature 0")
    widgets.wait_until_enabled("Ask")
    widgets.type_number("Temperature", "1.5")
    widgets.press("Ask", "Space")
    told = widgets.output("“Will I be happy?” · temperature 1.5")
    widgets.wait_until_enabled("Ask")
    assert "no answer" not in told.text_content()
    assert "answering" not in told.text_content()
    widgets.type_number("Temperature", "2")
    delay_answers(2, milliseconds=12_000)
    widgets.press("Ask", "Enter")
    widgets.press("Stop", "Enter")
    widgets.wait_until_enabled("Ask")
    stopped = widgets.output("“Will I be happy?” · temperature 2").text_content()
    assert stopped.count("stopped") == 2
    widgets.save()
    widgets.pictures(pictures, "widgets_light")
    widgets.restart_kernel()
    look_in_the_dark(lab, widgets, lab.address(WIDGETS), pictures, "widgets")
    widgets.output("“Will I be happy?” · temperature 1.5")
    assert widgets.picture("Chosen: step 100.")
    widgets.output("months, at 20,000 calls each")
    widgets.output("with “luck”")
    assert widgets.errors() == 0
