"""The model card of a merged model."""

from __future__ import annotations

import json
import re
from pathlib import Path

from zhmcq._visible import visible
from zhmcq.manifest import Manifest, versions

__all__ = ["merged_card"]

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+", re.ASCII)


def merged_card(manifest: Manifest, base: str) -> str:
    """The model card of a merged model, made of what its manifest remembers.

    Markdown for people and, in its head, metadata for the hub.

    Args:
        manifest: The manifest of the adapter, or of the merged model.
        base: What it was merged into: ``"full"`` or ``"dequantized"``.
    """
    name = manifest.base.name
    repository = name.partition("@")[0]
    on_hub = HUB_ID.fullmatch(repository) is not None and not Path(name).exists()
    shown = " ".join((name if on_hub else Path(name).name).split())
    head = ["library_name: transformers", "pipeline_tag: text-generation"]
    head += ["tags: [zhmcq, multiple-choice]", "language: [zh]"]
    if on_hub:
        head[:0] = [f"base_model: {repository}", "base_model_relation: finetune"]
    kind = "its dequantised weights" if base == "dequantized" else "its full-precision weights"
    made_with = ", ".join(f"{name} {number}" for name, number in versions().items())
    text = f"""---
{chr(10).join(head)}
---

# {shown}, fine-tuned for Chinese multiple-choice questions

A LoRA adapter merged by zhmcq into {kind}. It loads without peft.

## Accuracy

{_accuracy(manifest)}

## Use

```python
import zhmcq

predictor = zhmcq.MCQPredictor("THIS FOLDER"{_argument(manifest)})
predictions = predictor.predict("questions.xlsx")
```

{_prompt(manifest)} The base model's weights have the SHA-256 `{manifest.base.weights_sha256}`.

Made with {made_with}.
"""
    return visible(text)


def _argument(manifest: Manifest) -> str:
    return "" if manifest.prompt.sha256 and manifest.prompt.name else ', prompt="THE PROMPT"'


def _prompt(manifest: Manifest) -> str:
    if not manifest.prompt.sha256:
        return (
            "With which prompt it was trained is not recorded: the adapter was made by another "
            "tool."
        )
    options = json.dumps(manifest.prompt.options, ensure_ascii=False)
    made_for = "Merged for" if manifest.unverified else "Trained with"
    text = f"{made_for} the prompt `{manifest.prompt.name}`, options `{options}`"
    return f"{text}, which this folder remembers." if manifest.prompt.name else f"{text}."


def _accuracy(manifest: Manifest) -> str:
    if manifest.unverified:
        return (
            "Not measured. The adapter was made by another tool, so that nothing but names and "
            "shapes says that base model and prompt are those of its training."
        )
    training = manifest.training
    count, metrics = training.get("validation_questions"), training.get("metrics")
    share = metrics.get("accuracy") if isinstance(metrics, dict) else None
    # The manifest may be a stranger's.
    if not isinstance(count, int) or not isinstance(share, int | float) or not count:
        return "Not measured: there were no validation questions."
    return (
        f"{share:.1%} of {count} validation questions, as the adapter before it was merged. Its "
        "step was chosen by these same questions, so the figure is a little too high."
    )
