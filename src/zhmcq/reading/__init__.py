"""A file → questions, and what is wrong with the rest of it."""

from zhmcq.reading._bank import read_bank, stream_bank
from zhmcq.reading._saved import save_bank
from zhmcq.reading._sources import BankSource

__all__ = ["BankSource", "read_bank", "save_bank", "stream_bank"]
