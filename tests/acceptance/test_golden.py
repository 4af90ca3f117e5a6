"""Every message that zennotify ships, in each form, as files that can be read and compared.

They are in tests/golden, one for each rule and form.  After a change that is meant, write them anew and read the diff::

    ZENNOTIFY_GOLDEN=write pytest tests/acceptance/test_golden.py && git diff tests/golden
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

from tests.acceptance.shipped_cases import CASES
from tests.browser import open_browser
from tests.shipped import Case, written
from zennotify.channel.text import from_html
from zennotify.core.model import Form
from zennotify.message import Templates, repeated

GOLDEN: Final = Path(__file__).parents[1] / "golden"
IS_WRITING = os.environ.get("ZENNOTIFY_GOLDEN") == "write"
#: The first case of each rule: what it says when all is known.
FIRST: Final = {case.rule: case for case in reversed(CASES)}
FILES: Final = {
    f"{rule}.{form}.{'html' if form is Form.EMAIL else 'txt'}": (case, form)
    for rule, case in FIRST.items()
    for form in Form
}
WIDTHS: Final = (375, 1280)
LONGEST_WORD: Final = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichennah"


def file_of(case: Case, form: Form) -> str:
    """Return what stands in the file: a mail as it is, of other messages title and body."""
    message = written(case, form)
    if form is Form.EMAIL:
        return message.body
    return f"{message.title}\n\n{message.body}\n" if message.title else f"{message.body}\n"


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_message_is_as_it_was_read(name: str) -> None:
    text = file_of(*FILES[name])
    if IS_WRITING:
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_text(text, "utf-8")
    assert (GOLDEN / name).read_text("utf-8") == text


def test_there_is_no_file_of_a_message_that_is_no_more() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(FILES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.says}")
def test_the_text_of_a_mail_reads_like_the_message(case: Case) -> None:
    assert from_html(written(case, Form.EMAIL).body) == written(case, Form.JSON).body


# The mail as people see it


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from open_browser()


#: Size, contrast and place of every text, as the browser shows it.
SEEN = """() => {
  const light = color => {
    const parts = color.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
    const [r, g, b] = parts.map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const canvas = document.createElement("div")
  canvas.style.background = "Canvas"
  document.body.append(canvas)
  const ground = getComputedStyle(canvas).backgroundColor
  canvas.remove()
  const behind = node => {
    for (; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor
      if (!/, 0\\)$/.test(color)) return color
    }
    return ground
  }
  const texts = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const node = walker.currentNode
    if (!node.data.trim()) continue
    const style = getComputedStyle(node.parentElement)
    const range = document.createRange()
    range.selectNodeContents(node)
    const box = range.getBoundingClientRect()
    const [one, other] = [light(style.color), light(behind(node.parentElement))].sort((a, b) => b - a)
    texts.push({text: node.data.trim(), size: parseFloat(style.fontSize), left: box.left, right: box.right,
                contrast: (one + 0.05) / (other + 0.05)})
  }
  return {texts, width: document.documentElement.scrollWidth, ground}
}"""

MARKUP = """\
# A heading of {{ guest.name }}

**{{ guest.name }}** has written: *{{ guest.name }}*, `{{ guest.name }}`, [a link]({{ guest.name }}).
A second line.

- one
  - inner {{ guest.name }}
- two

7. seven
8. eight

> {{ guest.name }}

```
{{ guest.name }}
```

---

## Another one
"""


class Eyes:
    """Looks at mails as somebody does in a mail program of this width and these colours."""

    def __init__(self, browser: Browser, width: int, scheme: Any) -> None:
        self.width, self.scheme = width, scheme
        self.page: Page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))

    def look(self, mail: str) -> dict[str, Any]:
        """Return what is seen."""
        self.page.set_content(mail)
        seen: dict[str, Any] = self.page.evaluate(SEEN)
        assert self.asked == [], "a mail loads nothing"
        return seen


def check(seen: dict[str, Any], width: int) -> None:
    assert seen["width"] <= width, "it scrolls to the side"
    assert seen["texts"]
    column = [entry["left"] for entry in seen["texts"]]
    for entry in seen["texts"]:
        small = entry["text"].startswith("Ref ")
        assert entry["size"] >= (13 if small else 16), entry
        assert entry["contrast"] >= 4.5, entry
        assert 0 <= entry["left"] <= entry["right"] <= width, entry
        assert entry["right"] - min(column) <= 600.5, "a line is too long to read"


@pytest.fixture(
    scope="module", params=[(width, scheme) for width in WIDTHS for scheme in ("light", "dark")], ids=str
)
def eyes(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Eyes]:
    made = Eyes(browser, *request.param)
    yield made
    made.page.close()


def test_each_mail_can_be_read_on_a_telephone_and_on_a_desk(eyes: Eyes) -> None:
    for case in FIRST.values():
        check(eyes.look(written(case, Form.EMAIL).body), eyes.width)


def test_a_mail_has_the_reader_s_own_colours(eyes: Eyes) -> None:
    seen = eyes.look(written(CASES[0], Form.EMAIL).body)
    assert (seen["ground"] == "rgb(255, 255, 255)") is (eyes.scheme == "light")


@pytest.mark.parametrize("guest", [LONGEST_WORD, "Maria Antonia Josepha Johanna " * 8, "x" * 300, "<b>&amp;"])
def test_no_name_and_no_mark_up_breaks_the_page(eyes: Eyes, guest: str) -> None:
    template = Templates({}, time_zone="UTC", locale="en-US").inline(MARKUP, "Title")
    message = template.render(Form.EMAIL, {"guest": {"name": guest}}, short_id="a1b2c3d4")
    check(eyes.look(message.body), eyes.width)
    check(eyes.look(repeated(message).body), eyes.width)
