"""Check the built site: links, anchors, pictures and formulas of every page and, where Chromium is at hand, its console.

    mkdocs build --strict && python docs/scripts/check_site.py site

Ends with 1 and a line for each fault. `--pictures FOLDER` also keeps a picture of each page at the width of a desk and of a phone.
"""

import argparse
import html.parser
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_RAW = re.compile(r"\\[(\[]|\\(?:frac|mathrm|sum|kappa|cdot|left|right)\b|\$\$")
_SIZES = {"desk": "1400,1600", "phone": "500,1200"}
_HEADLESS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr")
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


class Page(html.parser.HTMLParser):
    """The links, anchors, pictures without a text, and words of a page outside of code and formulas."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.anchors, self.silent, self.words = [], set(), [], []
        self._within = []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.anchors |= {named[key] for key in ("id", "name") if named.get(key)}
        self.links += [named[key] for key in ("href", "src") if named.get(key)]
        if tag == "img" and not named.get("alt"):
            self.silent.append(named.get("src"))
        if tag in ("code", "pre", "math", "script", "style"):
            self._within.append(tag)

    def handle_endtag(self, tag):
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data):
        if not self._within:
            self.words.append(data)


def faults(site: Path) -> list[str]:
    """What is wrong with the files of a site."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        found += [f"{name}: picture {source} has no text" for source in page.silent]
        found += [f"{name}: formula {match[0]!r} is not rendered" for match in map(_RAW.search, page.words) if match]
        if path.name == "404.html":
            continue  # its addresses begin at the root of a server
        for link in page.links:
            to, anchor = urllib.parse.urldefrag(link)
            if urllib.parse.urlsplit(link).scheme or link.startswith("//"):
                found += [f"{name}: {link} is fetched from elsewhere"] if link.endswith((".js", ".css")) else []
                continue
            target = (path.parent / urllib.parse.unquote(to)).resolve() if to else path
            target = target / "index.html" if target.is_dir() else target
            anchor = urllib.parse.unquote(anchor)
            if not target.exists():
                found.append(f"{name}: {link} leads nowhere")
            elif anchor and target in pages and anchor not in pages[target].anchors and not anchor.startswith("__"):
                found.append(f"{name}: {link} has no such anchor")
    return found


def complaints(chromium: str, site: Path, pictures: Path | None) -> list[str]:
    """Errors that a browser prints to its console, page by page."""

    def of(path: Path) -> list[str]:
        name = path.relative_to(site)
        found = []
        for size, window in _SIZES.items() if pictures else [("desk", _SIZES["desk"])]:
            stem = "-".join(name.with_suffix("").parts)
            show = f"--screenshot={pictures / f'{stem}-{size}.png'}" if pictures else "--dump-dom"
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                command = [chromium, *_HEADLESS, f"--user-data-dir={profile}", f"--window-size={window}", show, path.as_uri()]
                done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            found += [f"{name}: {line[line.index('CONSOLE') :]}" for line in done.stderr.splitlines() if "CONSOLE" in line]
        return found

    with ThreadPoolExecutor(4) as pool:
        return [line for lines in pool.map(of, sorted(site.rglob("*.html"))) for line in lines]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    root = arguments.site.resolve()
    found = faults(root)
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if chromium is None:
        print("no Chromium at hand: links, anchors, pictures and formulas are checked, the console is not")
    else:
        found += complaints(chromium, root, arguments.pictures and arguments.pictures.resolve())
    print("\n".join(found) or f"{len(list(root.rglob('*.html')))} pages, no fault")
    sys.exit(bool(found))
