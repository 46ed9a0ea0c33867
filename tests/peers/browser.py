"""Chromium without a window, told what to do by the DevTools protocol over a pair of pipes, ended by its process id.

Source: https://chromedevtools.github.io/devtools-protocol/
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

from peers.servers import program

ANSWER_TIMEOUT_S = 60.0  # of what takes a tenth of a second on an idle machine
STOP_TIMEOUT_S = 30.0
READ_OCTETS = 1 << 16
SWITCHES = (
    *("--headless", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing that is not on this machine is found
)


class Browser:
    """One page. `said` has what it wrote to its console or threw, `asked` every address that it asked for."""

    def __init__(self, to_it: int, from_it: int) -> None:
        self._to_it = to_it
        self._from_it = from_it
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.said: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def open(self, address: str, *, width: int = 1400, height: int = 900) -> None:
        """Open the page at `address`, and wait until it is there."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url="about:blank")  # else only the fragment may change, which loads nothing
        self.call("Page.navigate", url=address)
        self.evaluate(
            "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))"
        )

    def evaluate(self, script: str) -> Any:
        """Return what `script` comes to, a promise awaited."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click the middle of the first element that `selector` means."""
        x, y = self.evaluate(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press `key`: a letter, or "Enter", "Escape", "ArrowRight" and the like."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Have `method` done, and return its result; what the page says in the meantime is kept."""
        self._number += 1
        told: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            told["sessionId"] = self._session
        octets = json.dumps(told).encode() + b"\0"
        while octets:
            octets = octets[os.write(self._to_it, octets) :]
        while (message := self._message()).get("id") != self._number:
            self._take(message)
        assert "error" not in message, f"{method}: {message['error']}"
        found: dict[str, Any] = message["result"]
        return found

    def _take(self, event: dict[str, Any]) -> None:
        match event:
            case {"method": "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded", "params": what}:
                self.said.append(json.dumps(what))
            case {"method": "Network.requestWillBeSent", "params": {"request": {"url": address}}}:
                self.asked.append(address)
            case _:
                pass

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select([self._from_it], [], [], ANSWER_TIMEOUT_S)[0], "Chromium does not answer"
            octets = os.read(self._from_it, READ_OCTETS)
            assert octets, "Chromium has ended"
            self._rest += octets
        first, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(first)
        return found


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Run Chromium with a profile of its own in `folder`; it reads from file 3 and writes to file 4."""
    (its_in, to_it), (from_it, its_out) = os.pipe(), os.pipe()
    command = [program("chromium"), *SWITCHES, f"--user-data-dir={folder / 'profile'}"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # it refuses to run as root with one
    wired = ["bash", "-c", f'exec "$@" 3<&{its_in} 4>&{its_out}', "bash", *command]  # sh may know no file above 9
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            wired, pass_fds=(its_in, its_out), stdout=log, stderr=log, env=os.environ | {"HOME": str(folder)}
        )
    os.close(its_in)
    os.close(its_out)
    try:
        browser = Browser(to_it, from_it)
        yield browser
        browser._session = None
        browser.call("Browser.close")
        process.wait(STOP_TIMEOUT_S)
    finally:
        process.kill()
        process.wait(STOP_TIMEOUT_S)
        os.close(to_it)
        os.close(from_it)
