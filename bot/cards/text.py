"""Words from outside made harmless, and the few phrases every card shares."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime

from discord.utils import escape_markdown, escape_mentions

NAME_LENGTH = 80
ERROR_LENGTH = 600
_BREAKS = ("Cc", "Zl", "Zp")
_INVISIBLE = ("Cf", "Cs", "Co", "Cn")
_TOKENS = re.compile(r"<(?=[#:@]|a:|id:)")
_ZERO_WIDTH = "\u200b"


def clean(text: str, limit: int = NAME_LENGTH) -> str:
    """One line of visible characters, at most `limit` of them, the cut shown by an ellipsis."""
    kept = (" " if unicodedata.category(c) in _BREAKS else c for c in text[: 8 * limit])
    line = " ".join("".join(c for c in kept if unicodedata.category(c) not in _INVISIBLE).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def escaped(text: str, limit: int = NAME_LENGTH) -> str:
    """`clean`, with markdown, masked links, mentions and Discord's `<...>` tokens taken literally."""
    # escape_markdown passes over whatever stands inside a masked link or an address: neither may form.
    line = clean(text, limit).replace("](", f"]{_ZERO_WIDTH}(")
    literal = escape_mentions(escape_markdown(line, ignore_links=False))
    return _TOKENS.sub(f"<{_ZERO_WIDTH}", literal)


def mono(text: str, width: int) -> str:
    """At most `width` columns fit for a code block: one column a character, no backtick, no line break."""
    line = "".join(c if (" " <= c <= "~" and c != "`") or c == "…" else "_" for c in text)
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def stamp(instant: datetime, style: str = "f") -> str:
    """A timestamp each reader sees in the own time zone. Raises ValueError for a naive datetime."""
    if instant.tzinfo is None:
        raise ValueError("a timestamp needs a time zone")
    return f"<t:{int(instant.timestamp())}:{style}>"


def plural(count: int, noun: str) -> str:
    """`1 name`, `2 names`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def dotted(parts: Iterable[str]) -> str:
    """The parts that hold something, a middle dot between."""
    return " · ".join(part for part in parts if part)


def listed(parts: Iterable[str], count: int) -> str:
    """The first `count` parts, the others as a number."""
    everything = list(parts)
    shown = ", ".join(everything[:count])
    rest = len(everything) - count
    return f"{shown} and {rest} more" if rest > 0 else shown
