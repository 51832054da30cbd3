"""Trained adapters: read, attached to the base model they were trained on, and detached exactly."""

from __future__ import annotations

import contextlib
import copy
import glob
import itertools
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from zhmcq._files import leads_out
from zhmcq._warnings import ignored_warnings
from zhmcq.errors import AdapterMismatchError, ManifestError, ModelError, ZhmcqError
from zhmcq.manifest import (
    DEFAULT_MAX_LENGTH,
    MANIFEST_NAME,
    BaseIdentity,
    Manifest,
    PromptRecord,
    file_sha256,
)
from zhmcq.modeling._adapter_config import ADAPTER_CONFIG, AdapterConfig
from zhmcq.modeling._complete import name_some
from zhmcq.modeling._hub import HubName, fetch
from zhmcq.modeling._identity import differences
from zhmcq.modeling._loading import loading
from zhmcq.modeling._tokenizer_hash import stored_template_hash

__all__ = ["PEFT_ERRORS", "Adapter", "adapter_tensors", "attach_trained", "detach", "read_adapter"]

logger = logging.getLogger(__name__)

WEIGHTS = "adapter_model.safetensors"
PICKLED = "adapter_model.bin"
UNFINISHED = ".adapter"  # where training writes an adapter before its files are moved
FLOATS = {torch.float64, torch.float32, torch.float16, torch.bfloat16}
MAX_LISTED = 100  # folders that an error looks at

# What peft and bitsandbytes raise about what they cannot do.
PEFT_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ImportError,
    NotImplementedError,
    SafetensorError,
)


