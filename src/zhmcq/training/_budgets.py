"""The token budgets of a run, and what to set so that memory does not run out."""

from __future__ import annotations

from zhmcq.modeling._memory import Budget
from zhmcq.settings import TrainingSettings

__all__ = ["eval_budget", "train_budget"]


def train_budget(settings: TrainingSettings) -> Budget:
    """The token budget of a forward pass in training."""

    def advice(size: int) -> str:
        if size < settings.max_length:
            return (
                "give TrainingSettings(activation_checkpointing=True), a quantization, or "
                f"max_length={size}, which shortens longer passages"
            )
        step = settings.questions_per_step
        fitting = size // settings.max_length
        batch = max(number for number in range(1, fitting + 1) if step % number == 0)
        return (
            f"give TrainingSettings(per_device_train_batch_size={batch}, "
            f"gradient_accumulation_steps={step // batch}), with which a step has as many questions"
        )

    return Budget(settings.train_budget, advice, "token budget of a forward pass in training")


def eval_budget(settings: TrainingSettings) -> Budget:
    """The token budget of a forward pass in evaluation on the validation questions."""

    def advice(size: int) -> str:
        batch = max(1, size // settings.max_length)
        return f"give TrainingSettings(per_device_eval_batch_size={batch})"

    return Budget(settings.eval_budget, advice, "token budget of a forward pass in evaluation")
