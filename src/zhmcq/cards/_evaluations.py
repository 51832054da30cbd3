"""Adding an evaluation to the model card of a folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from zhmcq._files import atomic_write
from zhmcq._visible import visible
from zhmcq.cards._card import card_title, model_card
from zhmcq.cards._records import EvaluationRecord, read_records, record_of, write_records
from zhmcq.cards._sections import ACCURACY, METADATA, accuracy_section, metadata_section
from zhmcq.errors import OutputError, PredictionError, SettingsError
from zhmcq.evaluation import Comparison, Evaluation
from zhmcq.manifest import CARD_NAME, EVALUATIONS_NAME, Manifest, SeenQuestions

__all__ = ["add_evaluation"]

logger = logging.getLogger(__name__)


def add_evaluation(folder: str | Path, result: Evaluation | Comparison, *, data: str) -> Path:
    """Add what was measured to the model card of an adapter or of a merged model.

    The card, ``README.md``, gets a row with accuracy, interval, number of questions, coverage and,
    of a comparison, the base model's figure and the difference; in its head the accuracy as
    metadata for the hub (``model-index``). It says how many of the questions the adapter was
    trained on. The figures are kept in ``zhmcq_evaluations.json`` as well, from which the card is
    written; a merge takes them along. What else stands in the card stays as it is.

    Args:
        folder: A folder that ``LoraTrainer.train`` or ``Merger.merge`` wrote.
        result: What ``predictions.evaluate()`` or ``zhmcq.compare(base, tuned)`` returned, of
            answers by the model in this folder.
        data: What the questions are, as readers of the card will know them, such as
            ``"GSAT 2024, Chinese"``. An evaluation of the same name is replaced.

    Returns:
        The model card.

    Raises:
        PredictionError: If ``result`` is something else.
        SettingsError: If ``data`` is no text, or an empty one.
        ManifestError: If ``folder`` is no folder of zhmcq, or what it remembers cannot be read.
        OutputError: If its card was rewritten so that it has no section for the figures, or it
            cannot be written.
    """
    if not isinstance(result, Evaluation | Comparison):
        raise PredictionError(
            f"add_evaluation({result!r:.60}): expected an Evaluation, such as "
            "predictions.evaluate() returns, or a Comparison, such as zhmcq.compare(base, tuned) "
            f"does, found {type(result).__name__}"
        )
    if not isinstance(data, str) or not data.strip():
        raise SettingsError(
            f"add_evaluation(data={data!r:.60}): expected a name of the questions that were "
            "answered, such as data='GSAT 2024'"
        )
    if not isinstance(folder, str | Path):
        raise SettingsError(f"add_evaluation({folder!r:.60}): expected the path of a folder")
    folder = Path(folder)
    manifest = Manifest.read(folder, verify=False)
    record = record_of(
        result, visible(" ".join(data.split())), manifest.kind, SeenQuestions.read(folder)
    )
    records = {earlier.data: earlier for earlier in read_records(folder)}
    records[record.data] = record
    if record.trained_on:
        logger.warning(
            "%d of the %d questions were trained on, so that the figure is too high: %s says so",
            record.trained_on,
            record.questions,
            folder / CARD_NAME,
        )
    all_records = list(records.values())
    card = folder / CARD_NAME
    text = _rewritten(card, manifest, all_records)
    with atomic_write(folder / EVALUATIONS_NAME) as temporary:
        write_records(temporary, all_records)
    with atomic_write(card) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
    return card


def _rewritten(card: Path, manifest: Manifest, records: Sequence[EvaluationRecord]) -> str:
    """The text of the card with the evaluations; of a card that is missing, a new one.

    Raises:
        OutputError: If it cannot be read, or has no section for the figures.
    """
    if card.is_symlink():  # as in the hub's cache, whose files belong to all that use it
        raise OutputError(
            f"{card} is a link, so that another file would be changed: copy the folder with its "
            "links followed (cp -L), and add the evaluation to the copy"
        )
    try:
        text = card.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return model_card(manifest, records)
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(
            f"{card} cannot be read: {error}; save it as UTF-8, or remove it to have it written "
            "anew"
        ) from error
    lines = text.split("\n")
    section = accuracy_section(manifest, records)
    if not _replace(lines, ACCURACY, section):
        raise OutputError(
            f"{card} has no section for the figures: expected the lines {ACCURACY[0]!r} and "
            f"{ACCURACY[1]!r}; put them where the figures belong, or remove the file to have it "
            "written anew"
        )
    metadata = metadata_section(card_title(manifest), records)
    if not _replace(lines, METADATA, metadata) and not _insert(lines, metadata):
        logger.warning(
            "%s has no head, or a model-index of its own there: the hub's metadata stays as it is",
            card,
        )
    return "\n".join(lines)


def _replace(lines: list[str], marks: tuple[str, str], section: str) -> bool:
    """Put a section, which has its marks, where these marks are; whether they are there."""
    texts = [line.rstrip("\r") for line in lines]
    if marks[0] not in texts:
        return False
    start = texts.index(marks[0])
    if marks[1] not in texts[start:]:
        return False
    _put(lines, start, texts.index(marks[1], start) + 1, section)
    return True


def _insert(lines: list[str], metadata: str) -> bool:
    """Put the metadata at the end of the head, if there is one without a model-index."""
    texts = [line.rstrip() for line in lines]
    if texts[0] != "---" or "---" not in texts[1:]:
        return False
    end = texts.index("---", 1)
    if any(text.startswith("model-index:") for text in texts[:end]):
        return False
    _put(lines, end, end, metadata)
    return True


def _put(lines: list[str], start: int, end: int, section: str) -> None:
    """Put a section in place of some lines, with line ends like theirs."""
    ending = "\r" if lines[0].endswith("\r") else ""
    lines[start:end] = [line + ending for line in section.split("\n")]
