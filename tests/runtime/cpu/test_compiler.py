"""The compiler: found, tried, told apart from others, and not believed."""

import shlex
import shutil

import pytest

from optgen.errors import CompilerError
from optgen.runtime.execution import cpu
from optgen.runtime.execution.cache import store
from optgen.runtime.execution.cpu import compiler, library, processor

SOURCE = '#include "optgen_kernel.h"\nOPTGEN_EXPORT int answer() { return 42; }\n'


def test_the_compiler_that_is_named_comes_first(wrapper):
    script = wrapper('exec $REAL "$@"')
    assert compiler.find().command == (str(script),)


def test_a_compiler_may_be_named_with_arguments(monkeypatch, wrapper, home):
    script = wrapper('[ "$1" = -first ] || exit 1; shift; exec $REAL "$@"')
    monkeypatch.setenv("CXX", f"{script} -first")
    assert library.load(SOURCE, "answer").answer() == 42


def test_without_a_name_the_first_of_three_is_taken(tmp_path, monkeypatch):
    for name in ("clang++", "g++"):
        (tmp_path / name).write_text("#!/bin/sh\necho version\n")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiler.find().command == (str(tmp_path / "g++"),)


def test_numbers_mean_what_they_mean():
    flags = compiler.find().flags
    unsafe = {"-ffast-math", "-Ofast", "-ffinite-math-only", "-fassociative-math"}
    unsafe |= {"-funsafe-math-optimizations", "-freciprocal-math", "-fno-signed-zeros"}
    assert not unsafe & set(flags)
    assert {"-O3", "-fno-math-errno", "-fno-trapping-math"} <= set(flags)


@pytest.mark.parametrize(
    ("refused", "left"),
    [("-march=native", "-mcpu=native"), ("-march=native|-mcpu=native", None)],
)
def test_a_compiler_that_does_not_know_this_machine(wrapper, home, refused, left):
    others = "" if left is None else f'[ "$flag" = {left} ] && continue;'  # which gcc has not
    wrapper(f"""
for flag; do case "$flag" in {refused}) echo "unknown $flag"; exit 1;; esac; done
set -- $(for flag; do {others} echo "$flag"; done)
exec $REAL "$@"
""")
    found = compiler.find()
    assert [flag for flag in found.flags if "native" in flag] == ([left] if left else [])
    assert library.load(SOURCE, "answer").answer() == 42


def test_flags_of_the_users(monkeypatch, home):
    monkeypatch.setenv("OPTGEN_CXXFLAGS", "-DANSWER=43 '-DTWO=1 + 1'")
    assert compiler.find().flags[-2:] == ("-DANSWER=43", "-DTWO=1 + 1")
    assert library.load(SOURCE.replace("42", "ANSWER - TWO"), "answer").answer() == 43 - 1 + 1


# What is wrong with it, and what is said of that.


def refusal(source=SOURCE) -> str:
    with pytest.raises(CompilerError) as caught:
        library.load(source, "answer")
    return str(caught.value)


def test_no_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    said = refusal()
    assert "no C++ compiler was found (no c++, g++, clang++ on the PATH): install g++" in said
    assert cpu.unavailable() == said
    assert said in cpu.describe()["compiler"]


@pytest.mark.parametrize(
    ("cxx", "words"),
    [
        ("absent", "CXX=absent names no program"),
        ("/absent/c++ -v", "CXX=/absent/c++ -v names no program"),
        ("false", "/false cannot be asked for its version: "),
        ("'c++", "CXX='c++ cannot be read (No closing quotation): quote it"),
    ],
)
def test_a_compiler_that_cannot_be_used(monkeypatch, cxx, words):
    monkeypatch.setenv("CXX", cxx)
    assert words in refusal()
    assert words in cpu.unavailable()
    assert cpu.unavailable() is cpu.unavailable()  # asked once


def test_a_compiler_that_compiles_nothing(wrapper):
    wrapper('[ "$1" = --version ] && exec $REAL "$@"; echo out of order >&2; exit 3')
    assert "compiler cannot compile: out of order\n(it ran " in refusal()
    assert "out of order" in cpu.unavailable()


def test_a_program_that_cannot_be_run(wrapper):
    script = wrapper("")
    script.write_bytes(b"\x7fELF and nothing more")
    assert "cannot be run: Exec format error" in refusal()


