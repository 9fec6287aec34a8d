"""Every limit of Discord, whatever a card holds."""

import discord
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.cards.card import Attachment, Card
from bot.cards.embed import COLOURS, FILE_BYTES_LIMIT, to_message

words = st.text(max_size=200)
long_text = st.builds(lambda text, times: text * times, words, st.integers(1, 80))
attachments = st.builds(Attachment, filename=words, data=st.binary(max_size=20), description=long_text)
cards = st.builds(
    Card,
    title=long_text,
    state=st.sampled_from(sorted(COLOURS)),
    headline=long_text,
    table=long_text,
    sentence=long_text,
    details=st.lists(long_text, max_size=12).map(tuple),
    asof=long_text,
    footer=long_text,
    image=st.none() | attachments,
    files=st.lists(attachments, max_size=13).map(tuple),
)


def units(text: str | None) -> int:
    return len((text or "").encode("utf-16-le", "surrogatepass")) // 2


def only_embed(card: Card) -> discord.Embed:
    (embed,) = to_message(card)["embeds"]
    return embed


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=60
)
@given(cards)
def test_no_card_breaks_a_limit(card):
    message = to_message(card)
    (embed,) = message["embeds"]
    assert set(message) == {"embeds", "files"}
    assert units(embed.title) <= 256
    assert units(embed.description) <= 4096
    assert units(embed.footer.text) <= 2048
    assert not embed.fields
    assert units(embed.title) + units(embed.description) + units(embed.footer.text) <= 6000
    assert len(message["files"]) <= 10
    assert all(units(file.description) <= 1024 for file in message["files"])


def test_a_long_table_is_cut_at_a_line_and_the_rest_is_counted():
    rows = [f"row {n:04d} ".ljust(40, ".") for n in range(200)]
    text = only_embed(Card(title="t", state="complete", table="\n".join(rows), asof="as of now")).description
    body = text.split("```")[1].strip().splitlines()
    assert body[:-1] == rows[: len(body) - 1]
    assert body[-1] == f"... {200 - len(body) + 1} more, see the full list"
    assert text.endswith("as of now")


def test_details_give_way_before_table_and_asof():
    card = Card(
        title="t",
        state="complete",
        table="\n".join("x" * 40 for _ in range(20)),
        details=tuple(f"detail {n} " + "y" * 80 for n in range(100)),
        asof="as of now",
    )
    text = only_embed(card).description
    assert text.count("x" * 40) == 20
    assert "detail 0 " in text
    shown = sum(line.startswith("detail ") for line in text.splitlines())
    assert text.splitlines()[-3:] == [f"... {100 - shown} more lines", "", "as of now"]


def test_a_fence_inside_a_table_stays_text():
    text = only_embed(Card(title="t", state="complete", table="a ``` b\n@everyone")).description
    assert text == "```\na ''' b\n@everyone\n```"


def test_no_language_stands_after_the_fence():
    assert only_embed(Card(title="t", state="info", table="abc")).description.startswith("```\nabc")


def test_a_cut_never_leaves_half_an_escape():
    headline = "\\*" * 600
    text = only_embed(Card(title="t", state="error", headline=headline)).description
    inner = text.removeprefix("**").removesuffix("**").removesuffix(" …")
    assert not inner.endswith("\\")


def test_the_picture_is_shown_by_the_embed_under_a_name_discord_keeps():
    image = Attachment("a chart: ÄÖ/..\\x.png", b"png", "alt")
    message = to_message(Card(title="t", state="info", image=image))
    (file,) = message["files"]
    assert message["embeds"][0].image.url == f"attachment://{file.filename}"
    assert file.filename == "a_chart_x.png"
    assert file.description == "alt"


def test_the_picture_goes_first_and_what_does_not_fit_is_named():
    files = tuple(Attachment(f"part_{n}.csv", b"x") for n in range(11))
    message = to_message(Card(title="t", state="info", files=files, image=Attachment("c.png", b"p")))
    assert [file.filename for file in message["files"]][:2] == ["c.png", "part_0.csv"]
    assert len(message["files"]) == 10
    text = message["embeds"][0].description
    assert r"part\_9.csv, part\_10.csv" in text


def test_a_file_too_large_to_send_is_named_instead():
    huge = Attachment("huge.csv", b"\0" * (FILE_BYTES_LIMIT + 1))
    message = to_message(Card(title="t", state="info", files=(huge,)))
    assert message["files"] == []
    assert "huge.csv" in message["embeds"][0].description


@pytest.mark.parametrize("state", sorted(COLOURS))
def test_the_accent_tells_the_state(state):
    assert only_embed(Card(title="t", state=state)).colour == discord.Colour(COLOURS[state])


def test_no_two_kinds_of_run_look_alike_but_those_without_ranking():
    assert len({COLOURS[state] for state in ("complete", "degraded", "outage")}) == 3
    assert COLOURS["outage"] == COLOURS["aborted"]
