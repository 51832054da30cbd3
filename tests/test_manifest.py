from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from zhmcq.errors import ManifestError
from zhmcq.manifest import (
    MANIFEST_NAME,
    BaseIdentity,
    Manifest,
    PromptRecord,
    file_sha256,
    versions,
)

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a run leaves it: two files and the manifest, written last."""
    (tmp_path / "adapter_model.safetensors").write_bytes(b"abc")
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    Manifest(
        kind="adapter",
        base=BaseIdentity(
            name="模型",
            config={},
            weights_sha256="w",
            tokenizer_sha256="t",
            chat_template_sha256="",
        ),
        prompt=PromptRecord(name="zh-exam", options={"labels": "ABCD"}, sha256="p"),
        max_length=512,
        settings={"r": 32},
    ).write(tmp_path)
    return tmp_path


def change(folder: Path, **fields: Any) -> None:
    path = folder / MANIFEST_NAME
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, **fields}), encoding="utf-8")


def test_what_is_written_is_read_back_with_hashes_and_versions(folder: Path) -> None:
    manifest = Manifest.read(folder)
    assert manifest.base.name == "模型"
    assert manifest.prompt.options == {"labels": "ABCD"}
    assert sorted(manifest.files) == ["adapter_config.json", "adapter_model.safetensors"]
    assert manifest.files["adapter_model.safetensors"] == ABC
    assert manifest.versions["transformers"] == versions(["transformers"])["transformers"]
    assert "模型" in (folder / MANIFEST_NAME).read_text(encoding="utf-8")


def test_the_date_of_a_chat_template_is_read_back(folder: Path) -> None:
    assert Manifest.read(folder).template_date == ""
    change(folder, template_date="2026-11-26")
    assert Manifest.read(folder).template_date == "2026-11-26"


@pytest.mark.parametrize(
    "date",
    [
        "2026-13-01",
        "26 Jul 2024",
        "0001-01-01",
        "2026-11-26T00:00",
        "２０２６-11-26",
        None,
        20261126,
    ],
)
def test_a_date_that_is_none_is_refused(folder: Path, date: Any) -> None:
    change(folder, template_date=date)
    with pytest.raises(ManifestError, match="template_date: "):
        Manifest.read(folder)


def test_packages_that_are_not_installed_have_no_version() -> None:
    assert versions(["no-such-package-zhmcq"]) == {}


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=f"has no {MANIFEST_NAME}: expected a folder written"):
        Manifest.read(tmp_path)


def test_one_changed_byte_is_seen_unless_nobody_looks(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"abd")
    with pytest.raises(ManifestError, match=r"not the file that was written.*ba7816bf8f01…; copy"):
        Manifest.read(folder)
    assert Manifest.read(folder, verify=False).kind == "adapter"


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()
    with pytest.raises(ManifestError, match=r"lacks the file 'adapter_config\.json'"):
        Manifest.read(folder)


def test_a_link_in_place_of_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / "adapter_model.safetensors"
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(ManifestError, match="is a link: expected the file itself"):
        Manifest.read(folder)


def test_links_in_a_merged_folder_are_followed_to_files_with_the_right_hash(
    folder: Path, tmp_path: Path
) -> None:
    change(folder, kind="merged")
    path = folder / "adapter_config.json"
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert Manifest.read(folder).kind == "merged"
    elsewhere.write_text("{ }", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"adapter_config\.json is not the file that"):
        Manifest.read(folder)


def test_the_weights_of_a_model_need_not_be_compared(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"abd")
    manifest = Manifest.read(folder, verify=False)
    manifest.verify(folder, weights=False)
    (folder / "adapter_config.json").write_text("{ }", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"adapter_config\.json is not the file that"):
        manifest.verify(folder, weights=False)


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/b", "..", ".", "", "./adapter_config.json", "checkpoints/x"],
)
def test_names_that_lead_out_of_the_folder_are_refused(folder: Path, name: str) -> None:
    change(folder, files={name: ABC})
    with pytest.raises(ManifestError, match="expected plain names of files in the folder itself"):
        Manifest.read(folder)


def test_a_name_that_no_file_can_have_is_refused(folder: Path) -> None:
    change(folder, files={"a\x00b": ABC})
    with pytest.raises(ManifestError, match="lacks the file"):
        Manifest.read(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file: Invalid JSON"),
        ("[1]", "the file: Input should be an object"),
        ("[" * 100_000, "the file: Invalid JSON: recursion limit"),
        ('{"kind": "model"}', r"kind: Input should be 'adapter' or 'merged'; base: Field required"),
    ],
)
def test_a_manifest_that_says_nothing_is_refused_in_one_line(
    folder: Path, text: str, message: str
) -> None:
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(ManifestError, match=f"cannot be read as a manifest: {message}") as caught:
        Manifest.read(folder)
    assert "\n" not in str(caught.value)
    assert "copy the folder again, or train or merge again" in str(caught.value)


def test_a_manifest_of_any_size_is_not_read(folder: Path) -> None:
    with (folder / MANIFEST_NAME).open("wb") as file:
        file.truncate(10**12)  # takes no space
    with pytest.raises(ManifestError, match="more than 64,000,000 bytes"):
        Manifest.read(folder)


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_bytes(b"\xff\xfe{}")
    with pytest.raises(ManifestError, match="cannot be read as a manifest: 'utf-8' codec"):
        Manifest.read(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_named(folder: Path) -> None:
    (folder / "adapter_config.json").chmod(0)
    with pytest.raises(ManifestError, match=r"adapter_config\.json cannot be read: Permission"):
        Manifest.read(folder)


def test_fields_of_later_versions_do_no_harm(folder: Path) -> None:
    change(folder, mood="good")
    assert Manifest.read(folder).max_length == 512


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert file_sha256(path) == ABC
