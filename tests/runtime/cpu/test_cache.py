"""The cache of compiled libraries: made once, trusted only when whole and the user's own."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from optgen.errors import CacheError, CompilerError
from optgen.runtime.execution import cpu
from optgen.runtime.execution.cache import private
from optgen.runtime.execution.cpu import handler
from optgen.runtime.execution.cpu.compiler import LIBRARIES
from tests.runtime.cpu.kernels import ROOT, run_alone

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away, and mounts")


class Builder:
    """Makes the same bytes each time, and counts how often it was asked to."""

    def __init__(self, content=b"a library"):
        self.content, self.calls = content, 0

    def __call__(self, scratch: Path) -> bytes:
        assert list(scratch.iterdir()) == []
        (scratch / "left behind").write_bytes(b"by the compiler")
        self.calls += 1
        return self.content


@pytest.fixture
def build():
    return Builder()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_is_kept_is_not_made_again(home, build):
    first = LIBRARIES.fetch("stem", build)
    assert first == LIBRARIES.fetch("stem", build) == home / "stem.so"
    assert first.read_bytes() == b"a library"
    assert build.calls == 1
    assert names(home) == ["stem.json", "stem.so"]


def test_it_is_for_its_owner_alone(home, build):
    LIBRARIES.fetch("stem", build)
    modes = {path: path.stat().st_mode & 0o777 for path in (home.parent, home, *home.iterdir())}
    assert set(modes.values()) == {0o700, 0o600}
    assert modes[home] == modes[home.parent] == 0o700


DAMAGES = {
    "truncated": lambda library, record: os.truncate(library, 5),
    "emptied": lambda library, record: os.truncate(library, 0),
    "corrupted": lambda library, record: library.write_bytes(b"b library"),
    "lost": lambda library, record: library.unlink(),
    "record truncated": lambda library, record: os.truncate(record, 20),
    "record emptied": lambda library, record: os.truncate(record, 0),
    "record lost": lambda library, record: record.unlink(),
    "of another build": lambda library, record: record.write_bytes(
        record.read_bytes().replace(b'"size": 9', b'"size": 8')
    ),
    "a link": lambda library, record: (
        library.rename(library.with_name("elsewhere")),
        library.symlink_to(library.with_name("elsewhere")),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_made_again(home, build, damage):
    library = LIBRARIES.fetch("stem", build)
    damage(library, library.with_suffix(".json"))
    assert LIBRARIES.fetch("stem", build).read_bytes() == b"a library"
    assert not library.is_symlink()
    assert build.calls == 2
    LIBRARIES.fetch("stem", build)
    assert build.calls == 2


def test_a_failed_build_leaves_nothing(home):
    def fail(scratch):
        raise CompilerError("no")

    with pytest.raises(CompilerError):
        LIBRARIES.fetch("stem", fail)
    assert names(home) == []


@pytest.mark.parametrize("which", ["", "cpu", "cpu/stem.so", "cpu/stem.json"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_can_write_is_refused(home, build, which, mode):
    LIBRARIES.fetch("stem", build)
    path = home.parent / which
    path.chmod(path.stat().st_mode | mode)
    with pytest.raises(CacheError) as caught:
        LIBRARIES.fetch("stem", build)
    assert f"{path} can be written by other users" in str(caught.value)
    assert "OPTGEN_CACHE_DIR" in str(caught.value)
    assert build.calls == 1


@as_root
@pytest.mark.parametrize("which", ["", "cpu", "cpu/stem.so", "cpu/stem.json"])
def test_what_belongs_to_someone_else_is_refused(home, build, which):
    LIBRARIES.fetch("stem", build)
    os.chown(home.parent / which, NOBODY, -1)
    with pytest.raises(CacheError, match=f"belongs to the user {NOBODY}, not to 0"):
        LIBRARIES.fetch("stem", build)
    assert build.calls == 1


def test_what_belongs_to_someone_else_is_refused_to_anyone(home, build, monkeypatch):
    LIBRARIES.fetch("stem", build)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(CacheError, match="belongs to the user"):
        LIBRARIES.fetch("stem", build)


def test_a_file_in_the_place_of_the_directory(home, build):
    home.parent.write_text("not a directory")
    with pytest.raises(CacheError, match="is no directory: remove it"):
        LIBRARIES.fetch("stem", build)


def test_the_reason_reaches_whoever_asks_whether_the_target_serves(home, monkeypatch):
    home.parent.mkdir()
    home.parent.chmod(0o777)
    monkeypatch.setattr(handler, "_handlers", [])  # as in a new process
    assert "can be written by other users" in cpu.unavailable()


# Where it cannot be written.


def check_served_from_elsewhere(home, build, reason):
    with pytest.warns(RuntimeWarning, match=f"kept in {home} .{reason}.*OPTGEN_CACHE_DIR"):
        library = LIBRARIES.fetch("stem", build)
    assert library.read_bytes() == b"a library"
    assert not library.is_relative_to(home)
    assert library.parent.stat().st_mode & 0o777 == 0o700
    assert LIBRARIES.fetch("stem", build) == library  # and warns no more
    assert LIBRARIES.fetch("another", build).parent == library.parent
    assert build.calls in (2, 3)  # again for the other place, where the first was found full late
    assert not home.exists() or names(home) == []


def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["mkdir", "open", "fsync"])
def test_a_full_disk(home, build, monkeypatch, step):
    home.mkdir(parents=True, mode=0o700)
    real = getattr(os, step)

    def fails(path, *arguments, **options):
        where = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else str(path)
        writes = step != "open" or (arguments and arguments[0] & os.O_CREAT)
        return (
            full() if writes and where.startswith(str(home)) else real(path, *arguments, **options)
        )

    monkeypatch.setattr(os, step, fails)
    check_served_from_elsewhere(home, build, "No space left")


def test_a_full_disk_that_the_compiler_meets(home, build):
    def compile_there(scratch):
        return full() if scratch.is_relative_to(home) else build(scratch)

    home.mkdir(parents=True, mode=0o700)
    with pytest.warns(RuntimeWarning, match="No space left"):
        library = LIBRARIES.fetch("stem", compile_there)
    assert library.read_bytes() == b"a library"
    assert names(home) == []


@pytest.mark.parametrize("home_of", ["/proc/nobody/here", "/dev/null/here"])
def test_no_home_that_could_be_made(monkeypatch, home_of):
    monkeypatch.setenv("OPTGEN_CACHE_DIR", home_of)
    monkeypatch.setattr(private, "_opened", [])
    check_served_from_elsewhere(Path(home_of, "cpu"), Builder(), "")


def test_nowhere_at_all(home, build, monkeypatch):
    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(CacheError) as caught:
        LIBRARIES.fetch("stem", build)
    assert str(home) in str(caught.value)
    assert "no temporary directory can be made (No space left on device)" in str(caught.value)


MOUNTED = """
    import os, subprocess, sys, warnings
    import optgen.runtime.execution.cpu as cpu
    options, home = sys.argv[1:]
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", home], check=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        library = cpu.compile_library("int f() { return 1; }", "tiny")
    print(*(str(warning.message) for warning in caught))
    print(library.exists(), [file for _, _, files in os.walk(home) for file in files])
    print(library.parents[1])
    """


@as_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs a mount of its own")
@pytest.mark.parametrize(
    ("options", "reason"),
    [("size=20k,mode=700", "no room to compile|No space left"), ("ro,mode=700", "Read-only")],
)
def test_a_real_disk_that_is_full_or_read_only(tmp_path, options, reason):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("may not mount")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", textwrap.dedent(MOUNTED), options, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OPTGEN_CACHE_DIR": str(tmp_path), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    warning, kept, elsewhere = done.stdout.splitlines()
    assert any(text in warning for text in reason.split("|"))
    assert warning.count("OPTGEN_CACHE_DIR") == 1
    assert kept == "True []"
    assert not Path(elsewhere).exists()  # any more


# Many processes.

SIXTEEN = """
    import os, sys
    from optgen.runtime.execution.cpu import compiler
    children = []
    for _ in range(16):
        child = os.fork()
        if not child:
            code = 1
            try:
                path = compiler.compile_library(sys.argv[1], "one")
                code = 0 if path.exists() else 2
            finally:
                os._exit(code)
        children.append(child)
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
    """


def test_sixteen_processes_at_once_compile_once(home, wrapper, tmp_path):
    log = tmp_path / "log"
    wrapper(f'case "$*" in *one.cc*) echo compiled >> {log}; sleep 0.3;; esac; exec $REAL "$@"')
    assert run_alone(SIXTEEN, "int f() { return 1; }") == f"{[0] * 16}\n"
    assert log.read_text() == "compiled\n"
    assert [name.partition(".")[2] for name in names(home)] == ["json", "so"]


def test_a_process_killed_while_it_compiles(home, wrapper, tmp_path):
    started = tmp_path / "started"
    slow = tmp_path / "slow"
    slow.touch()
    wrapper(
        f'case "$*" in *one.cc*) if [ -e {slow} ]; then '
        f"echo $$ > {started}.tmp; mv {started}.tmp {started}; exec sleep 600; fi;; esac; "
        'exec $REAL "$@"'
    )
    source = "int f() { return 1; }"
    program = (
        "import sys; from optgen.runtime.execution import cpu; "
        "cpu.compile_library(sys.argv[1], 'one')"
    )
    process = subprocess.Popen([sys.executable, "-c", program, source], cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while not started.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        compiler = int(started.read_text())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    try:
        assert not list(home.glob("*.so"))
        assert list(home.glob("*.tmp"))  # what it left
        slow.unlink()
        library = cpu.compile_library(source, "one")  # while its compiler still runs
        assert names(home) == [library.with_suffix(".json").name, library.name]
    finally:
        os.kill(compiler, signal.SIGKILL)