# What is fetched of an adapter, besides the files that its manifest lists.
FETCHED = (MANIFEST_NAME, ADAPTER_CONFIG, WEIGHTS, "chat_template.jinja", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter folder whose files had the hashes of its manifest when it was read.

    An adapter of another tool has no manifest: it is given one that is marked as unverified, with
    its base model's name, without a prompt, and with the hashes of its files.

    Attributes:
        folder: The folder.
        manifest: What the adapter remembers: base model, prompt, maximum length, settings.
        name: The adapter's name, for messages: the folder's, or the one on the hub.
        is_of_hub: Whether it was fetched from the hub.
    """

    folder: Path
    manifest: Manifest
    name: str = ""
    is_of_hub: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", str(self.folder))

    @property
    def quantization(self) -> dict[str, Any] | None:
        """Fields of the quantisation that its base model had in training, if it is known."""
        return self.manifest.settings.get("quantization")

    def refuse_other_base(self, identity: BaseIdentity) -> None:
        """Refuse a base model that is not the one of training, as far as that is recorded.

        Args:
            identity: The identity of the base model at hand.

        Raises:
            AdapterMismatchError: If its configuration, weights or tokenizer are others, or its
                chat template, if the adapter was trained with a chat prompt.
        """
        manifest = self.manifest
        if manifest.unverified:
            return
        parts = differences(manifest.base, identity, chat=manifest.prompt.chat)
        if parts:
            raise AdapterMismatchError(
                f"{self.name} was trained on {manifest.base.name!r}, and {identity.name!r} "
                f"differs from it in {' and '.join(parts)}. Give the base model it was trained "
                "on, with all its files as they were; on another one an adapter answers nonsense"
            )

    def warn_of_base(self, identity: BaseIdentity) -> None:
        """Log a warning of what may be otherwise than in training.

        That is the chat template, and everything else for an adapter of another tool.

        Args:
            identity: The identity of the base model at hand.
        """
        manifest = self.manifest
        if manifest.unverified:
            trained = manifest.base.name
            logger.warning(
                "%s was not made by zhmcq. It is used on %r, and its %s names %s: nothing but "
                "names and shapes says that this is the base model of its training, and nothing "
                "that it was trained with this prompt",
                self.name,
                identity.name,
                ADAPTER_CONFIG,
                f"{trained!r:.200}" if trained else "no base model",
            )
        template = manifest.base.chat_template_sha256
        if (template or not manifest.unverified) and template != identity.chat_template_sha256:
            logger.warning(
                "%r has another chat template than when %s was trained: a plain-text prompt does "
                "not depend on it, a chat prompt does",
                identity.name,
                self.name,
            )


def read_adapter(
    name: str | Path, *, token: str | None = None, local_files_only: bool = False
) -> Adapter:
    """Read an adapter folder and hash its files, once; what it returns is attached without that.

    Args:
        name: A folder that ``LoraTrainer.train`` wrote, or one of peft; on the hub
            ``"owner/name"``, ``"owner/name@revision"`` or ``"owner/name/folder"``.
        token: A hub access token; the one of ``hf auth login`` if ``None``.
        local_files_only: Never go to the network.

    Raises:
        ManifestError: If it is no adapter folder, or a file was changed; if it is an adapter of
            another tool that is of another kind, or whose weights are pickled.
        ModelError: If it cannot be fetched from the hub.
        GatedModelError: If its owner has to grant access first.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - unlike Path.expanduser, of any name
    hub_name = None if os.path.lexists(path) else HubName.read(str(name))
    if hub_name is not None:
        path = _fetched(hub_name, token=token, local_files_only=local_files_only)
    if not os.path.lexists(path / MANIFEST_NAME):
        manifest = _manifest_of_others(path, str(name))
        return Adapter(path, manifest, str(name), hub_name is not None)
    manifest = Manifest.read(path)
    if manifest.kind != "adapter" or WEIGHTS not in manifest.files:
        raise ManifestError(
            f"{path} holds a {manifest.kind} model: expected an adapter, as LoraTrainer.train "
            "writes it"
        )
    return Adapter(path, manifest, str(name), hub_name is not None)


def _fetched(name: HubName, *, token: str | None, local_files_only: bool) -> Path:
    """The folder of an adapter on the hub, with the files that are needed of it."""

    def get(version: HubName, files: Collection[str]) -> Path:
        patterns = [glob.escape(version.path(file)) for file in files] or [f"*/{ADAPTER_CONFIG}"]
        return fetch(
            version, patterns, token=token, local_files_only=local_files_only, kind="adapter"
        )

    snapshot = get(name, FETCHED)
    folder = snapshot / name.folder
    if os.path.lexists(folder / MANIFEST_NAME):
        listed = Manifest.read(folder, verify=False).files
        if missing := [file for file in listed if not (folder / file).is_file()]:
            get(replace(name, revision=snapshot.name), missing)
    elif not os.path.lexists(folder / ADAPTER_CONFIG):
        with contextlib.suppress(ModelError):  # it is only to say where adapters are
            get(replace(name, revision=snapshot.name), [])
    return folder


def _manifest_of_others(folder: Path, name: str) -> Manifest:
    """The manifest of an adapter that another tool made, marked as unverified.

    Raises:
        ManifestError: If it is no adapter, or one that cannot be used.
    """
    if os.path.isdir(folder / UNFINISHED):  # noqa: PTH112 - unlike Path.is_dir, of any name
        raise ManifestError(
            f"{name} has no {MANIFEST_NAME}: its training was stopped while the adapter was "
            "written. The same call of LoraTrainer.train ends it"
        )
    if not os.path.lexists(folder / ADAPTER_CONFIG):
        raise ManifestError(
            f"{name} has no {MANIFEST_NAME} and no {ADAPTER_CONFIG}: expected a folder written by "
            f"LoraTrainer.train, or an adapter of peft{_adapters_inside(folder, name)}"
        )
    config = AdapterConfig(folder, name)
    weights = folder / WEIGHTS
    if leads_out(weights):
        raise ManifestError(
            f"{weights} is a link: expected the file itself; copy the folder with its links "
            "followed (cp -L)"
        )
    if not weights.is_file():
        pickled = (folder / PICKLED).is_file()
        reason = f"; {PICKLED} is pickled, and never read" if pickled else ""
        raise ManifestError(
            f"{name} lacks {WEIGHTS}{reason}. Expected weights as safetensors: have peft save "
            "the adapter anew, with save_pretrained"
        )
    try:
        files = {file: file_sha256(folder / file) for file in (ADAPTER_CONFIG, WEIGHTS)}
    except OSError as error:
        raise ManifestError(f"{name} cannot be read: {error.strerror or error}") from error
    base = BaseIdentity(
        name=config.base,
        config={},
        weights_sha256="",
        tokenizer_sha256="",
        chat_template_sha256=stored_template_hash(folder),
    )
    return Manifest(
        kind="adapter",
        base=base,
        prompt=PromptRecord(name="", sha256=""),
        max_length=DEFAULT_MAX_LENGTH,
        settings={"lora": config.fields},
        unverified=True,
        files=files,
    )


def _adapters_inside(folder: Path, name: str) -> str:
    """Where in a folder adapters are, in words."""
    inside: set[str] = set()
    with contextlib.suppress(OSError, ValueError):  # names that no system takes
        for level in ("*", "*/*"):
            for path in itertools.islice(folder.glob(f"{level}/{ADAPTER_CONFIG}"), MAX_LISTED):
                inside.add(path.parent.relative_to(folder).as_posix())
    if not inside:
        return ""
    return f". There are adapters in {', '.join(sorted(inside)[:5])}: give {name}/{min(inside)}"


@loading()
def attach_trained(model: Any, adapter: Adapter, identity: BaseIdentity) -> Any:
    """Put a trained adapter on the base model that it was trained on.

    Args:
        model: The base model.
        adapter: The adapter.
        identity: The identity of the base model.

    Returns:
        A ``PeftModel`` in evaluation mode. :func:`detach` gives the base model back.

    Raises:
        AdapterMismatchError: If the adapter was trained on another base model, or its file lacks
            tensors, or has some of other shapes or for layers that are not there. The base model
            is as it was.
        ManifestError: If its configuration asks for what is not computed here.
        ModelError: If peft cannot load it, or its numbers are not finite; the base model is as it
            was.
    """
    adapter.refuse_other_base(identity)
    from peft import get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    before = _BaseState(model)
    try:
        config = AdapterConfig(adapter.folder, adapter.name).lora_config(model)
        weights = load_file(adapter.folder / WEIGHTS)
        _refuse_numbers(adapter.name, weights)
        copies = _embedding_copies(model, weights)
        # peft calls a method that transformers is about to drop, and warns of tied weights,
        # which merging separates.
        with (
            ignored_warnings(".*is_gradient_checkpointing.*"),
            ignored_warnings(".*tie_word_embeddings=True.*"),
        ):
            # First without memory: the file may be small, and the ranks that it claims are not.
            trial = get_peft_model(model, copy.deepcopy(config), low_cpu_mem_usage=True)
            shapes = adapter_tensors(trial)
            weights = {n: t for n, t in weights.items() if n in shapes or n not in copies}
            _refuse_misfit(adapter, weights, shapes)
            before.restore()
            tuned = get_peft_model(model, config)
            expected = adapter_tensors(tuned)
            _refuse_misfit(adapter, weights, expected)
            before.keep_values(expected.values())
            set_peft_model_state_dict(tuned, weights)
        _refuse_unread(adapter.name, weights, expected)
    except ZhmcqError:
        before.restore()
        raise
    except PEFT_ERRORS as error:
        before.restore()
        raise ModelError(f"the adapter {adapter.name} cannot be loaded: {error}") from error
    tuned.before_adapter = before
    return tuned.eval()


def detach(model: Any) -> Any:
    """Take an adapter off without merging it: the base model, bit for bit as it was.

    peft's own ``unload`` leaves trained copies (``modules_to_save``) in place of the base model's
    layers, and the biases that the adapter's file overwrote.

    Args:
        model: What :func:`attach_trained` returned.
    """
    return model.before_adapter.restore()


def adapter_tensors(peft_model: Any) -> dict[str, torch.Tensor]:
    """The tensors that an adapter's file has, by their names in it.

    They are the parameters themselves, and so include those of the base model that training
    changes (``bias``). Embeddings of the base model are not among them, which peft by default
    saves with an adapter of theirs.

    Args:
        peft_model: A ``PeftModel``.
    """
    from peft import get_peft_model_state_dict

    everything = {
        **dict(peft_model.named_parameters(remove_duplicate=False)),
        **dict(peft_model.named_buffers(remove_duplicate=False)),
    }
    tensors: dict[str, torch.Tensor] = get_peft_model_state_dict(
        peft_model, state_dict=everything, save_embedding_layers=False
    )
    return tensors


def _refuse_numbers(name: str, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights that are no numbers.

    Raises:
        ModelError: With the names of tensors.
    """
    broken = [
        key
        for key, tensor in weights.items()
        if tensor.dtype in FLOATS and not torch.isfinite(tensor).all()
    ]
    if broken:
        raise ModelError(
            f"the adapter {name} has {name_some(sorted(broken))} with numbers that are not "
            "finite: it is damaged, or its training diverged"
        )


def _embedding_copies(model: Any, weights: Mapping[str, torch.Tensor]) -> set[str]:
    """The names of tensors that are copies of the base model's embeddings or head.

    peft saves them with an adapter of these layers. Other embeddings than the base model's are
    refused like all that fits no layer of the adapter.

    Args:
        model: The base model, without an adapter.
        weights: What the adapter's file holds.
    """
    outer = [model.get_input_embeddings(), model.get_output_embeddings()]
    embeddings = {id(layer.weight) for layer in outer if hasattr(layer, "weight")}
    parameters = {
        f"base_model.model.{name}": parameter.detach()
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if id(parameter) in embeddings
    }
    copies = set()
    for name, tensor in weights.items():
        base = parameters.get(name.replace(".base_layer.", "."))
        if base is None or base.shape != tensor.shape or tensor.dtype not in FLOATS:
            continue
        base = base.cpu()
        # Either may have been rounded to the other's dtype.
        if torch.equal(tensor.to(base.dtype), base) or torch.equal(base.to(tensor.dtype), tensor):
            copies.add(name)
    return copies


def _refuse_unread(
    name: str, weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """Refuse an adapter whose tensors in the model are not those of its file.

    peft warns of weights that it did not load, at most.

    Raises:
        ModelError: With the names of tensors.
    """
    unread = [
        key
        for key, tensor in expected.items()
        if not torch.equal(tensor.detach().cpu(), weights[key].to(tensor.dtype))
    ]
    if unread:
        raise ModelError(
            f"peft did not load {name_some(sorted(unread))} of the adapter {name}: use the "
            "versions of peft and transformers that it was made with"
        )


def _refuse_misfit(
    adapter: Adapter, weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """Refuse an adapter's file whose tensors are not those of the adapter on this model.

    Raises:
        AdapterMismatchError: With their names.
    """
    faults = []
    if missing := sorted(expected.keys() - weights.keys()):
        faults.append(f"lacks {name_some(missing)}")
    if foreign := sorted(weights.keys() - expected.keys()):
        faults.append(f"has {name_some(foreign)} that fit no layer")
    if packed := sorted(n for n, tensor in weights.items() if tensor.dtype not in FLOATS):
        faults.append(f"has {name_some(packed)} of whole numbers, or in 8 bits")
    shapes = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in sorted(expected.items())
        if name in weights and weights[name].shape != tensor.shape
    ]
    if shapes:
        faults.append(f"has {name_some(shapes)} of another shape")
    if faults:
        remedy = "Copy the folder again, or train again"
        if adapter.manifest.unverified:
            remedy = (
                f"Its {ADAPTER_CONFIG} names {adapter.manifest.base.name or 'none'!r:.200}: give "
                "that base model, with the vocabulary that it was trained with"
            )
        raise AdapterMismatchError(
            f"{adapter.folder / WEIGHTS} does not fit its base model: it {'; it '.join(faults)}. "
            f"{remedy}"
        )


class _BaseState:
    """A base model as it was before an adapter: its layers, and values that the adapter overwrites.

    Args:
        model: The base model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._children = [
            (module, dict(module._modules), dict(module._parameters)) for module in model.modules()
        ]
        self._values: list[tuple[torch.Tensor, torch.Tensor]] = []

    def keep_values(self, overwritten: Iterable[torch.Tensor]) -> None:
        """Copy those tensors of the base model that an adapter's file overwrites."""
        base = {
            id(parameter)
            for _, _, parameters in self._children
            for parameter in parameters.values()
        }
        self._values = [
            (tensor, tensor.detach().clone()) for tensor in overwritten if id(tensor) in base
        ]

    def restore(self) -> Any:
        """Restore the layers and values.

        Returns:
            The base model.
        """
        for module, children, parameters in self._children:
            module._modules.update(children)
            module._parameters.update(parameters)
        with torch.no_grad():
            for tensor, value in self._values:
                tensor.copy_(value)
        if hasattr(self._model, "peft_config"):
            del self._model.peft_config
        return self._model
