"""The hub: names, what is fetched of an adapter, refusals that say what to do, and uploads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils._paths import filter_repo_objects
from peft_adapters import write_peft_adapter

from zhmcq.errors import GatedModelError, ManifestError, ModelError, OutputError
from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord
from zhmcq.modeling._adapter_folder import read_adapter
from zhmcq.modeling._hub import HubName, fetch, upload
from zhmcq.modeling._load import ModelSource
from zhmcq.testing import tiny_llama

COMMIT = "0123456789abcdef0123456789abcdef01234567"
IDENTITY = BaseIdentity(
    name="someone/base",
    config={},
    weights_sha256="w",
    tokenizer_sha256="t",
    chat_template_sha256="",
)
MANIFEST = Manifest(
    kind="adapter", base=IDENTITY, prompt=PromptRecord(name="zh-exam", sha256="p"), max_length=64
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("hub") / "base", hidden_size=8, num_hidden_layers=1)


@pytest.fixture(scope="module")
def plain(base: Path) -> Path:
    return write_peft_adapter(base, base.parent / "plain")


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "copy"))


class Repository:
    """A repository of the hub, whose files that match the patterns are copied to the cache."""

    def __init__(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = cache / "remote"
        self.snapshot = cache / COMMIT
        self.calls: list[dict[str, Any]] = []
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.download)

    def download(self, name: str, *, allow_patterns: list[str], **fields: Any) -> str:
        fields.pop("tqdm_class")  # what counts the bytes
        self.calls.append({"name": name, "patterns": allow_patterns, **fields})
        names = [p.relative_to(self.files).as_posix() for p in self.files.rglob("*") if p.is_file()]
        for file in filter_repo_objects(names, allow_patterns=allow_patterns):
            (self.snapshot / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.files / file, self.snapshot / file)
        self.snapshot.mkdir(exist_ok=True)
        return str(self.snapshot)

    @property
    def fetched(self) -> set[str]:
        files = self.snapshot.rglob("*")
        return {p.relative_to(self.snapshot).as_posix() for p in files if p.is_file()}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.chdir(tmp_path)
    return Repository(tmp_path, monkeypatch)


# --- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("someone/model", HubName("someone/model")),
        ("someone/a-1.5_b", HubName("someone/a-1.5_b")),
        ("someone/model@v1.0", HubName("someone/model", "v1.0")),
        ("someone/zoo/a", HubName("someone/zoo", None, "a")),
        (f"someone/zoo@{COMMIT}/sets/b", HubName("someone/zoo", COMMIT, "sets/b")),
        ("model", None),
        ("", None),
        ("/someone/model", None),
        ("./model", None),
        ("../model", None),
        ("someone/..", None),
        ("someone/model/../../x", None),
        ("someone/model@..", None),
        ("someone/model/", None),
        ("someone//model", None),
        ("someone/model@a@b", None),
        ("C:\\someone\\model", None),
        ("某人/模型", None),
        ("someone/model\n", None),
    ],
)
def test_a_name_is_a_repository_a_revision_and_a_folder(text: str, name: HubName | None) -> None:
    assert HubName.read(text) == name


def test_a_base_model_is_fetched_in_its_revision(repository: Repository, base: Path) -> None:
    shutil.copytree(base, repository.files)
    assert ModelSource("someone/model@v1").path() == repository.snapshot
    assert [call["revision"] for call in repository.calls] == ["v1"]
    with pytest.raises(ModelError, match=r"of the form 'owner/name' or 'owner/name@revision'"):
        ModelSource("someone/model/folder").path()


# --- adapters ------------------------------------------------------------------------------


def test_of_an_adapter_only_what_is_needed_is_fetched(repository: Repository, plain: Path) -> None:
    shutil.copytree(plain, repository.files)
    for name in ("optimizer.pt", "adapter_model.bin", "modeling.py", "model.safetensors"):
        (repository.files / name).write_bytes(b"x")
    adapter = read_adapter("someone/adapter", token="hf_x", local_files_only=True)  # noqa: S106
    assert repository.fetched == {"adapter_config.json", "adapter_model.safetensors"}
    (call,) = repository.calls
    assert (call["name"], call["revision"]) == ("someone/adapter", None)
    assert (call["token"], call["local_files_only"]) == ("hf_x", True)
    assert (adapter.name, adapter.is_of_hub) == ("someone/adapter", True)
    assert adapter.manifest.unverified


def test_an_adapter_of_zhmcq_is_fetched_with_the_files_of_its_manifest(
    repository: Repository, folder: Path
) -> None:
    for name in ("tokenizer.json", "zhmcq_questions.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    (folder / "README.md").unlink()
    MANIFEST.write(folder)
    (folder / "README.md").write_text("# mine", encoding="utf-8")
    folder.rename(repository.files)
    adapter = read_adapter("someone/adapter@main")
    assert [call["revision"] for call in repository.calls] == ["main", COMMIT]
    assert repository.fetched == {*adapter.manifest.files, "zhmcq_manifest.json"}
    assert not adapter.manifest.unverified


def test_an_adapter_in_a_folder_of_a_repository_is_fetched_alone(
    repository: Repository, plain: Path
) -> None:
    shutil.copytree(plain, repository.files / "sets" / "a")
    shutil.copytree(plain, repository.files / "sets" / "b")
    adapter = read_adapter(f"someone/zoo@{COMMIT}/sets/b")
    assert adapter.folder == repository.snapshot / "sets" / "b"
    assert {name.rpartition("/")[0] for name in repository.fetched} == {"sets/b"}
    with pytest.raises(ManifestError, match=r"There are adapters in sets/a, sets/b: give some"):
        read_adapter("someone/zoo")


def test_a_repository_without_an_adapter_is_refused(repository: Repository, base: Path) -> None:
    shutil.copytree(base, repository.files)
    with pytest.raises(ManifestError, match=r"^someone/base-1 has no zhmcq_manifest.json and no"):
        read_adapter("someone/base-1")
    assert "model.safetensors" not in repository.fetched


def test_a_folder_of_that_name_comes_first(repository: Repository, plain: Path) -> None:
    shutil.copytree(plain, Path("someone") / "adapter")
    assert not read_adapter("someone/adapter").is_of_hub
    assert repository.calls == []


# --- the hub's own cache, without a network --------------------------------------------------


@pytest.fixture
def cached(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A snapshot in the hub's cache, as its client leaves it: links to files by their hashes."""
    cache = tmp_path / "cache"
    model = cache / "models--someone--adapter"
    snapshot = model / "snapshots" / COMMIT
    for path in (model / "refs", model / "blobs", snapshot):
        path.mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    for number, path in enumerate(folder.iterdir()):
        shutil.move(path, model / "blobs" / f"{number}")
        (snapshot / path.name).symlink_to(Path("..") / ".." / "blobs" / f"{number}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return snapshot


def test_a_cached_adapter_is_read_offline(cached: Path) -> None:
    for name in ("someone/adapter", f"someone/adapter@{COMMIT}", str(cached)):
        assert read_adapter(name).folder == cached
    assert read_adapter("someone/adapter", local_files_only=True).manifest.unverified


def test_what_is_not_cached_is_refused_offline(cached: Path) -> None:
    message = "could not be fetched from the hub: .*Without a network, download it elsewhere"
    for name in ("someone/other", "someone/adapter@v2"):
        with pytest.raises(ModelError, match=message):
            read_adapter(name)
    (cached / "adapter_model.safetensors").unlink()
    with pytest.raises(ManifestError, match=r"^someone/adapter lacks adapter_model.safetensors"):
        read_adapter("someone/adapter")


def test_a_link_in_a_cache_leads_nowhere_else(cached: Path, tmp_path: Path) -> None:
    weights = cached / "adapter_model.safetensors"
    secret = tmp_path / "secret"
    weights.resolve().rename(secret)
    weights.unlink()
    weights.symlink_to(secret)
    with pytest.raises(ManifestError, match="is a link"):
        read_adapter(cached)


# --- refusals of the hub ---------------------------------------------------------------------


def answer(kind: type[Exception]) -> Exception:
    """What the hub's client raises, without the answer of a server that it is made of."""
    return kind.__new__(kind, "said so")


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (
            hub_errors.GatedRepoError,
            GatedModelError,
            r"open https://huggingface.co/someone/adapter while logged in .*hf auth login",
        ),
        (
            hub_errors.RepositoryNotFoundError,
            ModelError,
            "no folder 'someone/adapter' here and no adapter of that name on the hub, or it is",
        ),
        (hub_errors.RevisionNotFoundError, ModelError, "has no revision 'v9'"),
        (hub_errors.LocalEntryNotFoundError, ModelError, "Without a network, download it"),
        (hub_errors.OfflineModeIsEnabled, ModelError, "Without a network, download it"),
        (hub_errors.HTTPError, ModelError, "could not be fetched"),  # type: ignore[attr-defined]
        (hub_errors.HFValidationError, ModelError, "could not be fetched"),
        (PermissionError, ModelError, "could not be fetched"),
    ],
)
def test_what_the_hub_refuses_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: type[Exception],
    error: type[Exception],
    message: str,
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise answer(kind)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(error, match=message):
        read_adapter("someone/adapter@v9")


