"""Files on disks that are full, over links, beside what was left over: complete, or as before."""

import os
import resource
import signal
import subprocess
import sys
import textwrap

import pytest

from mixedbayes.errors import FileError
from mixedbayes.results.files import as_path, check_file, write_file


def test_what_is_written_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "a.nc"
    for content in (b"one", memoryview(b"two")):
        write_file(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_the_mode_of_what_is_replaced_is_kept(tmp_path, mode):
    path = tmp_path / "a.nc"
    path.write_bytes(b"one")
    path.chmod(mode)
    write_file(path, b"two")
    assert path.stat().st_mode & 0o7777 == mode


def test_a_new_file_has_the_users_mode(tmp_path):
    old = os.umask(0o027)
    try:
        write_file(tmp_path / "a.nc", b"one")
    finally:
        os.umask(old)
    assert (tmp_path / "a.nc").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(tmp_path, there):
    (tmp_path / "real").mkdir()
    (tmp_path / "between").symlink_to("real/a.nc")
    (tmp_path / "link").symlink_to("between")
    if there:
        (tmp_path / "real" / "a.nc").write_bytes(b"one")
    write_file(check_file(tmp_path / "link", "fit.nc"), b"two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a.nc").read_bytes() == b"two"
    assert [p.name for p in (tmp_path / "real").iterdir()] == ["a.nc"]


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(FileError, match="cannot be reached"):
        check_file(tmp_path / "a", "fit.nc")


def test_a_pipe_is_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="a device, a pipe or a socket"):
        check_file(tmp_path / "pipe", "fit.nc")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (None, "None is not the name of a file"), (7, "7 is not"), (b"a", "b'a' is not"),
        ("a\0b", "null byte"), ("~nobody-of-that-name/a", "write the folder out"),
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(path, said):
    with pytest.raises(FileError, match=said):
        as_path(path, "fit.nc")


@pytest.mark.parametrize("name", ["n" * 250, "\N{GREEK SMALL LETTER ALPHA}" * 120, "[a]*?.nc"])
def test_names_as_long_as_the_disk_takes_are_written(tmp_path, name):
    write_file(check_file(tmp_path / name, "fit.nc"), b"one")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_longer_names_are_refused(tmp_path):
    with pytest.raises(FileError, match="too long") as caught:
        check_file(tmp_path / ("n" * 300), "fit.nc")
    assert len(str(caught.value)) < 250


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from mixedbayes.results import files

    real = os.replace
    os.replace = lambda a, b: os.kill(os.getpid(), signal.SIGKILL)
    files.write_file(Path(sys.argv[1]), b"two")
"""


def run(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=300, check=False, **options,
    )  # fmt: skip


def test_what_killed_writers_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "a.nc"
    path.write_bytes(b"one")
    for left in (1, 1, 1):
        assert run(KILLED, path).returncode == -signal.SIGKILL
        assert len(list(tmp_path.glob(".a.nc.*.tmp"))) == left
    assert path.read_bytes() == b"one"
    (tmp_path / ".a.nc.0123456789ab.tmp").write_bytes(b"of an earlier version")
    others = [tmp_path / name for name in (".b.nc.0123456789ab.tmp", ".a.nc.mine.tmp", "a.nc.tmp")]
    for other in others:
        other.write_bytes(b"")
    write_file(path, b"three")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


def test_a_writer_that_lives_keeps_its_file(tmp_path, monkeypatch):
    path, real = tmp_path / "a.nc", os.replace

    def another_first(source, target):
        monkeypatch.setattr(os, "replace", real)
        write_file(path, b"other")
        assert os.path.exists(source)
        real(source, target)

    monkeypatch.setattr(os, "replace", another_first)
    write_file(path, b"one")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.nc"
    path.write_bytes(b"one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(FileError, match="could not be written: File too large"):
            write_file(path, bytes(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


QUOTA = """
    import resource, sys, warnings
    import mixedbayes as mb

    folder = sys.argv[1]
    fit = mb.fit("Reaction ~ Days + (1 | Subject)", mb.load_data("sleepstudy"), draws=200, chains=2,
                 seed=1, progress=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        fit.save(f"{folder}/f.nc")
    except mb.FileError as e:
        print(e)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept = fit.model.fit(draws=200, chains=2, seed=1, progress=False, cache=f"{folder}/c")
    print([str(w.message) for w in caught])
    print(kept.note)
    print(kept.idata["posterior"].equals(fit.idata["posterior"]))
"""


def test_a_quota_is_an_error_and_the_fit_lives(tmp_path):
    done = run(QUOTA, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [("File too large" in line) for line in lines] == [True, True, True, False]
    assert "The fit is not in the cache" in lines[2]
    assert lines[-1] == "True"
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
