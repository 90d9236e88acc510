"""Tests of what is not granted, of mistyped grants, and of bounds that are met; test/cli/run runs them.

A98 to A104 are cases of a list of ways in which sandboxes have failed."""
import os
import pathlib
import subprocess
import time

from __main__ import GLOVEBOX, Run, expect, fix, guest, refused, test

PROBE = guest("probe")


@test
def a98_grants_fail_closed():
    """A grant that cannot be read grants nothing, and nothing runs."""
    os.mkdir("d")
    pathlib.Path("d/in.txt").write_text("in\n")
    for value in ("", "::", "::/x", "d::", "d::/x::", "d::/x::RX", "d::/x::ro::rw", "d::/x::ro,rw", "d::/../x",
                  "d::..", "d:/x", "d::/x\n/y", "none", "none::/x", "d/in.txt", "d/in.txt::/x", "d\0", "~", "*"):
        if "\0" in value:
            continue
        run = Run("--dir", value, PROBE, "args")
        assert run.code == 125 and not run.out and run.slugs(), f"{value!r}: {run.says()}"
    for value in ("", "=", "=value"):
        refused("--env", value, PROBE, "env", slug="bad-value")
    for option, values in (("--scratch", ("", "=", "=1M", "/x=", "/x=0", "/x=-1", "/x=1X", "/x=1e99", "..")),
                           ("--max-disk", ("", "0", "-1", "1X", "0x10", "1e3", "999999999999999999999")),
                           ("--max-output", ("", "0", "-1", "many")), ("--max-memory", ("", "0", "1", "-1")),
                           ("--fuel", ("", "-1", "1e3", "0x10", "1M", "9223372036854775808", "99999999999999999999")),
                           ("--seed", ("", "x", "1.5", "99999999999999999999")), ("--timeout", ("", "-1s", "5", "x"))):
        for value in values:
            refused(option, value, PROBE, "args", slug="bad-value", say=option)
    refused("--scratch", "/x\ty", PROBE, "args", slug="bad-argument")
    # A name that is granted twice, once for writing and once not.
    refused("--dir", "d::/x::ro", "--dir", "d::/x::rw", PROBE, "args", slug="dir-twice")
    refused("--scratch", "/x", "--scratch", "/x/", PROBE, "args", slug="dir-twice")
    refused("--dir", "d::/x", "--scratch", "x", PROBE, "args", slug="dir-twice")


@test
def a99_options_behind_file_are_noticed():
    """An option that stands behind FILE, or behind `--`, is the guest's: it is said where the guest fails."""
    os.mkdir("d")
    pathlib.Path("d/in.txt").write_text("in\n")
    for words in ((PROBE, "cat", "d/in.txt", "--dir", "d"), ("--", PROBE, "cat", "d/in.txt", "--dir", "d")):
        run = expect(Run(*words), 3, out="")
        assert "option-after-file" in run.slugs(), run.says()
    run = Run(PROBE, "--", "--dir", "d", "cat", "d/in.txt")
    assert run.code != 0 and not run.out and "option-after-file" in run.slugs(), run.says()
    for typo in ("--dri", "--Dir", "--dirs", "-dir", "--max-dsk", "--scrach"):
        refused(typo, "d", PROBE, "args", slug="unknown-option")


@test
def a100_nothing_by_default():
    """No directory, not even the working one; no variable; no descriptor but three."""
    pathlib.Path("in.txt").write_text("in\n")
    for path in (".", "/", "in.txt", os.path.abspath("in.txt"), "/etc/passwd", "/proc/self/environ", "..", "/tmp"):
        run = Run(PROBE, "cat", path)
        assert run.code == 3 and not run.out, run.says()
    expect(Run(PROBE, "write", "out.txt"), 3, out="")
    assert not os.path.exists("out.txt")
    expect(Run(PROBE, "ls", "/"), 3, out="")
    expect(Run(PROBE, "env", env={"SECRET": "x", "PWD": os.getcwd()}), 0, out="", silent=True)
    with open("in.txt", "rb") as extra:  # a descriptor that the command inherits is not the guest's
        expect(Run(PROBE, "open", "/", fds=(extra.fileno(),)), 3, out="")