def test_a_base_model_is_called_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise answer(hub_errors.RepositoryNotFoundError)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ModelError, match="no model of that name"):
        fetch(HubName("someone/model"), ["*"], token=None, local_files_only=False)


# --- uploads -------------------------------------------------------------------------------


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Calls for an upload: the names of the files that the hub's client would take."""
    calls: list[dict[str, Any]] = []

    class Hub:
        def __init__(self, token: str | None) -> None:
            self.token = token

        def create_repo(self, repo_id: str, **fields: Any) -> None:
            if repo_id == "me/refused":
                raise answer(hub_errors.RepositoryNotFoundError)
            calls.append({"repo_id": repo_id, "token": self.token, **fields})

        def repo_info(self, repo_id: str) -> Any:
            return SimpleNamespace(private=repo_id != "me/public")

        def upload_folder(self, *, folder_path: Path, allow_patterns: Any, **fields: Any) -> str:
            names = [p.relative_to(folder_path).as_posix() for p in folder_path.rglob("*")]
            chosen = filter_repo_objects(names, allow_patterns=allow_patterns)
            calls.append({"files": sorted(chosen), **fields})
            return "https://hub/x"

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    return calls


def mine(folder: Path) -> Path:
    """A folder of zhmcq, with files of its user in it."""
    (folder / "README.md").unlink()
    (folder / "a[1].json").write_text("{}", encoding="utf-8")
    MANIFEST.write(folder)
    (folder / "README.md").write_text("# mine", encoding="utf-8")
    for name in ("run.json", "diary.txt", ".env", "a1.json", "checkpoints/checkpoint-1/x.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("private", encoding="utf-8")
    return folder


WRITTEN = [
    "README.md",
    "a[1].json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "zhmcq_manifest.json",
]


def test_nothing_is_uploaded_that_zhmcq_did_not_write(
    folder: Path, uploads: list[dict[str, Any]]
) -> None:
    assert upload(mine(folder), "me/x", token="hf_x", message="m") == "https://hub/x"  # noqa: S106
    created, uploaded = uploads
    expected = {"repo_id": "me/x", "token": "hf_x", "private": True, "exist_ok": True}
    assert created == expected
    assert uploaded == {"files": WRITTEN, "repo_id": "me/x", "commit_message": "m"}


def test_a_model_card_that_is_a_link_stays_here(
    folder: Path, uploads: list[dict[str, Any]]
) -> None:
    card = mine(folder) / "README.md"
    card.unlink()
    card.symlink_to(folder / "diary.txt")
    upload(folder, "me/x", message="m")
    assert uploads[1]["files"] == WRITTEN[1:]


def spoil(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"r": 1}), encoding="utf-8")


def forget(folder: Path) -> None:
    (folder / "zhmcq_manifest.json").unlink()


@pytest.mark.parametrize(
    ("change", "message"), [(spoil, "is not the file that was written"), (forget, "has no zhmcq_")]
)
def test_a_folder_that_was_changed_is_not_uploaded(
    folder: Path,
    uploads: list[dict[str, Any]],
    change: Callable[[Path], None],
    message: str,
) -> None:
    change(mine(folder))
    with pytest.raises(ManifestError, match=message):
        upload(folder, "me/x", message="m")
    assert uploads == []


def test_an_upload_that_the_hub_refuses_is_an_output_error(
    folder: Path, uploads: list[dict[str, Any]]
) -> None:
    mine(folder)
    with pytest.raises(OutputError, match="can be seen by everyone: pass private=False"):
        upload(folder, "me/public", message="m")
    assert upload(folder, "me/public", private=False, message="m") == "https://hub/x"
    with pytest.raises(OutputError, match=r"cannot be uploaded to 'me/refused'.*hf auth login"):
        upload(folder, "me/refused", message="m")
    with pytest.raises(OutputError, match=r"expected the name of a repository, .* found None"):
        upload(folder, None, message="m")  # type: ignore[arg-type]
    assert len(uploads) == 3
