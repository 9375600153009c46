"""One folder of all pages, in which every link leads to a page of the site.

Pages link to each other, to the changelog and to source files by paths, as GitHub follows them. What they link to
outside docs/ becomes pages here: the changelog, and source files as they are. A link to what is not there is an error.
"""

import json
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from documentation import navigation
from documentation.navigation import DOCS, MADE, ROOT

LANGUAGES = {".py": "python", ".sh": "bash", ".toml": "toml", ".yml": "yaml", "": "text"}
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(^ *```.*?^ *```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


class DeadLinkError(ValueError):
    """A link that leads nowhere."""


def assemble(folder: Path) -> Path:
    """Make the folder of pages, and the configuration beside it; the configuration's path.

    Raises:
        DeadLinkError: a page links to a file that is not there, or to a heading that no page has.
    """
    shutil.rmtree(folder, ignore_errors=True)
    pages = folder / "pages"
    shutil.copytree(DOCS, pages)
    shutil.copytree(ROOT / "documentation" / "theme", pages / "assets")
    for name, source in MADE.items():
        (pages / name).write_text(source.read_text("utf-8"), "utf-8")
    sources: set[str] = set()
    for path in sorted(pages.rglob("*.md")):
        name = path.relative_to(pages).as_posix()
        path.write_text(rewritten(path.read_text("utf-8"), name, sources.add), "utf-8")
    for source in sorted(sources):
        shown = pages / "files" / f"{source}.md"
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(as_page(source), "utf-8")
    (pages / "llms.txt").write_text(navigation.llms(), "utf-8")
    config = yaml.safe_load(navigation.CONFIG.read_text("utf-8"))
    config |= {"nav": navigation.expanded(config["nav"]), "docs_dir": "pages", "site_dir": "site"}
    config["plugins"][-1]["mkdocstrings"]["handlers"]["python"]["paths"] = [str(ROOT)]
    written = folder / "mkdocs.yml"
    written.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "utf-8")
    return written


def rewritten(text: str, page: str, shows: Callable[[str], Any] = str) -> str:
    """A page whose links out of docs/ lead to pages of the site.

    Args:
        text: Markdown of it.
        page: its path below docs/; of the changelog, its name there.
        shows: told the path of each source file that it links to.

    Raises:
        DeadLinkError: a file is not there, or a heading.
    """
    place = MADE[page].relative_to(ROOT).as_posix() if page in MADE else f"docs/{page}"

    def link(found: re.Match[str]) -> str:
        target = found[2]
        if re.match(r"[a-z]+:", target):
            return found[0]
        return found[1] + _led(target, place, page, shows) + found[3]

    parts = _CODE.split(text)  # code is every second one
    parts[::2] = [_LINK.sub(link, part) for part in parts[::2]]
    return "".join(parts)


def _led(target: str, place: str, page: str, shows: Callable[[str], Any]) -> str:
    """Where a link of a page leads on the site."""
    name, _, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(place), name)) if name else place
    source = ROOT / path
    if path.startswith("../") or not source.is_file():
        msg = f"{place}: a link to {target}, which is not there"
        raise DeadLinkError(msg)
    if anchor and path.endswith(".md") and anchor not in anchors(source.read_text("utf-8")):
        msg = f"{place}: a link to {target}, but {path} has no such heading"
        raise DeadLinkError(msg)
    made = {file.relative_to(ROOT).as_posix(): name for name, file in MADE.items()} | {"README.md": "index.md"}
    if path.startswith("docs/"):
        there = path.removeprefix("docs/")
    elif path in made:
        there = made[path]
    else:
        shows(path)
        there = f"files/{path}.md"
    to = posixpath.relpath(there, posixpath.dirname(page) or ".") if name else ""
    return to + (f"#{anchor}" if anchor else "")


def anchors(text: str) -> set[str]:
    """Of a page's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", "".join(_BLOCK.split(text)), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "") for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower().strip()).replace(" ", "-") for heading in plain}


def as_page(source: str) -> str:
    """A source file as a page that the search leaves out: its path and what is in it; of a notebook, its cells."""
    text = (ROOT / source).read_text("utf-8")
    head = "---\nsearch:\n  exclude: true\n---\n\n"
    if source.endswith(".md"):
        return head + text
    if source.endswith(".ipynb"):
        return head + "\n\n".join(part for cell in json.loads(text)["cells"] for part in _cell(cell)) + "\n"
    return f"{head}# {source}\n\n" + _block(LANGUAGES.get(Path(source).suffix, "text"), text) + "\n"


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    """A notebook's cell: text, or code and what came out."""
    if cell["cell_type"] == "markdown":
        yield "".join(cell["source"])
        return
    yield _block("python", "".join(cell["source"]))
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            yield f"![drawn by the cell above](data:image/png;base64,{''.join(data['image/png']).strip()})"
        else:
            yield _block("text", "".join(output.get("text", data.get("text/plain", ""))))


def _block(language: str, text: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````"
