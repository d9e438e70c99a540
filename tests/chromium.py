"""A page in a real browser: any Chromium, by its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_SILENT = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"]
_WITH_PIPES = """
import os, sys
for end, wanted in zip(map(int, sys.argv[1:3]), (3, 4)):
    os.dup2(end, wanted)
os.execv(sys.argv[3], sys.argv[3:])
"""
_NOTICES = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}


class Page:
    """An open page. `notices`: what the browser has written to its console, as events."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out = os.fdopen(to_browser, "wb", buffering=0)
        self._in = os.fdopen(from_browser, "rb")
        self._last, self._session = 0, ""
        self._loaded = False
        self.notices: list[dict[str, Any]] = []
        self.requests: list[str] = []

    def attach(self) -> None:
        """Open an empty page, and listen to what it does."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")

    def load(
        self, address: str, *, width: int = 1280, height: int = 900, is_dark: bool = False
    ) -> None:
        """Load an address in a window of that size, and wait until it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded = False
        self.call("Page.navigate", url=address)
        while not self._loaded:
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def accessible_nodes(self) -> list[Mapping[str, Any]]:
        """The nodes that a screen reader meets."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [node for node in nodes if not node["ignored"]]

    def screenshot(self, *, top: int = 0, height: int = 0) -> bytes:
        """The page as PNG, all of it or `height` pixels from `top` on."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {
            "x": 0,
            "y": top,
            "width": size["width"],
            "height": height or size["height"] - top,
            "scale": 1,
        }
        found = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._last:
            pass
        assert "error" not in answer, (method, answer)
        return dict(answer["result"])

    def close(self) -> None:
        """Close both ends."""
        self._out.close()
        self._in.close()

    def _receive(self) -> dict[str, Any]:
        parts = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            if not byte:
                raise EOFError("the browser has ended")
            parts += byte
        message: dict[str, Any] = json.loads(parts)
        method = message.get("method")
        if method in _NOTICES:
            self.notices.append(message)
        elif method == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True
        return message


@contextlib.contextmanager
def open_browser(folder: Path) -> Iterator[Page]:
    """An empty page in a browser of its own, with its profile in `folder`."""
    assert CHROMIUM is not None
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    # The browser wants its ends as 3 and 4, which may be taken here.
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (their_in, their_out)]
    command = [
        *(sys.executable, "-c", _WITH_PIPES, *map(str, ends)),
        *(CHROMIUM, *_SILENT, "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}"),
    ]
    browser = subprocess.Popen(
        command,
        pass_fds=ends,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    for end in (their_in, their_out, *ends):
        os.close(end)
    page = Page(our_out, our_in)
    try:
        page.attach()
        yield page
        page.call("Page.close")
    finally:
        browser.kill()
        browser.wait()
        page.close()