@test
def a101_variables_by_name_only():
    env = {"A": "1", "AB": "2", "a": "3", "B": "4"}
    expect(Run("--env", "A", PROBE, "env", env=env), 0, out="A=1\n")
    expect(Run("--env", "A", "--env", "B=x", PROBE, "env", env=env), 0, out="A=1\nB=x\n")
    for pattern in ("*", "A*", "?", "", "A ", " A", "A,B", "A:B", "ALL"):
        run = Run("--env", pattern, PROBE, "env", env=env)
        assert not run.out, run.says()


def exits():
    """The table of the help page: code by its words."""
    return Run("help", "exit-codes").out


@test
def a103_bounds_name_themselves():
    """Each bound by itself, and all at once: exit code of the table, the slug, and a command that goes further."""
    os.mkdir("d")
    table = exits()
    for code in ("124", "134"):
        assert code in table, table
    all_of_them = ["--max-memory", "32MiB", "--max-disk", "64KiB", "--max-output", "64KiB", "--timeout", "20s",
                   "--scratch", "/s=64KiB", "--dir", "d::/d"]
    cases = [("output-limit", 134, ["spew"], "--max-output"),
             ("disk-limit", 3, ["fill", "/d/f"], "--max-disk"),
             ("memory-limit", 2, ["alloc", "64"], "--max-memory"),
             ("fds", 3, ["open", "/d"], None),
             ("path-bytes", 3, ["stat", "/d/" + "x/" * 3000], None)]
    for slug, code, words, option in cases:
        run = Run(*all_of_them, PROBE, *words)
        assert run.code == code and slug in run.slugs(), f"{slug}\n{run.says()}"
        assert f"glovebox help {slug}" in run.err and len(run.out) <= 65536, run.says()
        if option:
            assert f"{option} " in run.field("fix"), run.says()
    scratch = all_of_them[:2] + all_of_them[4:]
    run = Run(*scratch, PROBE, "fill", "/s/f")
    assert run.code == 3 and "scratch-full" in run.slugs() and "--scratch /s=" in run.field("fix"), run.says()
    for words in (["spin"], ["sleep", "1h"]):
        begun = time.monotonic()
        run = expect(Run("--timeout", "300ms", *all_of_them[:6], PROBE, *words), 124, slug="deadline")
        assert "--timeout 3s" in run.field("fix") and time.monotonic() - begun < 20, run.says()
    assert os.path.getsize("d/f") == 64 * 1024 - 512, "bytes and a name"
    # The fix goes on to the next bound, or to the end.
    expect(Run("--max-memory", "32MiB", PROBE, "alloc", "64"), 2, words="out of memory")
    fix(Run("--max-memory", "32MiB", PROBE, "alloc", "64"), "67108864\n")
    expect(Run(*all_of_them, PROBE, "args"), 0, out='["probe.wasm" "args"]\n', silent=True)


@test
def a104_the_deadline_holds_everywhere():
    """In a start function, in compiled and interpreted code, in bulk instructions, in calls of the host; and a
    backtrace of whatever depth takes no time to speak of."""
    cases = [([], guest("start"), []), ([], guest("fillmem"), []), ([], guest("spin"), []),
             ([], PROBE, ["spin"]), ([], PROBE, ["sleep", "1h"]), ([], PROBE, ["copy"]),
             (["--max-output", "1000GiB"], PROBE, ["spew"])]
    for tier in ("interp", "eager"):
        for options, module, words in cases:
            begun = time.monotonic()
            with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE) as silent, open("/dev/null", "wb") as null:
                done = subprocess.run([GLOVEBOX, "--tier", tier, "--timeout", "300ms", *options, module, *words],
                                      stdin=silent.stdout, stdout=null, stderr=subprocess.PIPE, check=False,
                                      timeout=60)
                silent.kill()
            assert done.returncode == 124 and b"error[deadline]" in done.stderr, (tier, module, words, done)
            assert time.monotonic() - begun < 30, (tier, module, words)
    run = Run("--timeout", "10s", PROBE, "deep")
    assert run.code in (2, 124, 134), run.says()[:2000]
