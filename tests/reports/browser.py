"""A headless Chromium, driven by the DevTools protocol through two pipes: no driver is needed."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60  # seconds: for a machine that does other things too
REPORT_READY = "document.documentElement?.dataset.ready === 'true'"
KEYS = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "Tab": 9, "/": 191}


def chromium() -> str | None:
    """The program, if it is there and can be driven through pipes."""
    if os.name != "posix":
        return None
    return next(filter(None, map(shutil.which, NAMES)), None)


class NoBrowserError(Exception):
    """The browser does not start, or ended."""


class Browser:
    """One page of a browser.

    Attributes:
        complaints: What the page's console and the browser had to say: errors, exceptions, what
            the content policy stopped, and every request but for the page itself.
    """

    def __init__(self, folder: Path) -> None:
        program = chromium()
        assert program is not None
        self.complaints: list[str] = []
        self._numbers = itertools.count(1)
        self._buffer = b""
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # The protocol's pipes are the descriptors 3 and 4 of the browser. A pipe's end may have
        # one of these numbers already, so they are moved out of the way first.
        move = f'exec 8<&{theirs_in} 9>&{theirs_out}; exec 3<&8 4>&9; exec "$0" "$@"'
        self._process = subprocess.Popen(
            [
                "bash", "-c", move, program, "--headless=new", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
                "--disable-background-networking", f"--user-data-dir={folder}",
                "--remote-debugging-pipe", "about:blank",
            ],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        targets = self._call("Target.getTargets", session="")["targetInfos"]
        target = next(info["targetId"] for info in targets if info["type"] == "page")
        attached: dict[str, Any] = {"targetId": target, "flatten": True}
        self._session = self._call("Target.attachToTarget", session="", **attached)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._send("Browser.close", {}, "")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def open(
        self, page: Path, *, width: int = 1280, height: int = 900, ready: str = REPORT_READY
    ) -> None:
        """Open a file and wait until an expression is true: of a report, that its list is there."""
        self.size(width, height)
        self.complaints.clear()
        self._page = page.as_uri()
        self._call("Page.navigate", url=self._page)
        self.wait(ready)

    def size(self, width: int, height: int = 900) -> None:
        metrics: dict[str, Any] = {
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": width < 500,
        }
        self._call("Emulation.setDeviceMetricsOverride", **metrics)

    def media(self, **features: str) -> None:
        """Set features such as prefers_color_scheme; ``media="print"`` for print."""
        media = features.pop("media", "")
        named = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self._call("Emulation.setEmulatedMedia", media=media, features=named)

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        # The console's own evaluation, which the page's content policy does not concern.
        result = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise AssertionError(result["exceptionDetails"])
        return result["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.js(expression):
            if time.monotonic() > end:
                raise AssertionError(f"never true: {expression}; {self.complaints}")
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        """Press and release keys, one after the other."""
        for key in keys:
            code = KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
            text: dict[str, Any] = (
                {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
            )
            common: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code}
            self._call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
            self._call("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text: str) -> None:
        """Type a text into what has the focus."""
        self._call("Input.insertText", text=text)

    def picture(
        self, path: Path, *, whole: bool = False, part: tuple[int, int, int] | None = None
    ) -> None:
        """Save what is seen as png, or the whole page, or a part: its top, width and height."""
        options: dict[str, Any] = {"captureBeyondViewport": whole or part is not None}
        if part is not None:
            options["clip"] = {"x": 0, "scale": 1} | dict(
                zip(("y", "width", "height"), part, strict=True)
            )
        result = self._call("Page.captureScreenshot", format="png", **options)
        path.write_bytes(base64.b64decode(result["data"]))

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = self._send(method, parameters, self._session if session is None else session)
        for message in self._messages():
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                answer: dict[str, Any] = message["result"]
                return answer
            self._note(message)
        raise NoBrowserError(f"the browser ended during {method}")

    def _send(self, method: str, parameters: dict[str, Any], session: str) -> int:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return number

    def _messages(self) -> Iterator[dict[str, Any]]:
        while True:
            while b"\0" not in self._buffer:
                ready, _, _ = select.select([self._in], [], [], PATIENCE)
                assert ready, "the browser does not answer"
                piece = os.read(self._in, 1 << 16)
                if not piece:
                    return
                self._buffer += piece
            message, _, self._buffer = self._buffer.partition(b"\0")
            yield json.loads(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method", ""), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" or method == "Log.entryAdded":
            self.complaints.append(str(parameters))
        elif method == "Network.loadingFailed":
            self.complaints.append(f"failed: {parameters.get('blockedReason')}")
        elif method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if url != getattr(self, "_page", ""):
                self.complaints.append(f"request: {url[:200]}")
