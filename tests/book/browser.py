"""A headless Chromium, driven through its DevTools protocol: a WebSocket and JSON, and no driver to install."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
]
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9, " ": 32}


def find():
    """Return the path of an installed Chromium or of one of its kin, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class CannotRunError(RuntimeError):
    """A program that is called like a browser, and is none: a stub that asks to install something."""


class Browser:
    """A running browser; use it in a `with` statement."""

    def __init__(self, program):
        self.folder = tempfile.mkdtemp()
        command = [program, *FLAGS, f"--user-data-dir={self.folder}", "about:blank"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, start_new_session=True, **quiet)
        self.numbers, self.events = itertools.count(1), []
        self.socket = websocket.create_connection(self._address(), suppress_origin=True, timeout=60)

    def _address(self):
        port = Path(self.folder, "DevToolsActivePort")
        for _ in range(600):
            if port.exists() and len(lines := port.read_text().split()) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            if self.process.poll() is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
                raise CannotRunError(f"{self.process.args[0]} ended at once, with the status {self.process.returncode}")
            time.sleep(0.1)
        raise TimeoutError("the browser did not start within a minute")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self.call("Browser.close")
        self.socket.close()
        with contextlib.suppress(OSError, AttributeError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, session=None, **parameters):
        """Send a command, keep the events that come before its answer, and return the answer."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        self.socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def page(self, width=1280, height=900, **media):
        """Open a tab of this size, with media features such as `prefers_color_scheme="dark"`."""
        return Page(self, width, height, {name.replace("_", "-"): value for name, value in media.items()})


class Page:
    """A tab."""

    def __init__(self, browser, width, height, media):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        features = [{"name": name, "value": value} for name, value in media.items()]
        self.call("Emulation.setEmulatedMedia", features=features)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url):
        """Go to an address, wait until the page has loaded and drawn itself, and forget what was before."""
        self.browser.events.clear()
        self.call("Page.navigate", url=url)
        while not any(self._named("Page.loadEventFired")):
            self.browser.events.append(json.loads(self.browser.socket.recv()))
        self.settle()

    def settle(self):
        """Wait for two frames."""
        self.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def js(self, expression):
        """Return the value of a JavaScript expression, or of what it promises."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", expression))
        return answer["result"].get("value")

    def _named(self, method):
        events = self.browser.events
        return [e["params"] for e in events if e.get("sessionId") == self.session and e["method"] == method]

    def requests(self):
        """Return the addresses that the page has asked for."""
        return [event["request"]["url"] for event in self._named("Network.requestWillBeSent")]

    def complaints(self):
        """Return what the page has thrown, logged as an error or a warning, or failed to load."""
        thrown = [event["exceptionDetails"] for event in self._named("Runtime.exceptionThrown")]
        bad = ("error", "warning", "assert")
        logged = [event["args"] for event in self._named("Runtime.consoleAPICalled") if event["type"] in bad]
        entries = [event["entry"] for event in self._named("Log.entryAdded") if event["entry"]["level"] in bad]
        return thrown + logged + entries + self._named("Network.loadingFailed")

    def mouse(self, kind, x, y):
        """Send `mousePressed`, `mouseMoved` or `mouseReleased`."""
        button = {"button": "left", "buttons": int(kind != "mouseReleased"), "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def touch(self, kind, *points):
        """Send `touchStart`, `touchMove` or `touchEnd`."""
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in points])

    def press(self, key, shift=False):
        """Press a key and let it go."""
        code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": key} if key == " " else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", modifiers=8 * shift, **code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", modifiers=8 * shift, **code)

    def screenshot(self, path, whole=False):
        """Write a picture of the window, or of the whole page."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(answer["data"]))

    def close(self):
        self.call("Page.close")
