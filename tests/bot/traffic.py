"""Discord's limits, held against everything the bot sent."""

from __future__ import annotations

from typing import Any

import simcord

WIDEST_TABLE = 40
EMBED_LIMITS = {"title": 256, "description": 4096}


def check_traffic(env: simcord.Env) -> None:
    """Every message within the limits, every one of them without the right to mention anybody."""
    for body in sent_messages(env):
        check_message(body)


def sent_messages(env: simcord.Env) -> list[dict[str, Any]]:
    """Bodies of all messages, first answers and edits, in order."""
    bodies = []
    for request in env.http_requests:
        body = request.json
        if not isinstance(body, dict) or request.method not in ("POST", "PATCH"):
            continue
        if "/callback" in request.path:
            body = body.get("data")
            if not isinstance(body, dict) or "choices" in body:
                continue
        if "embeds" in body or body.get("content"):
            bodies.append(body)
    return bodies


def check_message(body: dict[str, Any]) -> None:
    assert len(body.get("content") or "") <= 2000
    embeds = body.get("embeds") or []
    assert len(embeds) <= 10
    assert sum(_size(embed) for embed in embeds) <= 6000
    for embed in embeds:
        check_embed(embed)
    rows = body.get("components") or []
    assert len(rows) <= 5
    ids = [button["custom_id"] for row in rows for button in row["components"]]
    assert len(ids) == len(set(ids))
    for row in rows:
        assert len(row["components"]) <= 5
        for button in row["components"]:
            assert 1 <= len(button["custom_id"]) <= 100
            assert 1 <= len(button["label"]) <= 34
    assert body["allowed_mentions"]["parse"] == []


def check_embed(embed: dict[str, Any]) -> None:
    for part, limit in EMBED_LIMITS.items():
        assert _length(embed.get(part)) <= limit
    assert _length((embed.get("footer") or {}).get("text")) <= 2048
    fields = embed.get("fields") or []
    assert len(fields) <= 25
    blocks = (embed.get("description") or "").split("```")[1::2]
    for block in blocks:
        for line in block.strip("\n").splitlines():
            assert len(line) <= WIDEST_TABLE, line


def _size(embed: dict[str, Any]) -> int:
    texts = [embed.get("title"), embed.get("description"), (embed.get("footer") or {}).get("text")]
    texts += [part for field in embed.get("fields") or [] for part in (field["name"], field["value"])]
    return sum(_length(text) for text in texts)


def _length(text: str | None) -> int:
    """As Discord's JavaScript counts."""
    return len((text or "").encode("utf-16-le")) // 2
