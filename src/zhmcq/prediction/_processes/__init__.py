"""One prediction by several processes that a launcher started: a share for each, one result.

Every process reads and encodes the same questions and answers its share of them. What it computed
goes to the first process at each step, which alone writes the journal and reports. In the end every
process has all records, and so the same predictions.

They exchange texts over the store of torch's launchers at ``MASTER_ADDR:MASTER_PORT``. Neither a
process group nor a port of our own is made, and nothing is pickled.
"""

from zhmcq.prediction._processes.meeting import joined, launched
from zhmcq.prediction._processes.shares import AnswersOfOthers, share_out, shared_steps
from zhmcq.prediction._processes.team import Team

__all__ = ["AnswersOfOthers", "Team", "joined", "launched", "share_out", "shared_steps"]
