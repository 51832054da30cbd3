"""The result of a merge: the merged model, and how it compares with adapter and base model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from zhmcq._phrases import counted
from zhmcq.merging._bases import BaseKind
from zhmcq.merging._verify import Answers
from zhmcq.modeling._hub import upload

__all__ = ["MergeResult", "outcome_of"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MergeResult:
    """A merged model and how it compares with base and adapter.

    Attributes:
        output_dir: The merged model's folder.
        base: What the adapter was merged into: the ``"full"``-precision base model, or the
            ``"dequantized"`` one.
        verified: How many questions both models answered; 0 if none were given.
        answer_flips: How many of them the merged model, loaded again, answers differently from the
            adapter on its base model, quantised as in training.
        max_logit_difference: The largest difference of a logit, over the vocabulary, at the
            positions that score the first question's candidates; those of a built-in question if
            none were given.
    """

    output_dir: Path
    base: BaseKind
    verified: int
    answer_flips: int
    max_logit_difference: float

    def push_to_hub(self, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Upload the merged model: what its manifest lists, with manifest and model card.

        Nothing else that lies in its folder is uploaded. The manifest names the base model as it
        was given: by a path of this machine, if it was one. An upload that was interrupted is
        resumed by the same call.

        Args:
            repo_id: ``"owner/name"``; made if it is not there yet.
            private: Whether a new repository can be seen by its owner alone.
            token: A hub access token that may write; the one of ``hf auth login`` if ``None``.

        Returns:
            The address of the upload.

        Raises:
            ManifestError: If a file of the merged model was changed since.
            OutputError: If the hub cannot be reached or refuses, or if a private repository is
                requested and ``repo_id`` is a public one.
        """
        message = "Model merged with zhmcq"
        return upload(self.output_dir, repo_id, private=private, token=token, message=message)


def outcome_of(
    out: Path, base: BaseKind, verified: int, before: Answers, after: Answers
) -> MergeResult:
    """Compare the answers of two models, and log how many differ.

    Args:
        out: The merged model's folder.
        base: What the adapter was merged into.
        verified: How many questions were given to be answered; 0 if the answers are to others.
        before: What the adapter answered on its base model.
        after: What the merged model answered.
    """
    flips = before.flips(after) if verified else 0
    if flips:
        logger.warning(
            "%d of %s are answered differently by the merged model",
            flips,
            counted(verified, "question"),
        )
    return MergeResult(out, base, verified, flips, before.logit_difference(after))
