"""How Chinese papers name and write things: labels, spellings, words for true, false and kinds."""

from zhmcq.zh._option_order import fixed_order_reason, shuffle_options

__all__ = ["fixed_order_reason", "shuffle_options"]
