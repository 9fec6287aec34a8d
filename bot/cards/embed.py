"""A neutral card as Discord takes it: one embed with its files, inside every limit of the platform.

discord.py checks none of these lengths; a message beyond one of them is refused whole. So what is too
long is cut at a line, and the cut is named.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import discord

from bot.cards.card import TABLE_WIDTH, Attachment, Card, CardState

TITLE_LIMIT = 256
DESCRIPTION_LIMIT = 4096
FOOTER_LIMIT = 2048
MESSAGE_LIMIT = 6000
FILES_LIMIT = 10
ALT_TEXT_LIMIT = 1024
FILE_BYTES_LIMIT = 10 * 1024 * 1024
MESSAGE_BYTES_LIMIT = 24 * 1024 * 1024
"""A request may hold 25 MiB; the rest is for its JSON and boundaries."""
FILENAME_LIMIT = 100

COLOURS: dict[CardState, int] = {
    "complete": 0x5B7FA6,
    "degraded": 0xD9A441,
    "outage": 0x8F5B5B,
    "aborted": 0x8F5B5B,
    "info": 0x6D7480,
    "error": 0x8F5B5B,
}
"""The state of the run, never a direction of the market."""

_HEADLINE_LIMIT = 500
_SENTENCE_LIMIT = 900
_ASOF_LIMIT = 700
_DETAILS_RESERVE = 400
_REMAINDER_RESERVE = 60
_FENCE = "```"


def to_message(card: Card) -> dict[str, Any]:
    """Arguments for `send(**...)`: `embeds` and `files`; the buttons are the caller's to turn into a view."""
    files, left_out = _fitting(card)
    title = _cut(card.title, TITLE_LIMIT)
    footer = _cut(card.footer, FOOTER_LIMIT)
    room = min(DESCRIPTION_LIMIT, MESSAGE_LIMIT - _units(title) - _units(footer))
    embed = discord.Embed(title=title or None, colour=COLOURS[card.state])
    embed.description = _description(card, left_out, room) or None
    if footer:
        embed.set_footer(text=footer)
    if card.image is not None and card.image in files:
        embed.set_image(url=f"attachment://{_filename(card.image.filename)}")
    return {"embeds": [embed], "files": [_file(attachment) for attachment in files]}


def _description(card: Card, left_out: Sequence[str], room: int) -> str:
    """Headline, table, sentence; details; as-of line. Details give way first, then the table."""
    headline = "\n".join(f"**{line}**" for line in _cut(card.headline, _HEADLINE_LIMIT).splitlines() if line)
    sentence = _cut(card.sentence, _SENTENCE_LIMIT)
    asof = "\n".join(filter(None, (*left_out, _cut(card.asof, _ASOF_LIMIT))))
    room -= _units(headline) + _units(sentence) + _units(asof) + 6
    table = _table(card.table, room - (_DETAILS_RESERVE if card.details else 0))
    details = _lines(card.details, room - _units(table), "... {} more lines")
    lead = "\n".join(filter(None, (headline, table, sentence)))
    return "\n\n".join(filter(None, (lead, details, asof)))


def _table(table: str, room: int) -> str:
    if not table:
        return ""
    # A fence inside the table would end the code block early.
    lines = [line.replace("`", "'")[:TABLE_WIDTH] for line in table.splitlines()]
    body = _lines(lines, room - 2 * len(_FENCE) - 2, "... {} more, see the full list")
    return f"{_FENCE}\n{body}\n{_FENCE}"


def _lines(lines: Sequence[str], room: int, remainder: str) -> str:
    """As many whole lines as fit; the number of the others in a last line of its own."""
    if _units("\n".join(lines)) <= room:
        return "\n".join(lines)
    kept: list[str] = []
    used = _REMAINDER_RESERVE
    for line in lines:
        used += _units(line) + 1
        if used > room:
            break
        kept.append(line)
    return "\n".join((*kept, remainder.format(len(lines) - len(kept))))


def _cut(text: str, limit: int) -> str:
    """The text, or whole lines of it, or whole words of its first line, with an ellipsis."""
    if _units(text) <= limit:
        return text
    head = text
    while _units(head) > limit - 2:
        head = head[: min(len(head) - 1, limit - 2)]
    for mark in ("\n", " "):
        if mark in head:
            head = head.rsplit(mark, 1)[0]
            break
    return head.rstrip("\\ \n") + " …"


def _units(text: str) -> int:
    """UTF-16 code units: the strictest of the ways a length may be counted."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _fitting(card: Card) -> tuple[list[Attachment], list[str]]:
    """The files that may go with the message, and a line for those that may not."""
    kept: list[Attachment] = []
    left: list[str] = []
    size = 0
    for attachment in (*((card.image,) if card.image is not None else ()), *card.files):
        length = len(attachment.data)
        if len(kept) == FILES_LIMIT or length > FILE_BYTES_LIMIT or size + length > MESSAGE_BYTES_LIMIT:
            left.append(_filename(attachment.filename).replace("_", "\\_"))
        else:
            kept.append(attachment)
            size += length
    if not left:
        return kept, []
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    return kept, [f"Left out, too many or too large to send: {', '.join(left[:3])}{more}"]


def _file(attachment: Attachment) -> discord.File:
    return discord.File(
        io.BytesIO(attachment.data),
        filename=_filename(attachment.filename),
        description=_cut(attachment.description, ALT_TEXT_LIMIT) or None,
    )


def _filename(name: str) -> str:
    """Discord renames files with other characters, and an embed would then point at nothing."""
    stem, dot, extension = name.rpartition(".")
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", stem if dot else name)[:FILENAME_LIMIT].strip("_") or "file"
    return f"{safe}.{re.sub(r'[^A-Za-z0-9]+', '', extension)[:10]}" if dot else safe
