"""The page in a real browser: real clicks, real keys, and the pixels that come of them."""

from __future__ import annotations

from contextlib import contextmanager

import cv2
import pytest

from maskbus.adapters.viewer import watch
from maskbus_client import Client
from maskbus_wire.prompts import Prompt
from maskbus_wire.requests import StreamList, TrackedObject
from support import chromium
from support.camera import Camera, disc
from support.nodes import live_node
from support.viewing import viewer
from support.waiting import until

DISC = Prompt(points=[(50, 60)])
SCENE = cv2.resize(disc(0), (160, 120), interpolation=cv2.INTER_AREA)
"""Small, for a model that computes. What is clicked is told in pixels of 320 × 240 all the same."""
PIXEL = """
const canvas = document.querySelector(`[data-stream="${arguments[0]}"] canvas`);
const [x, y] = [arguments[1] * canvas.width / 320, arguments[2] * canvas.height / 240];
return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data];
"""


@pytest.fixture(scope="module", autouse=True)
def _impatient():
    chromium.require()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "INTERVAL", 0.2)
        patch.setattr(watch, "_PATIENCE", 0.5)
        yield


@pytest.fixture(scope="module")
def node():
    with live_node(models=["echo", "grabcut"]) as running:
        yield running


@pytest.fixture(scope="module")
def server(node):
    with viewer(node.tcp) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium.chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


