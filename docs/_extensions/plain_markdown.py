"""From the site's Markdown, which has directives and roles, to what every notebook shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

__all__ = ["UnknownDirectiveError", "plain"]

Include = Callable[[str, dict[str, str]], str]
"""What ``literalinclude`` shows, given its path and its options."""

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|:{3,})(?:\{(?P<name>[\w:-]+)\} *(?P<argument>.*)|(?P<info>.*))$")
OPTION = re.compile(r"^:(?P<key>[\w-]+):(?: +(?P<value>.*))?$")
NOTES = ("attention", "caution", "danger", "hint", "important", "note", "seealso", "tip", "warning")
UNPACKED = ("tab-set", "grid", "card-carousel")
TITLED = ("tab-item", "dropdown", "card", "grid-item-card")
DROPPED = ("toctree", "contents")


class UnknownDirectiveError(Exception):
    """A directive for which a notebook has no words."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the directive '{name}' has no form in a notebook yet")


def plain(text: str, include: Include) -> str:
    """The same in Markdown that has no directives, roles and targets.

    Raises:
        UnknownDirectiveError: There is a directive that is not known here.
    """
    return "\n".join(_blocks(text.splitlines(), include))


def _blocks(lines: list[str], include: Include) -> Iterator[str]:
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        found = FENCE.match(line)
        if not found:
            if not re.match(r"^\([\w-]+\)=$|^%|^\+\+\+", line):
                yield _inline(line)
            continue
        fence = found["fence"]
        end = next(
            (at for at in range(place, len(lines)) if re.fullmatch(rf" *{fence[0]}{{{len(fence)},}} *", lines[at])),
            len(lines),
        )
        inside, place = lines[place:end], end + 1
        if found["name"]:
            yield from _directive(found["name"], found["argument"].strip(), inside, include)
        else:
            yield from (line, *inside, fence)


def _directive(name: str, argument: str, inside: list[str], include: Include) -> Iterator[str]:
    options: dict[str, str] = {}
    while inside and (option := OPTION.match(inside[0])):
        options[option["key"]] = option["value"] or ""
        inside = inside[1:]
    if name == "literalinclude":
        yield from (f"```{options.get('language', '')}", include(argument, options).rstrip("\n"), "```", "")
    elif name in ("code-block", "code", "sourcecode"):
        yield from (f"```{argument}", *inside, "```")
    elif name in NOTES or name == "admonition":
        title = argument if name == "admonition" else name.capitalize()
        body = [argument, *inside] if argument and name != "admonition" else inside
        yield from (f"> {line}".rstrip() for line in (f"**{title}**", "", *_blocks(body, include)))
    elif name in UNPACKED:
        yield from _blocks(inside, include)
    elif name in TITLED:
        yield from ("", f"**{argument}**", "", *_blocks(inside, include), "")
    elif name not in DROPPED:
        raise UnknownDirectiveError(name)


def _inline(line: str) -> str:
    """Roles are their words; links within the site too, since a notebook does not know where the site is."""
    line = re.sub(r"\{[\w:-]+\}`([^`<]*?)\s*<[^`>]*>`", r"\1", line)
    line = re.sub(r"\{[\w:-]+\}`~(?:[^`]*\.)?([^`.]*)`", r"`\1`", line)
    line = re.sub(r"\{(?:py:)?(?:func|class|mod|meth|attr|data|exc|obj)\}`([^`]*)`", r"`\1`", line)
    line = re.sub(r"\{[\w:-]+\}`([^`]*)`", r"\1", line)
    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:)[^)]*\)(?:\{[^}]*\})?", r"\1", line)
