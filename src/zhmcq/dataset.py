"""Build a data set: read, check, split by passage, save."""

from __future__ import annotations

import json
import logging
import os
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhmcq._files import atomic_folder
from zhmcq.checks._near_copies import near_copy_clusters
from zhmcq.errors import ReadError, SplitError
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reading._saved import SPLITS_FORMAT, bank_from_record, bank_to_record, to_json
from zhmcq.zh._fold import fold_text

__all__ = ["DatasetBuilder", "Splits"]

logger = logging.getLogger(__name__)

DEFAULT_PROMPT = "zh-exam"
QUESTIONS_FILE = "questions.json"


@dataclass(frozen=True)
class Splits:
    """A bank in two parts that share no passage.

    Attributes:
        train: The questions to train on.
        valid: The questions of validation.
        without_key: How many questions are in neither part because they have no key.
    """

    train: QuestionBank
    valid: QuestionBank
    without_key: int = 0

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
            ReadError: If ``questions.json`` is missing or damaged.
        """
        path = Path(folder) / QUESTIONS_FILE
        try:
            both_banks = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ReadError(
                f"{path}: expected what Splits.save() wrote; it can't be read ({error})"
            ) from error
        if not isinstance(both_banks, Mapping) or both_banks.get("format") != SPLITS_FORMAT:
            raise ReadError(f"{path}: expected what Splits.save() wrote, found other json")
        banks = {
            name: bank_from_record(both_banks.get(name) or {}, f"{path}, {name}")
            for name in ("train", "valid")
        }
        return cls(banks["train"], banks["valid"], int(both_banks.get("without_key") or 0))

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
        rendered = template.render(question)
        rows.append(
            {
                "id": question.id,
                "input_text": rendered.input_text,
                "target_text": rendered.target_text,
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
        columns: Field → header, where the headers aren't recognised (``{"stem": "題目"}``).
        answer_base: The number of the first option in numeric keys, 0 or 1; by default worked out
            from the data.
        sheets: The sheets of a workbook to read; by default all.
        valid_fraction: The share of the questions that goes to ``valid``, between 0 and 1.
        seed: Decides which passages that are.
    """

    def __init__(
        self,
        columns: Columns | None = None,
        answer_base: int | None = None,
        sheets: Sequence[str] | None = None,
        valid_fraction: float = 0.1,
        seed: int = 42,
    ) -> None:
        self.columns = columns
        self.answer_base = answer_base
        self.sheets = sheets
        self.valid_fraction = valid_fraction
        self.seed = seed

    def read(self, path: str | os.PathLike[str]) -> QuestionBank:
        """Read a bank with this builder's ``columns``, ``answer_base`` and ``sheets``.

        See :func:`zhmcq.reading.read_bank`, which does all of it.

        Args:
            path: The file.

        Raises:
            ReadError: If it can't be read; ColumnsError if no stem column is recognised.
        """
        bank = read_bank(
            path, columns=self.columns, answer_base=self.answer_base, sheets=self.sheets
        )
        errors = sum(problem.severity == "error" for problem in bank.problems)
        logger.info("%s: %d questions, %d rows left out", path, len(bank), errors)
        return bank

    def split(self, bank: QuestionBank) -> Splits:
        """Split so that no passage, and no near-copy of one, is in both parts.

        Questions of one source item stay together, and so do questions without a passage whose
        stems are near-copies, and questions that repeat another. Questions without a key go to
        neither part.

        Args:
            bank: The questions.

        Raises:
            SplitError: If ``valid_fraction`` is not between 0 and 1, or a part would be empty.
        """
        if not 0 < self.valid_fraction < 1:
            raise SplitError(
                f"valid_fraction={self.valid_fraction!r}: expected a number between 0 and 1, "
                "both excluded"
            )
        answered = bank.answered
        without_key = len(bank) - len(answered)
        if len(answered) < 2:
            raise SplitError(
                f"expected at least 2 questions with keys to split, found {len(answered)} "
                f"({without_key} without a key, {len(bank.problems)} problems: see bank.problems)"
            )
        clusters = _clusters(answered)
        if len(clusters) < 2:
            raise SplitError(
                f"all {len(answered)} questions are about one passage or near-copies of it, so "
                "that no split keeps passages apart; add questions about other passages"
            )
        validation = self._draw_validation(clusters, len(answered))
        training = sorted(set(range(len(answered))) - validation)
        splits = Splits(answered.select(training), answered.select(sorted(validation)), without_key)
        logger.info(
            "%d questions to train on, %d for validation, %d without a key",
            len(splits.train), len(splits.valid), without_key,
        )  # fmt: skip
        return splits

    def _draw_validation(self, clusters: list[list[int]], count: int) -> set[int]:
        """Draw clusters at random until the fraction is reached, skipping those that exceed it.

        Args:
            clusters: Indexes of questions that must stay together.
            count: The number of questions in all.

        Returns:
            The indexes of the validation questions: those of one cluster at least.
        """
        order = list(range(len(clusters)))
        random.Random(self.seed).shuffle(order)
        wanted = max(1, round(count * self.valid_fraction))
        drawn: set[int] = set()
        for number in order:
            if len(drawn) + len(clusters[number]) <= wanted:
                drawn.update(clusters[number])
        if not drawn:
            drawn.update(clusters[min(order, key=lambda number: len(clusters[number]))])
        return drawn


def _clusters(bank: QuestionBank) -> list[list[int]]:
    """Indexes of questions that must stay together, in the order of their first ones."""
    from scipy.cluster.hierarchy import DisjointSet

    sets = DisjointSet(range(len(bank)))
    passages = near_copy_clusters([question.passage for question in bank])
    stems = near_copy_clusters(["" if question.passage else question.stem for question in bank])
    first_index: dict[tuple[str, ...], int] = {}
    for index, question in enumerate(bank):
        sets.merge(index, passages[index])
        sets.merge(index, stems[index])
        for key in _shared_keys(question):
            sets.merge(index, first_index.setdefault(key, index))
    clusters: dict[int, list[int]] = {}
    for index in range(len(bank)):
        clusters.setdefault(sets[index], []).append(index)
    return list(clusters.values())


def _shared_keys(question: Question) -> list[tuple[str, ...]]:
    """Keys that a question shares with its repetitions, and with those of its source item."""
    options = sorted(fold_text(option) for option in question.options)
    keys: list[tuple[str, ...]] = [("text", fold_text(question.stem), *options)]
    if question.group:
        file = question.origin.file if question.origin else ""
        keys.append(("group", file, question.group))
    return keys
