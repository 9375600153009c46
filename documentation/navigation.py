"""The list of pages: `nav` of mkdocs.yml, in which a pattern stands for all pages of a folder."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CONFIG = ROOT / "mkdocs.yml"

MADE = {"changelog.md": ROOT / "CHANGELOG.md", "contributing.md": ROOT / "CONTRIBUTING.md"}
"""Pages of the site that are files of the project outside docs/."""


@dataclass(frozen=True)
class Page:
    """A page of the site: the section it is in, its title and its path below docs/."""

    section: str
    title: str
    path: str


def pages(config: dict[str, Any] | None = None, docs: Path = DOCS) -> list[Page]:
    """All pages, in the order of the navigation."""
    config = yaml.safe_load(CONFIG.read_text("utf-8")) if config is None else config
    return list(_pages(expanded(config["nav"], docs), "", docs))


def expanded(nav: list[Any], docs: Path = DOCS) -> list[Any]:
    """The navigation with the pages of folders in place of patterns; a section without pages is left out."""
    entries = []
    for entry in nav:
        if isinstance(entry, dict):
            ((title, value),) = entry.items()
            if isinstance(value, list):
                value = expanded(value, docs)
            if value:
                entries.append({title: value})
        elif "*" in entry:
            entries += in_order(entry, docs)
        else:
            entries.append(entry)
    return entries


def in_order(pattern: str, docs: Path = DOCS) -> list[str]:
    """The pages that a pattern stands for: the index of their folder, those that it links to, then the others."""
    found = sorted(path.relative_to(docs).as_posix() for path in docs.glob(pattern))
    index = f"{pattern.rpartition('/')[0]}/index.md".lstrip("/")
    if index not in found:
        return found
    folder = index.removesuffix("index.md")
    linked = [folder + link for link in re.findall(r"\]\(([\w.-]+\.md)", (docs / index).read_text("utf-8"))]
    first = [path for path in dict.fromkeys([index, *linked]) if path in found]
    return first + [path for path in found if path not in first]


def title_of(text: str) -> str:
    """A page's first heading, without marks."""
    (title,) = re.findall(r"^# (.*)$", text, re.MULTILINE)[:1]
    return title.replace("`", "")


def summary_of(text: str) -> str:
    """The first sentence of a page, as plain text."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text.split("\n", 1)[1], flags=re.MULTILINE | re.DOTALL)
    plain = [part for part in re.split(r"\n\s*\n", prose.strip()) if re.match(r"[A-Z`\[]", part)]
    if not plain:
        return ""
    line = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(plain[0].split()))
    return re.split(r"(?<=\.)\s", line, maxsplit=1)[0].rstrip(".:") + "."


def text_of(path: str, docs: Path = DOCS) -> str:
    """The Markdown of a page of the site."""
    return (MADE[path] if path in MADE else docs / path).read_text("utf-8")


def llms(config: dict[str, Any] | None = None, docs: Path = DOCS) -> str:
    """`llms.txt`: what the project is, and a line for each page (https://llmstxt.org)."""
    config = yaml.safe_load(CONFIG.read_text("utf-8")) if config is None else config
    lines, section = [f"# {config['site_name']}", "", f"> {config['site_description']}"], None
    for page in pages(config, docs):
        if page.section != section:
            lines += ["", f"## {page.section}", ""]
            section = page.section
        summary = summary_of(text_of(page.path, docs))
        lines.append(f"- [{page.title}]({page.path})" + (f": {summary}" if summary else ""))
    return "\n".join(lines) + "\n"


def _pages(nav: list[Any], section: str, docs: Path) -> Iterator[Page]:
    for entry in nav:
        if isinstance(entry, str):
            yield Page(section, title_of(text_of(entry, docs)), entry)
            continue
        ((title, value),) = entry.items()
        if isinstance(value, list):
            yield from _pages(value, section or title, docs)
        else:
            yield Page(section or title, title, value)
