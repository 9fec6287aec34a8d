"""`python -m bot`: the production start.

Exits with 0 when stopped, 1 without Discord or without the lease, 2 for bad settings.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import structlog

from bot.logs import configure
from bot.settings import TOKEN, Settings, read_settings
from engine.environment import now_from
from engine.errors import VarianceError

if TYPE_CHECKING:
    from bot.app import VarianceBot

log = structlog.get_logger("variance.main")


TURN = 0.001
"""Seconds an engine thread keeps the interpreter while the event loop waits; Python's own 5 ms add up."""


def main() -> int:
    """Read the settings, put the bot together, run it until it is stopped."""
    sys.setswitchinterval(TURN)
    try:
        settings = read_settings()
        configure(settings.log_level)
        # Two seconds of imports, which a start with bad settings does not wait for.
        from bot.app import compose, use_other_discord

        bot = compose(settings, now_from(settings.clock))
    except VarianceError as error:
        return _refuse(str(error), 2)
    use_other_discord(settings)
    if settings.clock is not None:
        log.warning("not the real time", clock=settings.clock.isoformat())
    return asyncio.run(serve(bot, settings))


async def serve(bot: VarianceBot, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, then close cleanly; what hangs meanwhile is left behind after 9 s."""
    import aiohttp
    import discord

    from bot.clock.lease import LeaseLostError
    from bot.operation.stopping import leave_in_time

    loop = asyncio.get_running_loop()
    running = asyncio.create_task(bot.start(settings.discord_token.get_secret_value()), name="discord")

    def stop() -> None:
        if not running.cancelling():
            leave_in_time(loop)
            running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        async with bot:
            await running
    except asyncio.CancelledError:
        log.info("stopped")
        return 0
    except LeaseLostError as error:
        return _refuse(str(error), 1)
    except VarianceError as error:
        return _refuse(str(error), 2)
    except discord.LoginFailure:
        return _refuse(f"{TOKEN} is refused by Discord; reset it on the Bot page of your application", 2)
    except (aiohttp.ClientError, discord.GatewayNotFound, OSError) as error:
        return _refuse(
            f"Discord cannot be reached: {type(error).__name__}; check the network and try again", 1
        )
    return 0


def _refuse(sentence: str, status: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
