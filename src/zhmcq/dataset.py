"""Build a data set: read, check, split by passage, save."""

from __future__ import annotations

import hashlib
import json
import logging
import numbers
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhmcq._files import atomic_folder, clear_abandoned
from zhmcq._phrases import banks, counted, records
from zhmcq._progress import Progress
from zhmcq.checks._clusters import QuestionCluster, question_clusters
from zhmcq.errors import PluginError, ReadError, SplitError, ZhmcqError
from zhmcq.questions import QuestionBank, require_bank
from zhmcq.reading import BankSource, read_bank
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reading._saved import SPLITS_FORMAT, bank_from_record, bank_to_record, to_json

__all__ = ["DatasetBuilder", "Splits"]

logger = logging.getLogger(__name__)

DEFAULT_PROMPT = "zh-exam"
QUESTIONS_FILE = "questions.json"
FAR_OFF = 1 / 3  # of the requested fraction, from which a warning says what was reached
SEEDS = 100  # looked through for one that leaves no part empty, and fewer in a large bank
HASHES = 1_000_000  # of which so many are computed for that


@dataclass(frozen=True)
class Splits:
    """A bank in two parts that share no passage; ``print(splits)`` says how large they are.

    Attributes:
        train: The questions to train on.
        valid: The questions of validation.
        without_key: How many questions are in neither part because they have no key.
    """

    train: QuestionBank
    valid: QuestionBank
    without_key: int = 0

    @property
    def reached_fraction(self) -> float:
        """The share of the questions with keys that is in ``valid``; 0.0 without any."""
        count = len(self.train) + len(self.valid)
        return len(self.valid) / count if count else 0.0

    def __str__(self) -> str:
        return banks.splits_summary(
            len(self.train), len(self.valid), self.reached_fraction, self.without_key
        )

    def save(
        self,
        folder: str | os.PathLike[str],
        prompt: Any = None,
        overwrite: bool = False,
    ) -> Path:
        """Write ``train.json``, ``valid.json`` and ``questions.json``.

        The first two are lists of ``{"id", "input_text", "target_text", "answer", "kind",
        "group", "subject"}``; the third holds both banks without loss, for :meth:`load`.

        Args:
            folder: Where to write. The files appear there together, or not at all.
            prompt: The name of a prompt or an instance of one; ``None`` for ``"zh-exam"``.
            overwrite: Whether these files may be replaced. Other files in the folder are never
                removed.

        Returns:
            The folder.

        Raises:
            OutputExistsError: If the folder holds something and ``overwrite`` is false, or
                something else than an earlier call wrote.
            OutputError: If it can't be written.
            UnknownNameError: If no prompt has that name.
            PluginError: If the prompt cannot be made, or cannot render one of the questions.
        """
        rows_by_name = {name: _rendered(bank, prompt) for name, bank in self._parts().items()}
        both_banks = {
            "format": SPLITS_FORMAT,
            "version": 1,
            "without_key": self.without_key,
            **{name: bank_to_record(bank) for name, bank in self._parts().items()},
        }
        clear_abandoned(folder)
        ours = _names_of_splits(Path(folder)) if overwrite else ()
        with atomic_folder(folder, overwrite=overwrite, ours=ours) as temporary:
            for name, rows in rows_by_name.items():
                text = to_json(rows, indent=1) + "\n"
                (temporary / f"{name}.json").write_text(text, encoding="utf-8")
            text = to_json(both_banks, indent=1) + "\n"
            (temporary / QUESTIONS_FILE).write_text(text, encoding="utf-8")
        return Path(folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Splits:
        """Load what :meth:`save` wrote.

        Args:
            folder: The folder that was written.

        Raises:
            ReadError: If ``questions.json`` is missing or damaged, or ``folder`` is no path.
        """
        if not isinstance(folder, str | os.PathLike):
            raise ReadError(
                f"Splits.load({folder!r:.60}): expected the path of a folder, found "
                f"{type(folder).__name__}"
            )
        path = Path(folder) / QUESTIONS_FILE
        try:
            if path.exists() and not path.is_file():  # a pipe or a device would not end
                raise OSError("it is no file")
            both_banks = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ReadError(
                f"{path}: expected what Splits.save() wrote; it can't be read ({error})"
            ) from error
        if not isinstance(both_banks, Mapping) or both_banks.get("format") != SPLITS_FORMAT:
            raise ReadError(f"{path}: expected what Splits.save() wrote, found other json")
        parts = {name: both_banks.get(name) or {} for name in ("train", "valid")}
        if not all(isinstance(part, Mapping) for part in parts.values()):
            raise ReadError(f"{path}: expected objects as 'train' and 'valid', found other json")
        banks = {name: bank_from_record(part, f"{path}, {name}") for name, part in parts.items()}
        without_key = both_banks.get("without_key", 0)
        if type(without_key) is not int or without_key < 0:
            raise ReadError(
                f"{path}: expected a number of questions as 'without_key', found "
                f"{without_key!r:.40}; save the splits again"
            )
        return cls(banks["train"], banks["valid"], without_key)

    def to_datasets(self, prompt: Any = None) -> Any:
        """A ``datasets.DatasetDict`` with ``"train"`` and ``"valid"``, rows as in :meth:`save`.

        Args:
            prompt: The name of a prompt or an instance of one; ``None`` for ``"zh-exam"``.

        Raises:
            UnknownNameError: If no prompt has that name.
            PluginError: If the prompt cannot be made, or cannot render one of the questions.
        """
        from datasets import Dataset, DatasetDict  # here alone: importing it takes seconds

        return DatasetDict(
            {
                name: Dataset.from_list(_rendered(bank, prompt))
                for name, bank in self._parts().items()
            }
        )

    def _parts(self) -> dict[str, QuestionBank]:
        return {"train": self.train, "valid": self.valid}


def _names_of_splits(folder: Path) -> set[str]:
    """The names of what :meth:`Splits.save` wrote into ``folder``; empty if it did not."""
    try:
        if not (folder / QUESTIONS_FILE).is_file():  # a pipe would never be opened
            return set()
        with (folder / QUESTIONS_FILE).open(encoding="utf-8") as file:
            beginning = file.read(100)
    except (OSError, ValueError):
        return set()
    # The format is the first thing that is written, and banks may be large.
    if not re.match(rf'\s*\{{\s*"format"\s*:\s*"{re.escape(SPLITS_FORMAT)}"', beginning):
        return set()
    return {"train.json", "valid.json", QUESTIONS_FILE}


def _rendered(bank: QuestionBank, prompt: Any) -> list[dict[str, Any]]:
    """The rows of ``train.json`` or ``valid.json``: each question as the prompt renders it."""
    from zhmcq.prompts import get_prompt

    template = get_prompt(DEFAULT_PROMPT if prompt is None else prompt)
    rows = []
    for question in bank:
        try:
            rendered = template.render(question)
            if rendered.least_likely:
                raise PluginError(
                    f"the prompt {type(template).__name__} asks the question {question.id!r:.80} "
                    "for its least likely candidate, so that no text is the one to learn: save "
                    "with another prompt, or train by LoraTrainer(objective='contrastive')"
                )
            texts = {"input_text": rendered.input_text, "target_text": rendered.target_text}
        except ZhmcqError:
            raise
        except Exception as error:
            raise PluginError(
                f"the prompt {type(template).__name__} cannot render the question "
                f"{question.id!r:.80}: {type(error).__name__}: {error}"
            ) from error
        rows.append(
            {
                "id": question.id,
                **texts,
                "answer": question.answer_label,
                "kind": question.kind,
                "group": question.group,
                "subject": question.subject,
            }
        )
    return rows


class DatasetBuilder:
    """Reads question banks and splits them.

    Args:
        columns: Field → header or position from 1, where the headers aren't recognised
            (``{"stem": "題目"}``).
        answer_base: The number of the first option in numeric keys, 0 or 1; by default worked out
            from the data.
        sheets: The sheets of a workbook to read; by default all.
        valid_fraction: The share of the passages that goes to ``valid`` with their questions,
            between 0 and 1; see :meth:`split`.
        seed: Decides which passages that are.
        header: Whether the tables have a header row, as for :func:`zhmcq.reading.read_bank`; by
            default one is looked for.
    """

    def __init__(
        self,
        columns: Columns | None = None,
        answer_base: int | None = None,
        sheets: Sequence[str] | None = None,
        valid_fraction: float = 0.1,
        seed: int = 42,
        header: bool | None = None,
    ) -> None:
        self.columns = columns
        self.header = header
        self.answer_base = answer_base
        self.sheets = sheets
        self.valid_fraction = valid_fraction
        self.seed = seed

    def read(self, source: BankSource, *, progress: Progress | None = None) -> QuestionBank:
        """Read a bank with this builder's ``columns``, ``answer_base``, ``sheets`` and ``header``.

        See :func:`zhmcq.reading.read_bank`, which does all of it.

        Args:
            source: The path of a file, an open binary file, a ``pandas.DataFrame``, a
                ``datasets.Dataset``, records as dictionaries, or a list of several.
            progress: Called as :class:`zhmcq.Progress` describes, with the rows read and checked;
                by default, files of 20,000 rows or more have a bar.

        Raises:
            ReadError: If it can't be read; ColumnsError if no stem column is recognised.
            QuestionError: If two questions of a list have one id.
        """
        bank = read_bank(
            source,
            columns=self.columns,
            answer_base=self.answer_base,
            sheets=self.sheets,
            header=self.header,
            progress=progress,
        )
        errors = sum(problem.severity == "error" for problem in bank.problems)
        logger.info("%s", records.read_files(sorted(bank.files), len(bank), errors))
        return bank

    def split(self, bank: QuestionBank) -> Splits:
        """Split so that no passage, and no near-copy or quotation of one, is in both parts.

        What must stay together is worked out by :func:`zhmcq.checks.question_clusters`. Each
        passage has a number from 0 to 1, made of the seed and its folded text alone, and a
        cluster is validation if the smallest of its passages' numbers is below
        ``valid_fraction``. So a bank that grows keeps its sides: more questions change nothing
        for the others, unless they join two clusters, and that can only move questions into
        validation, never out of it. The same holds for a larger ``valid_fraction``. The fraction
        is therefore met on average, not exactly, and a cluster of many different texts is more
        often validation than its share. To split a part again, take another seed: by the same
        one, all of ``train`` is above the fraction.

        Args:
            bank: The questions. Those without a key go to neither part.

        Raises:
            SplitError: If ``valid_fraction`` is not between 0 and 1, ``seed`` is not an integer,
                ``bank`` is no bank, or a part would be empty.
        """
        require_bank(bank, "split", SplitError)
        fraction, seed = self._fraction_and_seed()
        answered = bank.answered
        without_key = len(bank) - len(answered)
        if len(answered) < 2:
            raise SplitError(
                f"expected at least 2 questions with keys to split, found {len(answered)} "
                f"({without_key} without a key, {counted(len(bank.problems), 'problem')}: see "
                "bank.problems)"
            )
        clusters = question_clusters(answered)
        if len(clusters) < 2:
            raise SplitError(
                f"all {len(answered)} questions are about one passage, near-copies of it or "
                "questions that quote it, so that no split keeps passages apart; add questions "
                "about other passages"
            )
        drawn = _validation(clusters, fraction, seed)
        if not 0 < len(drawn) < len(answered):
            raise SplitError(_empty_part(clusters, fraction, seed))
        training = sorted(set(range(len(answered))) - drawn)
        splits = Splits(answered.select(training), answered.select(sorted(drawn)), without_key)
        logger.info("%s", splits)
        reached = splits.reached_fraction
        if abs(reached - fraction) >= fraction * FAR_OFF:
            logger.warning(
                "valid_fraction=%g was requested, and %.3g was reached: the bank has only %d "
                "passages or clusters of them, the largest with %d of %d questions, and each goes "
                "to one part as a whole; another seed or fraction draws others",
                fraction, reached, len(clusters), max(len(c.indexes) for c in clusters),
                len(answered),
            )  # fmt: skip
        return splits

    def _fraction_and_seed(self) -> tuple[float, int]:
        fraction, seed = self.valid_fraction, self.seed
        # A fraction of another type, such as numpy's, is one; True and "0.1" are none.
        is_number = isinstance(fraction, numbers.Real) and not isinstance(fraction, bool)
        if not is_number or not 0 < fraction < 1:
            raise SplitError(
                f"valid_fraction={fraction!r:.80}: expected a number between 0 and 1, both excluded"
            )
        if not isinstance(seed, numbers.Integral) or isinstance(seed, bool):
            raise SplitError(f"seed={seed!r:.80}: expected an integer")
        return float(fraction), int(seed)


def _empty_part(clusters: Sequence[QuestionCluster], fraction: float, seed: int) -> str:
    """Say that a part is empty, and which seed comes closest to the fraction."""
    part = "train" if _validation(clusters, fraction, seed) else "valid"
    count = sum(len(cluster.indexes) for cluster in clusters)
    message = (
        f"with valid_fraction={fraction:g} and seed={seed} the part {part!r} would be empty: the "
        f"{count} questions are about {len(clusters)} passages or clusters of them, and each goes "
        "to one part as a whole"
    )
    tried = min(SEEDS, HASHES // sum(len(cluster.texts) for cluster in clusters))
    sizes = {other: len(_validation(clusters, fraction, other)) for other in range(tried)}
    filling = [other for other, size in sizes.items() if 0 < size < count]
    if not filling:
        return f"{message}; give another valid_fraction, or add questions about other passages"
    best = min(filling, key=lambda other: abs(sizes[other] - fraction * count))
    return f"{message}; seed={best} gives {sizes[best]} questions of validation"


def _validation(clusters: Sequence[QuestionCluster], fraction: float, seed: int) -> set[int]:
    """The indexes of the questions that a seed draws for validation."""
    return {
        index
        for cluster in clusters
        if min(_number(text, seed) for text in cluster.texts) < fraction
        for index in cluster.indexes
    }


def _number(text: str, seed: int) -> float:
    """A number from 0 to below 1, evenly spread over texts and seeds."""
    digest = hashlib.sha256(f"{seed}\n{text}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
