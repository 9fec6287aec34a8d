"""What the composition root hands to the sources: time, credentials, switches, a folder, an address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from engine.market.live.cache import AnswerCache
from engine.market.live.rules import SourceName, SourceRules
from engine.market.live.traffic import Clock, Traffic


@dataclass(frozen=True, slots=True)
class Access:
    """How the outside is reached, and as whom.

    `stand_in` is the address of an HTTP proxy on this machine that answers for every source (tests, and
    the command line against recorded replies), with the certificates of `authority`; None is the
    internet. A source takes its Traffic from here, so that one process keeps one pace a source.
    """

    clock: Clock
    rules: SourceRules
    cache: AnswerCache
    traffic: dict[str, Traffic]
    stand_in: str | None = None
    authority: Path | None = None
    tastytrade_secret: SecretStr | None = None
    tastytrade_refresh: SecretStr | None = None
    cboe_allowed: bool = False

    @property
    def folder(self) -> Path:
        """The private folder of the cache, also for what libraries keep on disk."""
        return self.cache.folder

    def towards(self, source: SourceName) -> Traffic:
        """The one Traffic of a source."""
        if source not in self.traffic:
            self.traffic[source] = Traffic(source, self.rules.limits[source], self.clock, self.cache)
        return self.traffic[source]
