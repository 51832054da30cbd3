"""Model cards, made of what a folder's manifest remembers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from zhmcq._visible import visible
from zhmcq.cards._records import EvaluationRecord
from zhmcq.cards._sections import accuracy_section, metadata_section
from zhmcq.manifest import Manifest, versions

__all__ = ["MergeFacts", "card_title", "model_card"]

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class MergeFacts:
    """What a merge was.

    Attributes:
        base: What the adapter was merged into: ``"full"`` or ``"dequantized"``.
        verified: How many questions both models answered.
        answer_flips: How many of them they answer differently.
    """

    base: str
    verified: int
    answer_flips: int

    def __str__(self) -> str:
        into = "full-precision" if self.base == "full" else "dequantised"
        text = f"The adapter was merged into the {into} base model"
        if self.verified:
            text += f"; {self.answer_flips} of {self.verified} answers were changed by merging"
        return f"{text}."


def card_title(manifest: Manifest) -> str:
    """What the model is called."""
    what = "LoRA adapter for" if manifest.kind == "adapter" else "Fine-tuned"
    return visible(f"{what} {_shown_base(manifest)}")


def model_card(
    manifest: Manifest,
    records: Sequence[EvaluationRecord] = (),
    *,
    lengths: str = "",
    merge: MergeFacts | None = None,
) -> str:
    """The model card of a folder: Markdown for people and, in its head, metadata for the hub.

    Args:
        manifest: The folder's manifest.
        records: The evaluations that it remembers.
        lengths: How long the training questions were; left out if empty.
        merge: What the merge was, of a merged model.
    """
    base = _shown_base(manifest)
    is_adapter = manifest.kind == "adapter"
    head = [
        f"library_name: {'peft' if is_adapter else 'transformers'}",
        f"tags: [zhmcq, {'lora, ' if is_adapter else ''}multiple-choice]",
        "language: [zh]",
    ]
    if _is_on_hub(manifest):
        head.insert(0, f"base_model: {_repository(manifest)}")
    settings = json.dumps(manifest.settings, ensure_ascii=False, indent=2)
    loaded = f'{json.dumps(base)}, adapter="THIS FOLDER"' if is_adapter else '"THIS FOLDER"'
    loaded += "" if manifest.prompt.name else ', prompt="THE PROMPT"'
    made_with = ", ".join(f"{name} {number}" for name, number in versions().items())
    about = ["Answers Chinese multiple-choice questions."]
    about += [] if manifest.unverified else ["Trained with zhmcq."]
    about += [str(merge)] if merge else []
    text = f"""---
{chr(10).join(head)}
{metadata_section(card_title(manifest), records)}
---

# {escape(card_title(manifest), quote=False)}

{" ".join(about)}

## Accuracy

{accuracy_section(manifest, records)}

{_data(manifest, lengths)}## Use

```python
import zhmcq

predictor = zhmcq.MCQPredictor({loaded})
predictions = predictor.predict("questions.xlsx")
```

{_prompt(manifest)}
The base model's weights have the SHA-256 `{manifest.base.weights_sha256}`.

## Settings

```json
{settings}
```

Made with {made_with}.
"""
    return visible(text)


def _data(manifest: Manifest, lengths: str) -> str:
    """The section on what it was trained on; none of an adapter of another tool."""
    if manifest.unverified:
        return ""
    training = {name: " ".join(str(v).split()) for name, v in manifest.training.items()}
    count, validation = training.get("questions"), training.get("validation_questions")
    noun = "question" if count == "1" else "questions"
    lines = [f"{count} {noun} to train on, {validation} for validation"]
    lines += [lengths] if lengths else []
    lines.append(
        f"SHA-256 of the encoded questions: `{training.get('train_sha256')}` (training),\n"
        f"  `{training.get('valid_sha256')}` (validation)"
    )
    return "\n".join(["## Data", "", *(f"- {line}" for line in lines), "", ""])


def _prompt(manifest: Manifest) -> str:
    """The prompt that the folder remembers."""
    if not manifest.prompt.name:
        return "With which prompt it was trained is not recorded."
    options = json.dumps(manifest.prompt.options, ensure_ascii=False)
    made_for = "Merged for" if manifest.unverified else "Trained with"
    return (
        f"{made_for} the prompt `{manifest.prompt.name}`, options `{options}`, which this folder "
        "remembers."
    )


def _repository(manifest: Manifest) -> str:
    """The base model's name on the hub, without a revision."""
    return manifest.base.name.partition("@")[0]


def _is_on_hub(manifest: Manifest) -> bool:
    on_hub = HUB_ID.fullmatch(_repository(manifest)) is not None
    return on_hub and not Path(manifest.base.name).exists()


def _shown_base(manifest: Manifest) -> str:
    """The base model's name, without a path of this machine."""
    base = manifest.base.name
    return base if _is_on_hub(manifest) else " ".join(Path(base).name.split())
