"""Chat templates as they are found, reduced to what is odd about them.

Their control tokens are those of ``tiny_llama(…, chat=True)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A kind of template.

    Attributes:
        template: Its text.
        rule: By which rule it is refused; ``""`` if it is right.
        remedy: Arguments with which it is right.
    """

    template: str
    rule: str = ""
    remedy: dict[str, Any] | None = None


BOS = "{{ bos_token }}"
TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
OPEN = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
USUAL = BOS + TURNS + OPEN
NO_BLOCK = (
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
)
# As Qwen3: the last answer is written with an empty block, and earlier ones lose theirs.
HYBRID_TURNS = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content.split('</think>')[-1].lstrip('\n') }}<|end|>\n{% endfor %}"
)
THINKS = "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"

KINDS = {
    "usual": Kind(USUAL),
    "date": Kind(
        BOS + "<|system|>今天是{{ strftime_now('%Y-%m-%d') }}。<|end|>" + TURNS + OPEN,
    ),
    "thinking only": Kind(BOS + TURNS + THINKS, "thinking_open"),
    "thinking only, with blocks": Kind(BOS + HYBRID_TURNS + THINKS, "thinking_open"),
    "thinking unless it is turned off": Kind(
        BOS
        + HYBRID_TURNS
        + "{% if add_generation_prompt %}<|assistant|>"
        + "{% if thinking is defined and not thinking %}<think>\n\n</think>\n\n"
        + "{% else %}<think>\n{% endif %}{% endif %}",
        "thinking_open",
        {"thinking": False},
    ),
    "hybrid thinking": Kind(
        BOS
        + HYBRID_TURNS
        + "{% if add_generation_prompt %}<|assistant|>"
        + NO_BLOCK
        + "{% endif %}",
        "thinking_block_missing",
        {"enable_thinking": False},
    ),
    "a block in the generation prompt alone": Kind(
        BOS + TURNS + OPEN + "{% if add_generation_prompt %}<think></think>{% endif %}"
    ),
    "the end of a block in the generation prompt alone": Kind(
        BOS + TURNS + OPEN + "{% if add_generation_prompt %}</think>{% endif %}"
    ),
    "no system role": Kind(
        BOS
        + "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + TURNS
        + OPEN
    ),
    "system turn dropped": Kind(
        BOS + TURNS.replace(" in messages", " in messages if m.role != 'system'") + OPEN,
        "system_dropped",
    ),
    "text stripped": Kind(BOS + TURNS.replace("m.content", "m.content | trim") + OPEN),
    "text cut": Kind(BOS + TURNS.replace("m.content", "m.content[:900]") + OPEN, "text_changed"),
    "text in capitals": Kind(
        BOS + TURNS.replace("m.content", "m.content | upper") + OPEN, "text_changed"
    ),
    "quotation marks changed": Kind(
        BOS + TURNS.replace("m.content", "m.content | replace('「', '“')") + OPEN, "text_changed"
    ),
    "texts left out": Kind(
        BOS
        + TURNS.replace(
            "{{ m.content }}", "{% if m.role == 'assistant' %}{{ m.content }}{% endif %}"
        )
        + OPEN,
        "text_changed",
    ),
    "text escaped": Kind(BOS + TURNS.replace("m.content", "m.content | e") + OPEN, "text_changed"),
    "no generation prompt": Kind(BOS + TURNS, "generation_prompt_missing"),
    "generation prompt always": Kind(BOS + TURNS + "<|assistant|>"),
    "generation prompt always, and no EOS": Kind(
        BOS + TURNS.replace("<|end|>", "\n") + "<|assistant|>", "turn_end_missing"
    ),
    "one token for every end": Kind(BOS + TURNS.replace("<|end|>", "{{ eos_token }}") + OPEN),
    "answer after the user's turn": Kind(
        BOS
        + "{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content }}{{ eos_token }}"
        + "{% else %}[INST] {{ m.content }} [/INST]{% endif %}{% endfor %}"
    ),
    "newline before the end": Kind(BOS + TURNS.replace("<|end|>", "\n<|end|>\n") + OPEN),
    "BOS beside the tokenizer's": Kind(USUAL),
    "BOS twice": Kind(BOS + USUAL, "bos_doubled"),
    "no EOS": Kind(BOS + TURNS.replace("<|end|>", "\n") + OPEN, "turn_end_missing"),
    "channels": Kind(
        BOS
        + TURNS.replace("{{ m.content", "{{ 'final：' if m.role == 'assistant' }}{{ m.content")
        + OPEN,
        "answer_displaced",
    ),
    "answers left out": Kind(
        BOS + TURNS.replace(" in messages", " in messages if m.role != 'assistant'") + OPEN,
        "answer_displaced",
    ),
    "raising": Kind("{{ raise_exception('only tools') }}", "template_fails"),
    "syntax error": Kind("{% for %}", "template_fails"),
    "endless": Kind(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}" + USUAL,
        "template_unbounded",
    ),
    "none": Kind("", "template_missing"),
}
