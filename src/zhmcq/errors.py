"""Every error that zhmcq raises on purpose.

Each message says what was expected, what was found and what to do about it::

    ZhmcqError
    ├── ReadError               a file cannot be read as a question bank
    │   └── ColumnsError        its columns cannot be told apart
    ├── QuestionError           the fields of a question contradict each other
    ├── SplitError              a bank cannot be split as requested
    ├── SettingsError           a setting has an unknown name or an impossible value
    ├── UnknownNameError        no prompt or parser of that name
    ├── PluginError             a prompt, parser or entry point broke
    ├── EncodingError           a question cannot be turned into token ids
    ├── PreflightError          training would be training on nonsense
    ├── ModelError              a model or tokenizer cannot be loaded
    │   └── GatedModelError     its owner has to grant access first
    ├── ManifestError           a folder does not say what it holds, or says it wrongly
    │   ├── AdapterMismatchError  an adapter was trained on another base model
    │   └── PromptMismatchError   the prompt it was trained with is gone or renders differently
    ├── TrainingError           a run went wrong: its loss is not finite
    ├── CheckpointError         no checkpoint can be resumed as requested
    ├── MergeError              an adapter cannot be merged
    ├── PredictionError         questions cannot be answered as requested
    ├── OutOfMemoryError        memory ran out, and nothing can be cut further
    └── OutputError             a result cannot be written
        └── OutputExistsError   something is there already and may not be overwritten

``except zhmcq.errors.ZhmcqError`` catches all of them.
"""

import typing

from zhmcq._visible import visible

__all__ = [
    "AdapterMismatchError",
    "CheckpointError",
    "ColumnsError",
    "EncodingError",
    "GatedModelError",
    "ManifestError",
    "MergeError",
    "ModelError",
    "OutOfMemoryError",
    "OutputError",
    "OutputExistsError",
    "PluginError",
    "PredictionError",
    "PreflightError",
    "PromptMismatchError",
    "QuestionError",
    "ReadError",
    "SettingsError",
    "SplitError",
    "TrainingError",
    "UnknownNameError",
    "ZhmcqError",
]


class ZhmcqError(Exception):
    """Base of every error that zhmcq raises on purpose.

    Control characters of what a message quotes are shown as escapes, so that no file writes to the
    terminal.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(visible(arg) if isinstance(arg, str) else arg for arg in args))


class ReadError(ZhmcqError):
    """A file cannot be read as a question bank."""


class ColumnsError(ReadError):
    """The columns of a table cannot be told apart; ``columns={...}`` names them."""


class QuestionError(ZhmcqError, ValueError):
    """The fields of a question contradict each other."""


class SplitError(ZhmcqError, ValueError):
    """A bank cannot be split into training and validation parts as requested."""


class SettingsError(ZhmcqError, ValueError):
    """A setting has an unknown name or an impossible value."""


class UnknownNameError(ZhmcqError, LookupError):
    """No prompt or parser is registered under that name."""


class PluginError(ZhmcqError):
    """A prompt, a parser or an entry point of another package broke."""


class EncodingError(ZhmcqError):
    """A question cannot be turned into token ids for this tokenizer and maximum length."""


class PreflightError(ZhmcqError):
    """Training was refused because its questions would teach the model nonsense.

    Attributes:
        report: All that was found: the :class:`zhmcq.training.PreflightReport`, or
            ``None`` if there was nothing to look at.
    """

    report: typing.Any = None


class ModelError(ZhmcqError):
    """A model or its tokenizer cannot be loaded."""


class GatedModelError(ModelError):
    """The model's owner has to grant access before it can be downloaded."""


class ManifestError(ZhmcqError):
    """A folder lacks a manifest, or holds other files than its manifest says."""


class AdapterMismatchError(ManifestError):
    """An adapter was trained on another base model than the one given, or its file is not whole."""


class PromptMismatchError(ManifestError):
    """The prompt an adapter was trained with is not known here, or renders differently now."""


class TrainingError(ZhmcqError):
    """A training run went wrong and was stopped."""


class CheckpointError(ZhmcqError):
    """No checkpoint can be resumed as requested."""


class MergeError(ZhmcqError):
    """An adapter cannot be merged into its base model."""


class PredictionError(ZhmcqError):
    """Questions cannot be answered as requested."""


class OutOfMemoryError(ZhmcqError, MemoryError):
    """Memory ran out, of the device or of the machine, where nothing can be cut further.

    A forward pass that does not fit is computed in smaller ones without an error. What remains is a
    prompt with one answer that is too large alone, weights that do not fit, or an optimizer's.
    """


class OutputError(ZhmcqError):
    """A result cannot be written."""


class OutputExistsError(OutputError, FileExistsError):
    """Something is there already, and may be replaced only with ``overwrite=True``."""


def is_failure(error: BaseException) -> bool:
    """Whether something failed, rather than that the program is to end.

    A library in Rust that gives up, as tokenizers does on a pattern that takes too long, raises
    what is no ``Exception``.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"
