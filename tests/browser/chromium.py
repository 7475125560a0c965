"""A real Chromium, driven by its own protocol: no browser is downloaded, and no driver has to fit it.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
TIME_LIMIT_S: Final = 120.0
_POLL_S: Final = 0.02
_KEYS: Final = {
    "Enter": 13,
    "Escape": 27,
    "ArrowDown": 40,
    "ArrowUp": 38,
    "Delete": 46,
    "Tab": 9,
    "End": 35,
    "Home": 36,
}

Message = dict[str, Any]
Found = TypeVar("Found")


class PageError(AssertionError):
    """The page threw, or never came to be as a test waits for."""


def path_of_chromium() -> str | None:
    """Return the browser of this machine, if it has one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One browser for all tests; each page has a profile of its own."""

    def __init__(self, path: str, profile: Path) -> None:
        self._process = subprocess.Popen(
            [
                path,
                "--headless=new",
                "--remote-debugging-port=0",
                f"--user-data-dir={profile}",
                "--no-first-run",
                # What draws draws in memory, and needs no process of its own for it.
                "--disable-gpu",
                "--in-process-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--hide-scrollbars",
                # A process takes longer to begin than the console to show a page: all pages have the first
                # one's, which they would leave for their site's own.
                "--renderer-process-limit=1",
                "--disable-site-isolation-trials",
                "--disable-features=SpareRendererForSitePerProcess",
                # A container has neither the rights for Chromium's sandbox, which guards against pages of
                # others, nor a large /dev/shm.
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port_file = profile / "DevToolsActivePort"
        try:
            lines = _wait(lambda: self._port_lines(port_file), "Chromium's port")
        except PageError:
            self._process.kill()
            self._process.wait()
            raise
        self._address = f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        self._port = lines[0]
        self._open = contextlib.ExitStack()
        self._browser = self._open.enter_context(_connected(self._address))
        self._ids = count(1)
        self._is_shared_one_free = True

    @property
    def pid(self) -> int:
        return self._process.pid

    def _port_lines(self, port_file: Path) -> list[str] | None:
        lines = _lines(port_file)
        if not lines and self._process.poll() is not None:
            raise PageError(f"Chromium ended with {self._process.returncode}")
        return lines

    def close(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            self._call("Browser.close")
        self._open.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def page(self, *, width: int = 1280, height: int = 800, dark: bool = False) -> Iterator["Page"]:
        """Open an empty page with cookies and storage of its own; closed on exit."""
        with self._context() as context:
            target = self._call("Target.createTarget", url="about:blank", **context)["targetId"]
            address = f"ws://127.0.0.1:{self._port}/devtools/page/{target}"
            try:
                with _connected(address) as socket:
                    page = Page(socket)
                    page.resize(width, height)
                    page.prefer(dark=dark)
                    yield page
                    page.forget()
            finally:
                self._call("Target.closeTarget", targetId=target)

    @contextlib.contextmanager
    def _context(self) -> Iterator[dict[str, str]]:
        """Lend the browser's first context, which each page leaves empty, unless it is lent: then a new one,
        which takes three times as long.
        """
        if self._is_shared_one_free:
            self._is_shared_one_free = False
            yield {}
            # After a failure nothing is known of what is left in it, and it is lent no more.
            self._call("Storage.clearCookies")
            self._call("Browser.resetPermissions")
            self._is_shared_one_free = True
            return
        context = self._call("Target.createBrowserContext")["browserContextId"]
        try:
            yield {"browserContextId": context}
        finally:
            self._call("Target.disposeBrowserContext", browserContextId=context)

    def _call(self, method: str, **params: Any) -> Message:
        return _answer(self._browser, next(self._ids), method, params, lambda _message: None)


class Page:
    """One page. Everything that it complains of, and every address that it asks for, is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = count(1)
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self.traced: list[Message] = []
        self._is_traced = False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Message:
        return _answer(self._socket, next(self._ids), method, params, self._note)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def forget(self) -> None:
        """Leave nothing in the storage of the same addresses.

        The console's files stay in the browser's cache, as they do for its users: their path names their
        version, and each page would ask for all 46 of them anew.
        """
        addresses = map(urlsplit, self.requested)
        for origin in {f"{each.scheme}://{each.netloc}" for each in addresses}:
            self.call("Storage.clearDataForOrigin", origin=origin, storageTypes="all")

    def run(self, script: str) -> Any:
        """Return what an expression comes to; promises are awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise PageError(answer["exceptionDetails"].get("exception", {}).get("description") or str(answer))
        return answer["result"].get("value")

    def until(self, script: str, what: str = "") -> Any:
        """Wait until an expression comes to something true."""
        try:
            return _wait(lambda: self._tried(script), what or script)
        except PageError as error:
            raise PageError(f"{error}; complaints: {self.complaints}; text:\n{self.text()}") from None

    def shown(self, selector: str) -> None:
        """Wait until there is such an element."""
        self.until(f"document.querySelector({json.dumps(selector)}) !== null", selector)

    def text(self, selector: str = "body") -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def click(self, selector: str, *, text: str | None = None) -> None:
        """Click the middle of the first element that fits, as a mouse does, once the click would reach it.

        It must have stood still from one frame to the next, since a dialog that opens, or an answer that
        comes in above it, moves it away from under the mouse; and nothing may cover it, as a dialog does that
        is about to close: that would get the click.
        """
        find = f"""(async () => {{
            const all = [...document.querySelectorAll({json.dumps(selector)})];
            const wanted = {json.dumps(text)};
            const found = all.find((each) => wanted === null || each.innerText.trim() === wanted);
            if (!found || found.disabled) return null;
            found.scrollIntoView({{ block: 'nearest' }});
            const middle = () => {{
                const box = found.getBoundingClientRect();
                return box.width ? [box.x + box.width / 2, box.y + box.height / 2] : null;
            }};
            const before = middle();
            if (!before) return null;  // in a dialog that is not open yet
            await new Promise((pass) => requestAnimationFrame(() => requestAnimationFrame(pass)));
            return String(middle()) === String(before)
                && found.contains(document.elementFromPoint(...before)) ? before : null;
        }})()"""
        x, y = self.until(find, f"{selector} {text or ''}")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def fill(self, selector: str, value: str) -> None:
        """Focus a field, and type over what is there; again if the page has moved the focus meanwhile.

        A dialog that closes gives it back to what had it before, and fields beside an open one take none.
        """
        field = f"document.querySelector({json.dumps(selector)})"
        has_focus = f"{field} !== null && document.activeElement === {field}"
        focus = f"{field}?.getClientRects().length > 0 && ({field}.focus(), {field}.select?.(), {has_focus})"
        self.until(focus, selector)
        self.call("Input.insertText", text=value)
        while not self.run(has_focus):
            self.until(focus, selector)
            self.call("Input.insertText", text=value)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select."""
        options = f"[...document.querySelector({json.dumps(selector)})?.options ?? []]"
        self.until(f"{options}.some((each) => each.value === {json.dumps(value)})", f"{selector}: {value}")
        self.run(f"""(() => {{
            const chosen = document.querySelector({json.dumps(selector)});
            chosen.value = {json.dumps(value)};
            for (const name of ['input', 'change'])
                chosen.dispatchEvent(new Event(name, {{ bubbles: true }}));
        }})()""")

    def press(self, key: str) -> None:
        """Press and release a key where the focus is."""
        known = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS.get(key, ord(key[0].upper()))}
        typed = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **known, **typed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, *, dark: bool) -> None:
        """Say whether the system is dark."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png", optimizeForSpeed=False)["data"]
        path.write_bytes(base64.b64decode(data))

    def trace(self) -> None:
        """Begin to note every task of the page's threads, with the processor time that it took."""
        categories = {"includedCategories": ["toplevel"]}
        self.call("Tracing.start", transferMode="ReportEvents", traceConfig=categories)

    def tasks_ms(self) -> list[float]:
        """End the trace; return the processor time of the main thread's tasks, the longest first."""
        self.call("Tracing.end")
        _wait(lambda: self.run("true") and self._is_traced, "trace")
        threads = {
            (each["pid"], each["tid"])
            for each in self.traced
            if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
        }
        tasks = (each for each in self.traced if each["name"].endswith("RunTask") and "tdur" in each)
        return sorted(
            (each["tdur"] / 1000 for each in tasks if (each["pid"], each["tid"]) in threads), reverse=True
        )

    def _tried(self, script: str) -> Any:
        try:
            return self.run(script)
        except PageError as error:
            # While a page is being loaded there is nothing to ask, and what is being asked is not answered.
            if any(text in str(error) for text in ("Cannot find context", "navigated or closed")):
                return None
            raise

    def _note(self, message: Message) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.complaints.append(
                    " ".join(str(each.get("value", each.get("description"))) for each in params["args"])
                )
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Tracing.dataCollected":
                self.traced += params["value"]
            case "Tracing.tracingComplete":
                self._is_traced = True
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.requested.append(params["url"])


def _connected(address: str) -> AbstractContextManager[ClientConnection]:
    # Pings would find out what the end of the process tells as well, and each draws from the global random.
    return connect(address, proxy=None, max_size=None, open_timeout=TIME_LIMIT_S, ping_interval=None)


def _answer(
    socket: ClientConnection, mark: int, method: str, params: Message, note: Callable[[Message], None]
) -> Message:
    socket.send(json.dumps({"id": mark, "method": method, "params": params}))
    while True:
        message: Message = json.loads(socket.recv(timeout=TIME_LIMIT_S))
        if message.get("id") != mark:
            note(message)
        elif "error" in message:
            raise PageError(f"{method}: {message['error'].get('message')}")
        else:
            result: Message = message["result"]
            return result


def _wait(found: Callable[[], Found | None], what: str) -> Found:
    until = time.monotonic() + TIME_LIMIT_S
    while not (result := found()):
        if time.monotonic() > until:
            raise PageError(f"no {what}")
        time.sleep(_POLL_S)
    return result


def _lines(path: Path) -> list[str] | None:
    try:
        lines = path.read_text().split()
    except FileNotFoundError:
        return None
    return lines if len(lines) == 2 else None
