"""The page of `zennotify preview --html` in a real browser: nothing of an event runs or loads, and it can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Dialog, Locator, Page, sync_playwright

from tests.conftest import skip_or_fail
from tests.sinks import HttpSink
from zennotify.cli import main

CHROMIUM = Path("/usr/bin/chromium")
#: Each would set a mark, open a dialog or fetch something if it were not only a name.
HOSTILE = (
    "<script>window.ran=1;alert(1)</script>",
    '"><img src=x onerror="window.ran=1;alert(2)">',
    "</iframe><script>top.ran=1</script>",
    "</pre></details><iframe src={sink}></iframe>",
    "'><svg onload=alert(3)>",
    "<img src={sink}>",
    "<style>@import url({sink});body{{background:url({sink})}}</style>",
    "<link rel=stylesheet href={sink}><meta http-equiv=refresh content=0;url={sink}>",
    "[x](javascript:alert(4)) ![y]({sink})",
    "$title ${{verdict}} {{{{ 7*7 }}}} &lt;b&gt; &amp;",
    "<form action={sink}><input autofocus onfocus=alert(5)>",
)
CONFIG = """
channels:
  desk: {url: "console://desk"}
  mail: {url: "console://mail", form: email}
  sms: {url: "console://sms", form: sms}
  hook: {url: "json://127.0.0.1:1/hook"}
  guest: {url: "console://guest", to: "{{ guest.email }}", form: email}
"""
RULES = """
rules:
  - id: hostile
    description: "What <b>HOSTILE</b>"
    event: Guest.Created
    match: {data.code: [x]}
    notify: [desk, mail, sms, hook]
    template: t.j2
  - {id: plain, event: Guest.Created, notify: desk, message: "**{{ guest.name }}** came"}
  - {id: told, event: Guest.Created, notify: [desk, guest], message: "{{ guest.name }} came"}
  - {id: broken, event: Guest.Created, notify: mail, message: "{{ data.nope.more }}"}
"""
TEMPLATE = """{% block title %}New {{ guest.name }}{% endblock %}
{% block body %}
**{{ guest.name }}** in {{ center.name }}, see [the list](SINK) and ![a picture](SINK). `{{ data.code }}`

- {{ data.note | default("") }}
- two
{% endblock %}
{% block sms %}{{ guest.name }} {{ data.note | default("") * 6 }}{% endblock %}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        skip_or_fail("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as sink:
        yield sink


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: HttpSink) -> None:
    monkeypatch.chdir(tmp_path)
    address = sink.url("/x", "http")
    for name in ("rules", "templates"):
        Path(name).mkdir()
    Path("config.yaml").write_text(CONFIG)
    Path("rules/a.yaml").write_text(RULES.replace("HOSTILE", HOSTILE[1].replace('"', "'")))
    Path("templates/t.j2").write_text(TEMPLATE.replace("SINK", address))
    told = [text.format(sink=address) for text in HOSTILE]
    data = {
        "id": "g1",
        "code": "x",
        "center_id": "c1",
        "center_name": " ".join(told),
        "note": " ".join(told),
        "personal_info": {"first_name": " ".join(told), "last_name": "Lee"},
    }
    Path("event.json").write_text(json.dumps({"event_id": "e", "event_type": "Guest.Created", "data": data}))


def made(rule: str, event: str = "event.json") -> str:
    """Write the page and return where it is."""
    done = CliRunner().invoke(
        main, ["preview", rule, event, "--html", "page.html", "--config", "config.yaml"]
    )
    assert done.exit_code == 0, done.output
    assert "The messages are in page.html" in done.stdout
    return Path("page.html").resolve().as_uri()