class Screen:
    """What a user of the page does and sees."""

    def __init__(self, browser, url: str) -> None:
        self.browser = browser
        browser.get(url)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def wait(self, true, what):
        return chromium.until(self.browser, lambda _: true(), what)

    def card(self, name):
        return self.find(f'[data-stream="{name}"]')

    def shown(self, name, masks=1):
        """Wait until a stream is seen with so many masks."""
        here = f'[data-stream="{name}"][data-masks="{masks}"]'
        self.wait(lambda: self.all(here), f"{name} is not shown with {masks} masks")
        return self

    def canvas(self, name):
        return self.find(f'[data-stream="{name}"] canvas')

    def actions(self):
        from selenium.webdriver import ActionChains

        return ActionChains(self.browser, duration=20)

    def at(self, name, x, y):
        """Move the mouse to a pixel of the frame, which has 320 × 240."""
        canvas = self.canvas(name)
        width, height = canvas.size["width"], canvas.size["height"]
        across, down = round((x + 0.5) * width / 320 - width / 2), round((y + 0.5) * height / 240 - height / 2)
        return self.actions().move_to_element_with_offset(canvas, across, down)

    def keys(self, *keys):
        for key in keys:
            self.actions().send_keys(key).perform()
        return self

    def pixel(self, name, x, y):
        return self.browser.execute_script(PIXEL, name, x, y)[:3]

    def quiet(self):
        """Fail if the page has complained."""
        assert [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def small(number):
    return SCENE


@contextmanager
def screen(browser, server, node, name, **settings):
    with Camera(node.tcp, name, context=node.context, **{"model": "echo", **settings}) as camera:
        page = Screen(browser, server.url)
        page.camera = camera
        yield page
        page.quiet()


@contextmanager
def results(node, topic):
    """Yield what returns the next masks, bool (N, H, W)."""
    with Client(node.tcp, context=node.context) as client, client.subscribe(topic, newest=True, timeout=20) as found:
        yield lambda: next(found).to_array()


def info(node, name):
    with node.peer() as peer:
        return next(one for one in peer.ask(StreamList()).streams if one.stream == name)


def test_a_click_on_a_thing_paints_it(node, server, browser):
    with screen(browser, server, node, "click", picture=small, model="grabcut", prompt=DISC, fps=8) as page:
        page.shown("click")
        assert page.pixel("click", 235, 45)[1] > 200, "the white square is not white"
        page.at("click", 250, 60).click().perform()
        page.wait(lambda: page.pixel("click", 235, 45)[1] < 200, "the square under the click is not painted")
        page.wait(lambda: page.pixel("click", 100, 100)[2] < 60, "the disc is still painted")
        with results(node, "masks/click/grabcut") as masks:
            until(lambda: masks()[:, 30, 125].all(), "the published masks do not have what was clicked")
        assert info(node, "click").watched
        assert len(page.all('[data-stream="click"] [data-act]:not(:disabled)')) == 2


def test_a_right_click_takes_a_thing_away(node, server, browser):
    both = Prompt(boxes=[(15, 10, 150, 95)])
    with screen(browser, server, node, "away", picture=small, model="grabcut", prompt=both, fps=8) as page:
        page.shown("away")
        page.at("away", 30, 20).click_and_hold().perform()
        page.at("away", 300, 190).release().perform()
        page.wait(lambda: page.pixel("away", 235, 45)[1] < 200, "the square in the box is not painted")
        page.wait(lambda: page.pixel("away", 100, 100)[2] > 60, "the disc in the box is not painted")
        page.at("away", 250, 60).context_click().perform()
        page.wait(lambda: page.pixel("away", 235, 45)[1] > 200, "what is no object is still painted")
        page.wait(lambda: page.pixel("away", 100, 100)[2] > 60, "the disc is not painted any more")
        page.keys("\ue003")
        page.wait(lambda: page.pixel("away", 235, 45)[1] < 200, "the click was not taken back")


def test_a_drag_is_a_box(node, server, browser):
    with screen(browser, server, node, "drag") as page:
        page.shown("drag", 0)
        page.at("drag", 40, 30).click_and_hold().perform()
        page.at("drag", 200, 150).perform()
        page.at("drag", 240, 190).release().perform()
        page.shown("drag")
        with results(node, "masks/drag/echo") as masks:
            found = masks()[0]
        assert found[40:180, 50:230].all()
        assert not found[:25].any()
        assert not found[:, 246:].any()
        page.wait(lambda: page.pixel("drag", 60, 50)[0] > 80, "the box is not painted")
        page.keys("\ue00c").shown("drag", 0)


def test_wrong_clicks_are_answered_in_words(node, server, browser):
    with screen(browser, server, node, "words", picture=small, model="grabcut", prompt=DISC, fps=8) as page:
        page.shown("words")
        page.at("words", 10, 10).key_down("\ue008").click().key_up("\ue008").perform()
        problem = page.find('[data-stream="words"] .problem')
        page.wait(lambda: "background" in problem.text, "the node's sentence about the frames is not shown")
        page.keys("\ue003")
        page.wait(lambda: "needs a prompt" in page.find("#said").text, "nobody says why nothing happens")


def test_objects_are_followed_and_removed(node, server, browser):
    first = TrackedObject(object_id=1, prompt=Prompt(boxes=[(50, 70, 150, 170)]))
    with screen(browser, server, node, "objects", track=True, objects=[first]) as page:
        page.shown("objects")
        page.canvas("objects").click()  # corrects object 1, which is chosen
        page.wait(lambda: "Object 1 is followed" in page.find("#said").text, "nothing is said")
        page.keys("n")
        assert page.find('[data-act="object-2"]').get_attribute("aria-pressed") == "true"
        page.at("objects", 250, 60).click().perform()
        page.shown("objects", 2)
        assert info(node, "objects").object_ids == [1, 2]
        page.keys("n")
        page.at("objects", 200, 200).context_click().perform()
        page.wait(
            lambda: "lost" in page.find('[data-act="object-3"]').text, "an object that is nowhere is not called lost"
        )
        page.keys("\ue017").shown("objects", 2).keys("1", "\ue017").shown("objects", 1)
        until(lambda: info(node, "objects").object_ids == [2], "it is still followed")
        page.find('[data-act="object-2"]').click()
        page.find('[data-act="remove"]').click()
        page.shown("objects", 0)
        page.keys("7", "\ue017")
        page.wait(lambda: page.all("#said [role=alert]"), "the node's error is not shown")
        assert "7" in page.find("#said [role=alert]").text


def test_everything_can_be_done_by_keys(node, server, browser):
    with (
        Camera(node.tcp, "keys-2", context=node.context, model="echo"),
        screen(browser, server, node, "keys-1") as page,
    ):
        page.shown("keys-1", 0).shown("keys-2", 0)
        focused = lambda: browser.switch_to.active_element  # noqa: E731
        for _ in range(12):
            page.keys("\ue004")
            if focused() == page.canvas("keys-1"):
                break
        assert focused() == page.canvas("keys-1")
        page.keys("c", "\ue012", "+").shown("keys-1")
        assert "crosshair" in focused().get_attribute("aria-label")
        with results(node, "masks/keys-1/echo") as masks:
            assert masks()[0][120, 154]
        page.keys("\ue003").shown("keys-1", 0)
        page.keys("b", *["\ue014"] * 4, *["\ue015"] * 4, "b").shown("keys-1")
        page.keys("c", "\ue014")
        assert focused() == page.canvas("keys-2")
        page.keys("\ue007")
        page.wait(lambda: not page.card("keys-1").is_displayed(), "the other stream is still in view")
        until(lambda: not info(node, "keys-1").watched, "what is not in view is computed")
        page.keys("\ue012")
        page.wait(lambda: page.card("keys-1").is_displayed(), "the arrow does not lead to the other stream")
        page.keys("f")
        page.wait(lambda: page.card("keys-2").is_displayed(), "f does not lead back")
        page.keys("?")
        assert page.find("#keys").is_displayed()
        page.keys("\ue00c")
        page.wait(lambda: not page.find("#keys").is_displayed(), "Escape does not close the help")
        page.canvas("keys-1").click()
        page.keys(" ")
        until(lambda: not info(node, "keys-1").watched, "a paused page has frames computed")
        assert page.find("#pause").get_attribute("aria-pressed") == "true"
        before = page.card("keys-1").get_attribute("data-seq")
        page.keys(" ")
        page.wait(lambda: page.card("keys-1").get_attribute("data-seq") != before, "it does not go on")
        for control in page.all("button, canvas"):
            assert control.accessible_name or not control.is_displayed()


def test_a_page_that_is_busy_goes_on_with_what_is_new(node, server, browser):
    with screen(browser, server, node, "busy", fps=40) as page:
        page.shown("busy", 0)
        browser.execute_script("const end = Date.now() + 1500; while (Date.now() < end);")
        now = page.camera.sent
        seen = lambda: int(page.card("busy").get_attribute("data-seq"))  # noqa: E731
        page.wait(lambda: seen() >= now, "it does not go on")


def test_a_node_that_goes_is_told_of_and_met_again(browser):
    with live_node(models=["echo"]) as first:
        where = {"bind": [first.tcp], "models": ["echo"]}
        with viewer(first.tcp) as server, Camera(first.tcp, "gone", model="echo", prompt=DISC) as camera:
            page = Screen(browser, server.url).shown("gone").keys("f")
            first.bus.stop()
            trouble = page.find("#trouble")
            page.wait(lambda: "does not answer" in trouble.text, "nobody says that the node is gone")
            with live_node(**where):
                until(lambda: camera.opened > 1, "the camera did not come back")
                now = camera.sent
                page.wait(lambda: not trouble.is_displayed(), "the trouble is still told of")
                page.wait(lambda: int(page.card("gone").get_attribute("data-seq")) >= now, "no picture comes again")
                assert page.all("body.one"), "it is not large any more"
                page.shown("gone")
                page.quiet()


def test_a_viewer_that_ends_is_told_of_and_the_key_is_asked_for(node, browser):
    with viewer(node.tcp) as server:
        page = Screen(browser, server.url)
        page.wait(lambda: "No stream" in page.find("#empty").text, "a node without streams says nothing")
    page.wait(lambda: "Trying again" in page.find("#trouble").text, "nobody says that the viewer is gone")
    browser.get_log("browser")
    with viewer(node.tcp) as server:
        locked = Screen(browser, server.url.partition("?")[0])
        assert "maskbus view" in locked.find("main").text
        assert locked.all("canvas") == []
