"""Where artifacts are kept, and that a tar which was made to write elsewhere writes nowhere."""

import io
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec import AbstractFileSystem

from farm.artifacts import Store, unpack
from farm.errors import Errored, Refused
from farm.record import Sent


def tar(*entries: tuple[str, bytes, str]) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        for name, kind, text in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, text
            info.size = len(text) if kind == tarfile.REGTYPE else 0
            file.addfile(info, io.BytesIO(text.encode()))
    made.seek(0)
    return made


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str):
    with pytest.raises(Refused, match="leads out of"):
        unpack(tar((name, tarfile.REGTYPE, "x")), tmp_path / "here")
    assert not (tmp_path / "x").exists()


def test_links_are_not_made_and_not_followed(tmp_path: Path):
    out, here = tmp_path / "out", tmp_path / "here"
    out.mkdir()
    here.mkdir()
    (here / "lies").symlink_to(out / "file")
    assert unpack(tar(("l", tarfile.SYMTYPE, str(out)), ("lies", tarfile.REGTYPE, "x")), here) == 1
    assert not (here / "l").exists()
    assert not (out / "file").exists()
    assert (here / "lies").read_text() == "x"
    (here / "way").symlink_to(out)
    with pytest.raises(Refused):
        unpack(tar(("way/x", tarfile.REGTYPE, "x")), here)


@pytest.mark.parametrize("url", ["file://{folder}/kept", "memory://{folder}"])
def test_a_store_is_a_disk_or_any_other_file_system_of_fsspec(tmp_path: Path, url: str):
    store, sent = Store(url.format(folder=tmp_path)), Sent(7, "test/unit", 3)
    with store.create(sent) as file:
        file.write(tar(("a/b", tarfile.REGTYPE, "text")).getvalue())
    assert store.files(sent) == [("a/b", 4)]
    assert b"".join(store.pieces(sent, "a/b")) == b"text"
    with pytest.raises(Refused, match="kept no file 'a'"):
        store.pieces(sent, "a")
    with pytest.raises(Refused, match="are gone"):
        store.pieces(Sent(7, "test/unit", 4))
    store.remove(sent)
    store.remove(sent)
    with pytest.raises(Refused, match="are gone"):
        store.files(sent)


def test_what_goes_leaves_what_other_attempts_sent_and_the_last_one_no_folder(tmp_path: Path):
    store, all_sent = (
        Store(tmp_path.as_uri()),
        [Sent(7, "test/unit", 3), Sent(7, "test/unit", 4), Sent(7, "test/web", 5)],
    )
    for sent in all_sent:
        with store.create(sent) as file:
            file.write(tar(("a", tarfile.REGTYPE, "x")).getvalue())
    while all_sent:
        store.remove(all_sent.pop())
        assert [store.files(sent) for sent in all_sent] == [[("a", 1)]] * len(all_sent)
    assert list(tmp_path.iterdir()) == []


class Locked(AbstractFileSystem):
    """A file system whose library has errors of its own, as those of object stores have."""

    protocol = "locked"

    def info(self, path: str, **_: Any) -> Any:
        raise RuntimeError(f"no credentials for {path}")

    makedirs = _open = info


def test_whatever_a_library_raises_is_told_as_trouble_of_the_store(tmp_path: Path):
    fsspec.register_implementation("locked", Locked, clobber=True)
    store = Store("locked://bucket/kept")
    for ask in (store.create, store.files):
        with pytest.raises(Errored, match="cannot be kept at locked://bucket/kept: no credentials for"):
            ask(Sent(7, "test", 3))
    assert "no credentials for" in str(store.trouble())
    assert "farm.yml" in str(Store("nothing://x").trouble())
    assert Store((tmp_path / "not yet").as_uri()).trouble() is None


def test_a_store_that_cannot_be_used_says_so():
    with pytest.raises(Errored, match=r"cannot be kept at nothing://x: .*see `artifacts` in farm\.yml"):
        Store("nothing://x").create(Sent(1, "test", 1))
