"""The rules: which words lead to an answer, how much each counts, and an example of each.

A rule is one entry of a table. To teach the parser a new way of answering, add a word to a rule or
an entry to a table; nothing else has to change. Words are written as folded text has them
(Simplified, half-width, ``【】`` as ``[]``), with ``|`` between them; those of Latin letters match
in any case. The example is a whole reply to a question with the options A 春天, B 夏天, C 秋天,
D 冬天, and is run as a test.

There is a table for each position, in which a rule applies:

- ``before``: the words stand before a label or an option text, with at most a link between
  (``答案`` + ``应该是`` + ``B``);
- ``after``: the words stand after one (``B`` + ``选项是`` + ``正确``);
- ``form``: there are no words, the shape of the reply decides; :mod:`zhmcq.parsers._mentions` looks
  for it by the name of the rule.
"""

from __future__ import annotations

from zhmcq.parsers._rules.after import AFTER
from zhmcq.parsers._rules.before import BEFORE
from zhmcq.parsers._rules.form import FORM
from zhmcq.parsers._rules.links import LINKS
from zhmcq.parsers._rules.rule import DECISION, STRICT, Rule

__all__ = ["DECISION", "LINKS", "RULES", "RULE_BY_NAME", "STRICT", "Rule"]

RULES: tuple[Rule, ...] = (*BEFORE, *AFTER, *FORM)
RULE_BY_NAME = {rule.name: rule for rule in RULES}
