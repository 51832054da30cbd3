"""The hub: what a name there means, fetching files from it, and uploading folders to it.

Nothing else talks to the hub. What is fetched is data: no code is loaded with it.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zhmcq.errors import GatedModelError, ModelError, OutputError
from zhmcq.manifest import Manifest
from zhmcq.modeling._download import reported_download

__all__ = ["HubName", "fetch", "upload"]

NAME = re.compile(
    r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?(?P<folder>(/[\w.-]+)*)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository of the hub, or a folder in it: ``owner/name@revision/folder``.

    It is the form of huggingface_hub's file system.

    Attributes:
        repository: ``"owner/name"``.
        revision: A branch, a tag or the hash of a commit; ``None`` for the newest.
        folder: The folder in it, such as ``"adapters/a"``; ``""`` for the repository itself.
    """

    repository: str
    revision: str | None = None
    folder: str = ""

    @classmethod
    def read(cls, text: str) -> HubName | None:
        """The name that a text has; ``None`` if it has another form, such as a path's."""
        match = NAME.fullmatch(text)
        if match is None or {".", ".."} & {*re.split("[/@]", text)}:
            return None
        return cls(match["repository"], match["revision"], match["folder"].strip("/"))

    def path(self, file: str) -> str:
        """The path of a file in the repository."""
        return f"{self.folder}/{file}" if self.folder else file


def fetch(
    name: HubName,
    patterns: Iterable[str],
    *,
    token: str | None,
    local_files_only: bool,
    kind: str = "model",
) -> Path:
    """Fetch files of a repository into the hub's cache, those that are not there yet.

    Args:
        name: The repository; its folder counts for nothing here.
        patterns: Paths in the repository, with ``*`` for anything.
        token: A hub access token; the one of ``hf auth login`` if ``None``.
        local_files_only: Never go to the network.
        kind: What it is, for messages: ``"model"`` or ``"adapter"``.

    Returns:
        The folder of the repository in the cache; its name is the commit's hash.

    Raises:
        ModelError: If there is no such repository or revision, or it cannot be reached.
        GatedModelError: If its owner has to grant access first.
    """
    from huggingface_hub import errors as hub_errors
    from huggingface_hub import snapshot_download

    repository = name.repository
    try:
        folder = reported_download(
            partial(
                snapshot_download,
                repository,
                revision=name.revision,
                token=token,
                local_files_only=local_files_only,
                allow_patterns=list(patterns),
            ),
            repository,
        )
    except hub_errors.GatedRepoError as error:
        raise GatedModelError(
            f"access to {repository!r} has to be granted by its owner. To get it: open "
            f"https://huggingface.co/{repository} while logged in and accept the terms; then "
            "run `hf auth login`, or pass token='hf_…' with a token that may read it"
        ) from error
    except hub_errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no folder {repository!r} here and no {kind} of that name on the hub, or "
            "it is private: check the spelling, or pass token='hf_…'"
        ) from error
    except hub_errors.RevisionNotFoundError as error:
        raise ModelError(
            f"the {kind} {repository!r} of the hub has no revision {name.revision!r}: expected a "
            "branch, a tag or the hash of a commit"
        ) from error
    except _failures() as error:
        raise ModelError(
            f"{repository!r} is no folder here and could not be fetched from the hub: "
            f"{type(error).__name__}: {error}. Without a network, download it elsewhere and "
            "give the folder's path"
        ) from error
    return Path(folder)


def upload(
    folder: Path, repo_id: str, *, private: bool = True, token: str | None = None, message: str
) -> str:
    """Upload what zhmcq wrote into a folder: the files of its manifest, and its model card.

    Args:
        folder: A folder with a manifest. Nothing else in it is uploaded.
        repo_id: ``"owner/name"``; made if it is not there yet.
        private: Whether a new repository can be seen by its owner alone.
        token: A hub access token that may write; the one of ``hf auth login`` if ``None``.
        message: The message of the commit.

    Returns:
        The address of the upload.

    Raises:
        ManifestError: If the folder has no manifest, or a file was changed since.
        OutputError: If the hub cannot be reached or refuses, or if a private repository is
            requested and ``repo_id`` is a public one.
    """
    from huggingface_hub import HfApi

    if not isinstance(repo_id, str):
        raise OutputError(f"expected the name of a repository, 'owner/name', found {repo_id!r:.80}")
    Manifest.read(folder)
    names = [
        name
        for name in sorted(Manifest.names_in(folder))
        if (folder / name).is_file() and not (folder / name).is_symlink()
    ]
    hub = HfApi(token=token)
    try:
        hub.create_repo(repo_id, private=private, exist_ok=True)
        if private and not hub.repo_info(repo_id).private:
            raise OutputError(
                f"{repo_id!r} is there already and can be seen by everyone: pass "
                "private=False to upload to it all the same"
            )
        # Large folders too: it uploads in several commits, and resumes where it was interrupted.
        address = hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            allow_patterns=[glob.escape(name) for name in names],
            commit_message=message,
        )
    except _failures() as error:
        raise OutputError(
            f"{folder} cannot be uploaded to {repo_id!r}: {error}. Run `hf auth "
            "login`, or pass token='hf_…' with a token that may write there"
        ) from error
    return str(address)


def _failures() -> tuple[type[Exception], ...]:
    """What the hub's client raises where it fails, that of the libraries below it included."""
    from huggingface_hub import errors as hub_errors

    # Errors without any answer are of the http library, which is another one in other versions of
    # the client; its errors name the one in use. Transfers in chunks are written in Rust.
    http_error: type[Exception] = hub_errors.HTTPError  # type: ignore[attr-defined]
    chunks: type[Exception] = getattr(hub_errors, "XetDownloadError", RuntimeError)
    missing = hub_errors.EntryNotFoundError
    return (http_error, missing, chunks, OSError, ValueError, RuntimeError)