class Watched:
    """A page, and whatever it did beside being shown."""

    def __init__(self, page: Page) -> None:
        self.page = page
        #: What was loaded; what the page's policy refuses is asked for as far as the browser's tools can see, too.
        self.loaded: list[str] = []
        self.dialogs: list[str] = []
        page.on("requestfinished", lambda request: self.loaded.append(request.url))
        page.on("dialog", self._dismiss)
        page.on("popup", lambda popup: self.loaded.append(popup.url))

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@pytest.fixture
def window(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Watched]:
    page = browser.new_page(**getattr(request, "param", {}))
    yield Watched(page)
    page.close()


def mail_of(page: Page) -> Locator:
    """Return the mail in its frame; whatever is asked of it waits until it is there."""
    return page.frame_locator("iframe").locator("body")


IS_LOADED = (
    "() => new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))"
)
#: What stands in the page, and no page of ours has: by their names.
FOREIGN = """[...document.querySelectorAll('*')].filter(element =>
  ['IMG', 'SVG', 'FORM', 'INPUT', 'LINK'].includes(element.tagName.toUpperCase())
  || [...element.attributes].some(attribute => attribute.name.startsWith('on'))
).map(element => element.outerHTML)"""


def test_nothing_of_an_event_runs_or_loads(window: Watched, sink: HttpSink) -> None:
    address = made("hostile")
    window.page.goto(address)
    mail = mail_of(window.page)
    mail.evaluate(IS_LOADED)
    assert window.loaded == [address]
    assert window.dialogs == []
    assert (sink.connections, sink.received) == (0, [])
    assert window.page.evaluate("[window.ran, document.scripts.length, document.links.length]") == [
        None,
        0,
        0,
    ]
    assert window.page.evaluate(FOREIGN) == []
    # Everything is there to be read, as it is.
    shown = window.page.inner_text("main")
    assert all(text.format(sink=sink.url("/x", "http")) in shown for text in HOSTILE[:3])
    # Scripts cannot run in the frame at all, and what is in it belongs to nobody.
    frame = window.page.locator("iframe")
    assert frame.get_attribute("sandbox") == ""


def test_a_mails_links_lead_nowhere(window: Watched, sink: HttpSink) -> None:
    address = made("hostile")
    window.page.goto(address)
    link = mail_of(window.page).locator("a").first
    link.click(force=True)
    with window.page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        link.focus()
        # The mouse cannot; who does it by keys is stopped by the page's policy.  `link.press` would wait for where it
        # leads to, and that may never come.
        window.page.keyboard.press("Enter")
    assert sink.received == []
    assert window.page.url == address


def test_the_file_asks_for_nothing_and_says_so() -> None:
    made("hostile")
    text = Path("page.html").read_text()
    assert "default-src 'none'" in text
    for forbidden in ("<script", "<link", "@import", "url("):
        # What an event says stands there escaped.
        head = text.partition("</style>")[0]
        assert forbidden not in head
    assert "<script" not in re.sub(r'srcdoc="[^"]*"', "", text)


@pytest.mark.parametrize(
    "window",
    [{"viewport": {"width": 390, "height": 844}}, {"viewport": {"width": 1280, "height": 800}}],
    ids=["phone", "desktop"],
    indirect=True,
)
def test_it_can_be_read_at_any_width(window: Watched) -> None:
    window.page.goto(made("hostile"))
    width = window.page.evaluate("innerWidth")
    assert window.page.evaluate("document.documentElement.scrollWidth") <= width
    assert mail_of(window.page).evaluate("body => body.scrollWidth <= innerWidth")
    sections = window.page.locator("section.draft")
    assert [sections.nth(at).get_attribute("data-form") for at in range(sections.count())] == [
        "chat",
        "email",
        "sms",
        "json",
    ]
    for at in range(sections.count()):
        box = sections.nth(at).bounding_box()
        assert box is not None
        assert box["height"] > 100
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert sizes(window.page) >= 11


def sizes(page: Page) -> float:
    """Return the smallest size of letters on the page."""
    script = "Math.min(...[...document.body.querySelectorAll('*')].map(e => parseFloat(getComputedStyle(e).fontSize)))"
    return float(page.evaluate(script))


