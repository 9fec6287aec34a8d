"""Alerts: rules people keep, judged on stored runs, told once.

`Alerts` (book.py) holds the rules and judges a run; `Courier` (courier.py) brings what fired to its owner;
`pending_notice` (notice.py) shows what could not be sent at the owner's next command.
"""

from bot.people.alerts.book import Alerts

__all__ = ["Alerts"]
