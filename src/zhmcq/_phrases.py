"""Numbers in sentences for people: how many of something, and how long."""

from __future__ import annotations

__all__ = ["counted", "duration"]

MINUTE, HOUR, DAY = 60, 3600, 86400


def counted(count: int, noun: str, plural: str = "") -> str:
    """How many of something: ``"1 row"``, ``"0 rows"``, ``"1,200 rows"``.

    Args:
        count: How many.
        noun: What one of them is called, or what is said of it: ``"row was"``.
        plural: The same of several; the noun with an s if empty.
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def duration(seconds: float) -> str:
    """A time as people say it: ``"3.2 s"``, ``"95 s"``, ``"14 minutes"``, ``"3 h 20 min"``.

    Args:
        seconds: The time in seconds. Below two minutes it is given in seconds, and below two hours
            in whole minutes.
    """
    if seconds < 0.1:
        return "less than 0.1 s"
    if seconds < 2 * MINUTE:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} minutes"
    if seconds < 2 * DAY:
        hours, minutes = divmod(round(seconds / MINUTE), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / HOUR), 24)
    return f"{days} days {hours} h" if hours else f"{days} days"
