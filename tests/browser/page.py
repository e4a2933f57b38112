"""A notebook on a page: what a learner does with mouse and keyboard, and sees."""

from __future__ import annotations

import re
from pathlib import Path

KERNEL_IS_IDLE = """() => [...document.querySelectorAll('.jp-StatusBar-TextItem')]
    .some(item => /Python 3.*\\| Idle/.test(item.textContent))"""
ALL_HAVE_RUN = """() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
        .map(prompt => prompt.textContent);
    return prompts.length && prompts.every(text => /\\[\\d+\\]/.test(text));
}"""
OUTPUT = ".jp-OutputArea-output"
ERRORS = f"{OUTPUT}[data-mime-type='application/vnd.jupyter.error']"
SECONDS = 300  # until something is there, on a busy machine
WINDOW = {"width": 1250, "height": 1500}


class NotebookPage:
    """A notebook that is open in JupyterLab."""

    def __init__(self, browser, address: str) -> None:
        self.page = browser.new_page(viewport=WINDOW)
        self.page.set_default_timeout(SECONDS * 1000)
        self.open(address)

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_function(KERNEL_IS_IDLE)

    def menu(self, name: str, item: str) -> None:
        self.page.locator(".lm-MenuBar-itemLabel", has_text=name).first.click()
        self.page.locator(".lm-Menu-itemLabel", has_text=item).first.click()

    def run_all(self) -> None:
        self.menu("Run", "Run All Cells")

    def restart_kernel(self) -> None:
        self.menu("Kernel", "Restart Kernel…")
        self.page.locator(".jp-Dialog button", has_text="Restart").click()
        self.page.wait_for_function(KERNEL_IS_IDLE)

    def wait_until_all_have_run(self) -> None:
        self.page.wait_for_function(ALL_HAVE_RUN)

    def save(self) -> None:
        self.menu("File", "Save Notebook")
        self.page.wait_for_selector(".lm-TabBar-tab.jp-mod-dirty", state="detached")

    def output(self, text: str | re.Pattern[str]):
        """The first output that says ``text``; waited for."""
        found = self.page.locator(OUTPUT, has_text=text).first
        found.wait_for(state="attached")
        return found

    def gone(self, text: str) -> None:
        """Wait until no output says ``text`` any more."""
        self.page.locator(OUTPUT, has_text=text).wait_for(state="detached")

    def picture(self, alt: str) -> bool:
        """True where a picture with such words beside it is loaded; waited for."""
        found = self.page.locator(f"{OUTPUT} img[alt*='{alt}']").first
        found.wait_for(state="attached")
        return found.evaluate("image => image.complete && image.naturalWidth > 0")

    def errors(self) -> int:
        return self.page.locator(ERRORS).count()

    def button(self, name: str):
        return self.page.locator("button.jupyter-button", has_text=name).first

    def press(self, name: str, key: str) -> None:
        """Press a key on the button of this name, once it can be pressed."""
        self.wait_until_enabled(name)
        self.button(name).press(key)

    def wait_until_enabled(self, name: str) -> None:
        self.page.wait_for_selector(f"button.jupyter-button:text-is('{name}'):enabled")

    def field(self, name: str, part: str = "input"):
        """What one types into, of the control with this name."""
        named = self.page.locator(".widget-inline-hbox, .jupyter-widgets").filter(
            has=self.page.locator(f"label:text-is('{name}')")
        )
        return named.last.locator(part).first

    def type(self, name: str, text: str) -> None:
        field = self.field(name)
        field.fill(text)
        field.press("Enter")

    def type_number(self, name: str, number: str) -> None:
        """Type into the number beside a slider."""
        field = self.field(name, ".widget-readout")
        field.click()
        field.press("ControlOrMeta+a")
        field.press_sequentially(number)
        field.press("Enter")

    def drag(self, name: str, by: int) -> None:
        """Drag a slider's handle so many pixels to the right."""
        box = self.field(name, ".noUi-handle").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + by, y, steps=5)
        self.page.mouse.up()

    def pictures(self, folder: Path, name: str) -> None:
        """The notebook as pictures, a window's height each."""
        panel = self.page.locator(".jp-WindowedPanel-outer").first
        panel.evaluate("panel => panel.scrollTo(0, 0)")
        for number in range(12):
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=folder / f"{name}_{number}.png")
            before = panel.evaluate("panel => panel.scrollTop")
            panel.evaluate("panel => panel.scrollBy(0, 1250)")
            if panel.evaluate("panel => panel.scrollTop") == before:
                return
