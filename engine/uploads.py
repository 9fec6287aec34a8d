"""Files people hand over: bytes to lines, whatever program wrote them."""

from __future__ import annotations

import unicodedata

from engine.errors import UnreadableError

_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def plain_lines(data: bytes, largest: int) -> list[str]:
    """The lines of a text in utf-8, utf-16 with a mark, or cp1252; ends of lines of any system.

    Raises UnreadableError for more than `largest` bytes, and for control signs, which no list of names or
    positions has.
    """
    if len(data) > largest:
        raise UnreadableError(f"The file is larger than {largest // 1024} kB.")
    try:
        text = data.decode(_BOMS.get(data[:2], "utf-8-sig"))
    except UnicodeDecodeError:
        # Older exports are in a code page of Windows; tickers and numbers are plain in all of them.
        text = data.decode("cp1252", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if any(unicodedata.category(sign) == "Cc" and sign not in "\n\t\f" for sign in set(text)):
        raise UnreadableError("The file is no plain text; save it as CSV or TXT first.")
    return text.split("\n")
