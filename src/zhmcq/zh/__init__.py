"""How Chinese papers name and write things: labels, spellings, words for true, false and kinds."""

from zhmcq.zh._negation import affirmative_stem
from zhmcq.zh._option_order import fixed_order_reason, shuffle_options

__all__ = ["affirmative_stem", "fixed_order_reason", "shuffle_options"]
