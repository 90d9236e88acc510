"""Tests of `glovebox diff`; test/cli/run runs them."""
import os
import pathlib
import re
import time

from __main__ import Run, expect, guest, refused, test

PROBE = guest("probe")
SAME = re.compile(r"same: ([^,]+), ([\d,]+) host calls?, ([\d,]+) bytes? of output, memory of ([\d,]+) bytes "
                  r"([0-9a-f]{16}), (\d+) globals?; interpreted, compiled \(([\d,]+) of ([\d,]+) functions?\) and mixed\n")


def same(*words, stdin=b"", **more):
    run = expect(Run("diff", *words, stdin=stdin, **more), 0, silent=True)
    match = SAME.fullmatch(run.out)
    assert match, run.says()
    return match


def differ(*words, first):
    """The lines of a difference at a host call that is said in words of `first`."""
    run = expect(Run("diff", *words), 1, silent=True)
    lines = run.out.splitlines()
    match = re.fullmatch(rf"different: host call (\d+), {first}", lines[0])
    assert match and int(match[1]) > 12, run.says()
    assert lines[1].startswith("  interpreted: ") and lines[2].startswith("  compiled:    "), run.says()
    assert lines[-1] == f"  the same:    {int(match[1]) - 1} host calls before that", run.says()
    return lines


@test
def diff_same():
    words = (PROBE, "args", "a b")
    match = same(*words)
    assert match[1] == "exit code 0" and match[3] == str(len('["probe.wasm" "args" "a b"]\n')), match[0]
    assert match[7] == match[8] and int(match[7].replace(",", "")) > 1000, match[0]
    # A run of Go makes more than a dozen calls; output is counted, not shown.
    assert int(match[2]) > 12 and "probe" not in match[0], match[0]
    assert same(*words)[0] == match[0], "the world is not the same at each run"
    assert same("--seed", "2", *words)[5] != match[5], "Go's random seeds do not follow --seed"
    assert same("--every-call", *words)[0] == match[0]


@test
def diff_world():
    data = os.urandom(300000)
    match = same(PROBE, "copy", stdin=data)
    assert match[3] == "300,000", match[0]
    assert same(PROBE, "copy", stdin=data)[5] == match[5]
    assert same(PROBE, "copy", stdin=b"")[3] == "0"
    before = time.monotonic()
    same(PROBE, "sleep", "50h")
    assert time.monotonic() - before < 30, "waits are waited for"
    assert same("--env", "A=1", PROBE, "env")[3] == "4"
    assert same("--argv0", "me", PROBE, "args")[3] == str(len('["me" "args"]\n'))


@test
def diff_ends():
    assert same(PROBE, "exit", "3")[1] == "exit code 3"
    assert same(PROBE, "panic")[1] == "exit code 2"
    assert same(guest("trap"))[1] == "trap: unreachable"
    run = expect(Run("diff", "--max-memory", "1MiB", guest("deep")), 0, silent=True)
    assert run.out.startswith("same: trap: call stack exhausted, 1 host call, ") and "how deep" in run.out, run.says()
    lib = guest("lib")
    same("--invoke", "add", lib, "1", "2")
    assert same("--invoke", "boom", lib)[1] == "trap: integer divide by zero"
    expect(Run("diff", "--invoke", "add", lib, "1"), 125, out="", slug="invoke-parameters")
    expect(Run("diff", lib), 126, out="", slug="no-start")
    run = expect(Run("diff", guest("splat")), 0, slug="diff-not-compiled")
    assert "compiled (0 of 1 function)" in run.out, run.says()


@test
def diff_deadline():
    run = expect(Run("diff", "--timeout", "300ms", guest("spin")), 124, out="", slug="diff-deadline",
                 words=["interpreted", "0 host calls"])
    assert "--timeout 3s" in run.field("fix"), run.says()


@test
def diff_grants():
    os.mkdir("data")
    pathlib.Path("data/in").write_text("abc\n")
    refused("diff", "--dir", "data", PROBE, "cat", "data/in", slug="diff-grants", say="data is granted for writing",
            works=True)
    for grant in (["--dir", "data::ro"], ["--grants", "ro", "--dir", "data"], ["--grants=rw", "--dir", "data"]):
        assert same(*grant, PROBE, "cat", "data/in", "stat", "data/in", "ls", "data")[3] == "7"
    # Having been read changes nothing that the next run sees, although it changes the file's time of access.
    os.utime("data/in", (1, 2))
    same("--dir", "data::ro", PROBE, "cat", "data/in", "stat", "data/in")
    same("--grants", "ro", "--dir", "data", PROBE, "write", "data/new")
    assert os.listdir("data") == ["in"]


@test
def diff_different():
    os.mkdir("data")
    words = ("--grants", "rw", "--dir", "data", PROBE)
    lines = differ(*words, "try", "data/new", "write", "data/new", first="path_open: its result")
    assert lines[1] == "  interpreted: 44 (NOENT)" and lines[2] == "  compiled:    0 (OK)", lines
    assert re.fullmatch(r"  called by:   syscall\.path_open \(function \d+, offset 0x[0-9a-f]+\)", lines[3]), lines
    assert any("main.main (" in line for line in lines), lines
    # What the first run writes is the second's to read.
    stat = "fd_filestat_get: the bytes that it was given or gave back"
    pathlib.Path("data/in").write_text("abc\n")
    lines = differ(*words, "cat", "data/in", "write", "data/in", first=stat)
    assert re.fullmatch(r"  interpreted: 64 bytes, [0-9a-f]{16}", lines[1]) and lines[1][15:] != lines[2][15:], lines
    # Memories, compared as well, do not differ before that.
    pathlib.Path("data/in").write_text("abc\n")
    assert differ("--every-call", *words, "cat", "data/in", "write", "data/in", first=stat)[3:] == lines[3:]


@test
def diff_mistakes():
    refused("diff", slug="no-file")
    refused("diff", "--tier", "eager", PROBE, slug="unknown-option", say="diff has no option --tier", works=True)
    refused("diff", "--hints=off", PROBE, slug="unknown-option", works=True)
    refused("run", "--grants", "ro", PROBE, slug="unknown-option", say="run has no option --grants", works=True)
    refused("diff", "--sed", "3", PROBE, slug="unknown-option", say="did you mean --seed?", works=True)
    refused("diff", "--grants", "both", PROBE, slug="bad-value")
    refused("diff", "--seed", "x", PROBE, slug="bad-value")
    refused("diff", "--seed", slug="missing-value")
    expect(Run("diff", "none.wasm"), 127, out="", slug="not-found")
    pathlib.Path("text.wasm").write_text("text")
    expect(Run("diff", "text.wasm"), 126, out="", slug="not-wasm")
    expect(Run("diff", guest("import")), 126, out="", slug="unknown-import")
    page = expect(Run("diff", "--help"), 0, silent=True).out
    assert page == Run("help", "diff").out and "--seed NUMBER" in page and "--tier" not in page, page
    assert "--every-call" not in Run("help", "run").out and "--seed NUMBER" in Run("help", "run").out
