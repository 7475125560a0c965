"""The console's files: read when the console is first asked for, never at a cold start.

Assets are served below a name that their content gives (``/console/<version>/<file>``), so that a browser
keeps them for good and never mixes the modules of two releases.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from html import escape
from pathlib import Path
from string import Template
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "console"
PAGE: Final = "page.html"

CONTENT_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served, by the end of the name; nothing else of the folder is."""

_VERSION_CHARS: Final = 16
_IMPORT_MAP: Final = ('<script type="importmap">', "</script>")


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the page is told of where it runs; all of it is public.

    Attributes:
        websocket_url: Empty if it is not known.
        asks_for_token: Whether a client has to show one.
    """

    websocket_url: str
    stage: str
    chain: str
    asks_for_token: bool


@dataclass(frozen=True, slots=True)
class Page:
    """The page, and the digest of its one inline script, as Content-Security-Policy wants it."""

    html: str
    script_sha256: str

    @property
    def tag(self) -> str:
        """Return the entity tag."""
        return f'"{hashlib.sha256(self.html.encode()).hexdigest()[:_VERSION_CHARS]}"'


class ConsoleFiles:
    """The files of one release, read once each."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._texts: dict[str, str] = {}

    @cached_property
    def version(self) -> str:
        """The name that the content of all assets gives them."""
        digest = hashlib.sha256()
        for name in sorted(self._paths):
            digest.update(f"{name}\0{self._text(name)}\0".encode())
        return digest.hexdigest()[:_VERSION_CHARS]

    def asset(self, version: str, name: str) -> tuple[str, str] | None:
        """Return an asset's text and content type; None if this release has none of that name or version."""
        if name not in self._paths or version != self.version:
            return None
        return self._text(name), CONTENT_TYPES[Path(name).suffix]

    def page(self, facts: PageFacts) -> Page:
        """Return the page for a place; its addresses are relative, so it may be at any."""
        template = Template((self._folder / PAGE).read_text(encoding="utf-8"))
        html = template.substitute(
            assets=f"console/{self.version}",
            websocket=escape(facts.websocket_url),
            stage=escape(facts.stage),
            chain=escape(facts.chain),
            auth="jwt" if facts.asks_for_token else "none",
        )
        script = html.partition(_IMPORT_MAP[0])[2].partition(_IMPORT_MAP[1])[0]
        assert script, "the page has an import map"
        return Page(html, base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())

    @cached_property
    def _paths(self) -> dict[str, Path]:
        # A name is looked up here and nowhere on the disk: no request can leave the folder.
        found = (*self._folder.iterdir(), *(self._folder / "vendor").iterdir())
        return {path.name: path for path in found if path.suffix in CONTENT_TYPES}

    def _text(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = self._paths[name].read_text(encoding="utf-8")
        return self._texts[name]


@cache
def console_files() -> ConsoleFiles:
    """Return this process's."""
    return ConsoleFiles()
