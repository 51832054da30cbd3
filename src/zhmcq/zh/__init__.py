"""How Chinese papers name and write things: labels, spellings, words for true, false and kinds."""

from zhmcq.zh._fold import (
    FoldedText,
    fold_characters,
    fold_name,
    fold_text,
    fold_texts,
    half_width,
    normal_text,
    simplified,
    tidy,
)
from zhmcq.zh._kinds import asks_order, kind_of, says_multiple
from zhmcq.zh._labels import (
    ALPHABETS,
    Alphabet,
    alphabet_of,
    label_at,
    label_index,
    plain_label,
)
from zhmcq.zh._option_order import fixed_order_reason, shuffle_options
from zhmcq.zh._truth import (
    FALSE_WORDS,
    TRUE_WORDS,
    is_negative,
    is_no_key,
    true_false_options,
    truth_of,
)

__all__ = [
    "ALPHABETS",
    "FALSE_WORDS",
    "TRUE_WORDS",
    "Alphabet",
    "FoldedText",
    "alphabet_of",
    "asks_order",
    "fixed_order_reason",
    "fold_characters",
    "fold_name",
    "fold_text",
    "fold_texts",
    "half_width",
    "is_negative",
    "is_no_key",
    "kind_of",
    "label_at",
    "label_index",
    "normal_text",
    "plain_label",
    "says_multiple",
    "shuffle_options",
    "simplified",
    "tidy",
    "true_false_options",
    "truth_of",
]
