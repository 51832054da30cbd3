"""Everything in a reply that may be its answer, found by the rules of the table."""

from __future__ import annotations

from zhmcq.parsers._forms import answer_alone, find_forms
from zhmcq.parsers._judgements import find_judgements
from zhmcq.parsers._leads import find_leads
from zhmcq.parsers._option_texts import find_texts
from zhmcq.parsers._protocol import Mention
from zhmcq.parsers._reply import LEAST, Reply
from zhmcq.parsers._rules import DECISION
from zhmcq.parsers._verdicts import find_verdicts
from zhmcq.questions import Question

__all__ = ["LEAST", "find_mentions"]


def find_mentions(
    text: str, question: Question, *, reasoning: bool = False, everything: bool = False
) -> list[Mention]:
    """The mentions in a reply, in the order of the rules.

    Args:
        text: The reply.
        question: The question it answers.
        reasoning: Whether to leave out ``<think>…</think>``.
        everything: Whether to look for weaker mentions where there is a decision already.
    """
    reply = Reply(text, question, reasoning=reasoning)
    mentions = _read(reply, everything=everything)
    if reply.was_cut and not any(mention.weight >= LEAST for mention in mentions):
        # What looked like the next question was a heading of this reply.
        reply = Reply(text, question, reasoning=reasoning, whole=True)
        mentions = _read(reply, everything=everything)
    return mentions


def _read(reply: Reply, *, everything: bool) -> list[Mention]:
    if reply.text.strip() and not answer_alone(reply):
        find_leads(reply)
        find_judgements(reply)
        find_forms(reply)
        decided = any(mention.weight >= DECISION for mention in reply.mentions)
        if everything or not decided:
            find_verdicts(reply)
            find_texts(reply)
    return reply.mentions
