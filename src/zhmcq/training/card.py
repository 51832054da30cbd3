"""The model card of an adapter: README.md, made of what its manifest remembers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from zhmcq.evaluation import wilson
from zhmcq.manifest import Manifest, versions
from zhmcq.training.preflight import PreflightReport

__all__ = ["model_card"]

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def model_card(manifest: Manifest, report: PreflightReport) -> str:
    """Markdown for people and, in its head, for the hub.

    Args:
        manifest: Of the adapter.
        report: Of the questions it was trained on.
    """
    base = manifest.base.name
    on_hub = HUB_ID.fullmatch(base) is not None and not Path(base).exists()
    shown = base if on_hub else Path(base).name
    head = ["library_name: peft", "tags: [zhmcq, lora, multiple-choice]", "language: [zh]"]
    if on_hub:
        head.insert(0, f"base_model: {base}")
    done = manifest.training
    median, p90, _, longest = report.lengths
    options = json.dumps(manifest.prompt.options, ensure_ascii=False)
    settings = json.dumps(manifest.settings, ensure_ascii=False, indent=2)
    made_with = ", ".join(f"{name} {number}" for name, number in versions().items())
    return f"""---
{chr(10).join(head)}
---

# LoRA adapter for {shown}

Answers Chinese multiple-choice questions. Trained with zhmcq.

## Accuracy

{_accuracy(done)}

## Data

- {done["questions"]} questions to train on, {done["held_out_questions"]} held out
- tokens of a prompt with its answer: median {median}, 90 % up to {p90}, longest {longest};
  {report.shortened} questions with a passage shortened to fit {manifest.max_length}
- SHA-256 of the encoded questions: `{done["train_sha256"]}` (training),
  `{done["valid_sha256"]}` (held out)

## Use

```python
import zhmcq

predictor = zhmcq.MCQPredictor({json.dumps(shown)}, adapter="THIS FOLDER")
predictions = predictor.predict("questions.xlsx")
```

Asked with the prompt `{manifest.prompt.name}`, options `{options}`, which this folder remembers.
The base model's weights have the SHA-256 `{manifest.base.weights_sha256}`.

## Settings

```json
{settings}
```

Made with {made_with}.
"""


def _accuracy(done: dict[str, Any]) -> str:
    count, share = done["held_out_questions"], done["metrics"].get("accuracy")
    if not count or share is None:
        return f"Not measured: there were no held-out questions. Step {done['best_step']} was kept."
    right = round(share * count)
    low, high = wilson(right, count)
    return (
        f"{share:.1%} of {count} held-out questions ({right} right; 95 % interval {low:.1%} to "
        f"{high:.1%}), exact, at step {done['best_step']} of {done['steps']}. The step was chosen "
        "by these same questions, so the figure is a little too high."
    )
