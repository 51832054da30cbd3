"""Weights that several layers of a model share (tied weights)."""

from __future__ import annotations

from typing import Any

__all__ = [
    "embeddings_are_tied",
    "mark_untied",
    "shared_names",
    "tie_embeddings",
]


def shared_names(model: Any) -> dict[int, list[str]]:
    """The names of each parameter that has several, by the parameter's ``id``."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {key: several for key, several in names.items() if len(several) > 1}


def embeddings_are_tied(model: Any) -> bool:
    """Whether input embeddings and output head have one weight, and the configuration says so.

    Args:
        model: A base model without an adapter.
    """
    head = model.get_output_embeddings()
    return (
        head is not None
        and head.weight is model.get_input_embeddings().weight
        and bool(getattr(model.config, "tie_word_embeddings", False))
    )


def tie_embeddings(model: Any) -> None:
    """Give the output head the weight of the input embeddings, also where it is saved."""
    model.get_output_embeddings().weight = model.get_input_embeddings().weight
    _mark(model, tied=True)


def mark_untied(model: Any) -> None:
    """Have the configuration say that there are two weights, so that both are saved."""
    if getattr(model.config, "tie_word_embeddings", False):
        _mark(model, tied=False)


def _mark(model: Any, *, tied: bool) -> None:
    for config in (model.config, model.config.get_text_config()):
        config.tie_word_embeddings = tied
    # What save_pretrained leaves out; computed once, when the model was made.
    model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)
