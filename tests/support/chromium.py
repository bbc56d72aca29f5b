"""A real browser without a screen, that really clicks. It needs no network and gets none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 20.0
_BROWSER, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def require() -> None:
    """Skip the test where there is no such browser, or nothing that drives it."""
    pytest.importorskip("selenium", reason="selenium is not installed: nothing drives a browser")
    if _BROWSER is None or _DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed: the page is not tried in a browser")


@contextmanager
def chromium(directory: Path, *, width: int = 1280, height: int = 900) -> Iterator[Any]:
    """Start a browser with a profile of its own; yield its selenium driver."""
    os.environ["SE_AVOID_STATS"] = "true"
    os.environ["SE_OFFLINE"] = "true"
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = str(_BROWSER)
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--force-device-scale-factor=1",
        f"--window-size={width},{height}",
        f"--user-data-dir={directory}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(str(_DRIVER)))
    try:
        driver.set_script_timeout(PATIENCE)
        yield driver
    finally:
        driver.quit()


def until(driver: Any, true: Callable[[Any], Any], what: str) -> Any:
    """Wait until `true` of the driver; return what it says."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, PATIENCE, poll_frequency=0.05).until(true, what)
