from __future__ import annotations

import os
from pathlib import Path

import pytest

from costmeter.workloads.kept import KeptFile


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_an_open_file_is_read_anew_each_time(tmp_path: Path) -> None:
    (tmp_path / "stat").write_bytes(b"1")
    file = KeptFile(tmp_path / "stat")
    before = descriptors()
    assert file.read() == b"1"
    (tmp_path / "stat").write_bytes(b"22")
    assert file.read() == b"22"
    assert descriptors() == before + 1
    file.close()
    assert descriptors() == before


def test_a_file_that_tells_of_nothing_any_more_is_not_found(tmp_path: Path) -> None:
    file = KeptFile(tmp_path / "stat")
    with pytest.raises(FileNotFoundError, match="stat is not there"):
        file.read()
    (tmp_path / "stat").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="stat is empty"):
        file.read()


def test_an_open_file_of_a_process_that_ended_is_not_found() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    file = KeptFile(Path(f"/proc/{pid}/stat"))
    assert file.read()
    os.waitpid(pid, 0)
    before = descriptors()
    with pytest.raises(FileNotFoundError, match=f"/proc/{pid}/stat is not there"):
        file.read()
    assert descriptors() == before - 1


def test_other_errors_keep_their_path(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        KeptFile(tmp_path).read()


def test_no_more_files_than_the_limit_stay_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeptFile, "LIMIT", KeptFile._kept + 2)
    before = descriptors()
    files = []
    for number in range(5):
        (tmp_path / str(number)).write_text(str(number))
        files.append(KeptFile(tmp_path / str(number)))
    for _ in range(2):
        assert [file.read() for file in files] == [b"0", b"1", b"2", b"3", b"4"]
        assert descriptors() == before + 2
    for file in files:
        file.close()
    assert descriptors() == before
