"""What people read on a terminal, in a notebook and in a log, in Traditional Chinese or English.

The environment variable ``ZHMCQ_LANG`` chooses: ``zh`` or ``en``; English without it. It is read
whenever a sentence is made, so that a notebook can set it.

- **In that language**: bars and lines of progress, what ``print`` and a notebook show of a result,
  and log records of level INFO, which say what is done.
- **In English**: exceptions, warnings, and the reasons that a sentence quotes, so that they can be
  searched for and are the same in every report of a fault; what ``repr`` gives; and names that
  programs compare, such as the stages that ``progress=`` receives and the codes of problems. A
  warning that shows a result, such as a promise that cannot be made, has the result's language.
- **By the questions or by** ``language=``: every file. Nothing that is written to one comes from
  here but :mod:`zhmcq._phrases.problem_words` and the sentences of a promise, which a file takes by
  its own language.

Numbers are written alike in both: a share, a p-value or a number of questions looks the same.

Every sentence stands here in both languages, one function each, so that types are checked where
it is said. Names that the report page has (:mod:`zhmcq.reports`) are taken from there.
"""

from zhmcq._phrases._language import TerminalLanguage, say, terminal_language
from zhmcq._phrases._numbers import counted, duration

__all__ = ["TerminalLanguage", "counted", "duration", "say", "terminal_language"]