def test_a_source_that_is_wrong(home):
    said = refusal("int broken( { return 1; }")
    assert "cannot compile answer" in said
    assert "answer.cc:1:" in said
    assert list(home.iterdir()) == []


def test_a_setting_that_the_compiler_refuses(monkeypatch):
    monkeypatch.setenv("OPTGEN_CXXFLAGS", "--no-such-flag")
    assert "--no-such-flag" in refusal()
    assert "--no-such-flag" in cpu.unavailable()


def test_flags_that_cannot_be_read(monkeypatch):
    monkeypatch.setenv("OPTGEN_CXXFLAGS", '"-O3')
    assert 'OPTGEN_CXXFLAGS="-O3 cannot be read' in refusal()


LIES = {
    "nothing": ("", "said that it compiled answer, and made nothing: it gave no reason"),
    "words": ("echo all went well", "made nothing: all went well"),
    "an empty file": (': > "$out"', "made nothing"),
    "garbage": ('echo garbage > "$out"', "what the compiler made of answer cannot be loaded"),
}


@pytest.mark.parametrize(("body", "words"), LIES.values(), ids=LIES)
def test_a_compiler_that_lies(wrapper, home, body, words):
    wrapper(f"""
case "$*" in *answer.cc*) ;; *) exec $REAL "$@";; esac
for word; do out=$word; done
{body}
""")
    assert words in refusal()
    assert list(home.iterdir()) == []  # it is not believed next time either
    wrapper('exec $REAL "$@"')
    assert library.load(SOURCE, "answer").answer() == 42


def test_what_another_system_made_is_made_again(home):
    path = cpu.compile_library(SOURCE, "answer")
    content = b"for another system"
    path.write_bytes(content)
    path.with_suffix(".json").write_bytes(store._record(content))
    assert library.load(SOURCE, "answer").answer() == 42
    assert path.read_bytes() != content


def test_a_full_disk_is_no_fault_of_the_source(wrapper, home):
    wrapper(
        f'case "$*" in *{shlex.quote(str(home))}*) '
        'echo "error writing to x.s: No space left on device"; exit 1;; esac; exec $REAL "$@"'
    )
    with pytest.warns(RuntimeWarning, match="no room to compile answer"):
        assert library.load(SOURCE, "answer").answer() == 42


# What tells one library from another.


def test_the_path_tells_apart_what_differs(home, wrapper, tmp_path, monkeypatch):
    def path(source=SOURCE, headers=None):
        made = cpu.compile_library(source, "answer", **({"headers": headers} if headers else {}))
        return made.name

    known = path()
    assert path() == known
    found = {known, path(SOURCE + "\n")}
    copies = dict.fromkeys(compiler.HEADERS, tmp_path)
    for name in copies:
        shutil.copy(compiler.NATIVE / name, tmp_path)
    assert path(headers=copies) == known  # wherever they stand
    with open(tmp_path / "optgen_kernel.h", "a") as header:
        header.write("// another version\n")
    found.add(path(headers=copies))
    with monkeypatch.context() as changed:
        changed.setenv("OPTGEN_CXXFLAGS", "-O1")
        found.add(path())
    with monkeypatch.context() as changed:
        changed.setattr(compiler, "processor", lambda: "another CPU")
        found.add(path())
    wrapper('exec $REAL "$@"')
    found.add(path())  # another command
    compiler._find.cache_clear()
    wrapper('[ "$1" = --version ] && echo version 2; exec $REAL "$@"')
    found.add(path())
    assert len(found) == 7


def test_the_processor_is_described_by_what_it_can_do():
    assert "machine" in processor.processor()
    assert "MHz" not in processor.processor()


def test_names_are_safe_for_files(home):
    path = cpu.compile_library(SOURCE, "../an other/ñame*")
    assert path.parent == home
    assert path.name.startswith(".._an_other__ame_-")


def test_a_header_that_is_missing(tmp_path):
    with pytest.raises(CompilerError, match="gone.h is missing: install its package again"):
        cpu.compile_library(SOURCE, "answer", headers={"gone.h": tmp_path})


def test_the_description(shared_cache):
    found = cpu.describe()
    assert list(found) == ["compiler", "version", "flags", "cache"]
    assert found["cache"] == str(shared_cache / "cpu")
    assert cpu.unavailable() is None
