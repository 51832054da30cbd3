"""Numbers in sentences for people: how many of something, and how long."""

from __future__ import annotations

from zhmcq._phrases._language import say

__all__ = ["counted", "duration"]

MINUTE, HOUR, DAY = 60, 3600, 86400


def counted(count: int, noun: str, plural: str = "") -> str:
    """How many of something, in English: ``"1 row"``, ``"0 rows"``, ``"1,200 rows"``.

    Args:
        count: How many.
        noun: What one of them is called, or what is said of it: ``"row was"``.
        plural: The same of several; the noun with an s if empty.
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def duration(seconds: float) -> str:
    """A time as people say it: ``"3.2 s"``, ``"95 s"``, ``"14 minutes"``, ``"3 h 20 min"``.

    It is in the language of the terminal, and belongs in no exception.

    Args:
        seconds: The time in seconds. Below two minutes it is given in seconds, and below two hours
            in whole minutes.
    """
    if seconds < 0.1:
        return say(en="less than 0.1 s", zh="0.1 秒以內")
    if seconds < 2 * MINUTE:
        number = f"{seconds:.2g}" if seconds < 9.95 else f"{seconds:.0f}"
        return say(en=f"{number} s", zh=f"{number} 秒")
    if seconds < 2 * HOUR:
        number = f"{seconds / MINUTE:.0f}"
        return say(en=f"{number} minutes", zh=f"{number} 分鐘")
    if seconds < 2 * DAY:
        hours, minutes = divmod(round(seconds / MINUTE), 60)
        if not minutes:
            return say(en=f"{hours} h", zh=f"{hours} 小時")
        return say(en=f"{hours} h {minutes} min", zh=f"{hours} 小時 {minutes} 分鐘")
    days, hours = divmod(round(seconds / HOUR), 24)
    if not hours:
        return say(en=f"{days} days", zh=f"{days} 天")
    return say(en=f"{days} days {hours} h", zh=f"{days} 天 {hours} 小時")
