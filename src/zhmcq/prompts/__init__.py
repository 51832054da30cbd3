"""Prompts: a question becomes a text or chat messages, and the candidate answers to it.

A prompt is any object with one method, ``render(question)``, which returns a
:class:`RenderedPrompt`. ``zh-exam`` lists the options and is answered with a label, ``zh-cloze``
is answered with the text of an option, ``zh-affirmative`` likewise, but for stems that ask what
does not hold, and ``zh-chat`` is for models with a chat template.
"""

from zhmcq.prompts._builtin import (
    AffirmativePrompt,
    ChatPrompt,
    ClozePrompt,
    ExamPrompt,
    SimplifiedAffirmativePrompt,
    SimplifiedClozePrompt,
    SimplifiedExamPrompt,
)
from zhmcq.prompts._protocol import (
    Candidate,
    Message,
    Normalization,
    Prompt,
    RenderedPrompt,
    answer_sets,
)
from zhmcq.prompts._registry import (
    describe_prompt,
    get_prompt,
    prompt_names,
    recall_prompt,
    register_prompt,
)

__all__ = [
    "AffirmativePrompt",
    "Candidate",
    "ChatPrompt",
    "ClozePrompt",
    "ExamPrompt",
    "Message",
    "Normalization",
    "Prompt",
    "RenderedPrompt",
    "SimplifiedAffirmativePrompt",
    "SimplifiedClozePrompt",
    "SimplifiedExamPrompt",
    "answer_sets",
    "describe_prompt",
    "get_prompt",
    "prompt_names",
    "recall_prompt",
    "register_prompt",
]