#: WCAG's contrast of the text of each element with what is behind it.
CONTRAST = """selector => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number)
  const part = value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  const light = ([r, g, b]) => part(r / 255) * 0.2126 + part(g / 255) * 0.7152 + part(b / 255) * 0.0722
  return [...document.querySelectorAll(selector)].map(element => {
    const isClear = e => rgb(getComputedStyle(e).backgroundColor)[3] === 0
    let behind = element
    while (behind.parentElement && isClear(behind)) behind = behind.parentElement
    const [text, back] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
    const [less, more] = [light(rgb(text)), light(rgb(back))].sort((a, b) => a - b)
    return (more + 0.05) / (less + 0.05)
  })
}"""
WRITTEN = (
    "h1, h2, h3, dt, dd, .verdict, .stages b, .stages span, .tag, .limit, .bubble, .part-end, .attachment,"
    " .sender b, .sender i, .link, pre, summary, footer"
)


@pytest.mark.parametrize(
    "window", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"], indirect=True
)
def test_there_is_contrast_in_light_and_dark(window: Watched) -> None:
    window.page.goto(made("hostile"))
    contrasts = window.page.evaluate(CONTRAST, WRITTEN)
    assert len(contrasts) > 20
    assert min(contrasts) >= 4.5


def test_it_shows_each_form_and_how_far_the_event_comes(window: Watched) -> None:
    window.page.goto(made("hostile", "Guest.Created"))
    page = window.page
    assert (
        page.inner_text(".verdict") == "The message does NOT go out: match: does not hold: data.code: ['x']."
    )
    assert page.inner_text("h1") == "hostile"
    assert page.inner_text("section[data-form=chat] strong") == "Joseph Harrington"
    assert "GSM-7, " in page.inner_text("section[data-form=sms] .limit")
    assert json.loads(page.inner_text("section[data-form=json] pre"))["title"] == "New Joseph Harrington"
    assert "Joseph Harrington" in mail_of(page).inner_text()


def test_the_segments_of_an_sms_are_marked(window: Watched) -> None:
    window.page.goto(made("hostile"))
    marks = window.page.locator(".part-end")
    count = marks.count()
    assert count == 3
    assert [marks.nth(at).inner_text() for at in range(count)] == [
        f"{at}/{count}" for at in range(1, count + 1)
    ]


def test_forms_that_the_rule_does_not_use_stand_apart(window: Watched) -> None:
    window.page.goto(made("plain", "Guest.Created"))
    assert window.page.locator(".drafts:not(.others) section").count() == 1
    others = window.page.locator(".others section")
    assert [others.nth(at).get_attribute("data-form") for at in range(others.count())] == [
        "email",
        "sms",
        "json",
    ]


def test_a_guest_without_an_address_gets_nothing_and_the_message_is_there_all_the_same(
    window: Watched,
) -> None:
    window.page.goto(made("told"))
    headers = window.page.locator(".drafts:not(.others) section h3")
    assert [headers.nth(at).inner_text() for at in range(headers.count())] == [
        "desk",
        "guest: nobody is told: `to` gives no address for this event",
    ]
    others = window.page.locator(".others section")
    assert [others.nth(at).get_attribute("data-form") for at in range(others.count())] == ["sms", "json"]


def test_a_template_that_failed_is_marked(window: Watched) -> None:
    window.page.goto(made("broken", "Guest.Created"))
    assert "The template failed at " in window.page.inner_text("section[data-form=email] .problem")


def test_what_was_cut_can_be_read(window: Watched) -> None:
    window.page.goto(made("hostile"))
    limit = window.page.inner_text("section[data-form=chat] .limit")
    assert re.fullmatch(r"The title is cut after 24\d of \d{3} characters\.", limit)
    assert ", 3 of 3 segments, " in window.page.inner_text("section[data-form=sms] .limit >> nth=0")
    details: Any = window.page.locator("section[data-form=chat] details")
    details.locator("summary").click()
    assert "Lee" in details.locator("pre").inner_text()
