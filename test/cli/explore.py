"""Tests of `glovebox explore` and of what perf and gdb are told; test/cli/run runs them."""
import os
import pathlib
import re
import subprocess

from __main__ import GLOVEBOX, Run, expect, guest, refused, test

PROBE = guest("probe")


@test
def explore_lists_functions():
    run = expect(Run("explore", PROBE), 0, silent=True)
    rows = run.out.splitlines()
    bodies = re.findall(r"^ - func\[\d+\] size=(\d+)", Run(shell=f"wasm-objdump -x -j Code {PROBE}").out, re.M)
    assert len(rows) == len(bodies) + 2 and rows[0].split()[:3] == ["index", "bytes", "blocks"], run.out[:300]
    share = re.fullmatch(r"(\d+) of (\d+) functions compile \((\S+)%, \S+% of the bytes\): (\d+) bytes of bodies "
                         r"become (\d+) bytes of machine code", rows[-1])
    assert share and int(share[2]) == len(bodies) and int(share[4]) <= sum(map(int, bodies)), rows[-1]
    assert re.search(r"^ *\d+ +\d+ +\d+  dispatch +\d+ +\d+  main\.main$", run.out, re.M), run.out[-300:]
    assert re.search(r" {9}interpreted  - \(simd\)$", Run("explore", guest("lanes")).out, re.M)


@test
def explore_instructions_are_those_of_wabt():
    for file, wanted in ((PROBE, "main.*"), (guest("lanes"), "*"), (guest("lib"), "*")):
        known = re.findall(r"^ ([0-9a-f]{6,}): [^|]*\| *(\S+)", Run(shell=f"wasm-objdump -d {file}").out, re.M)
        known = {int(at, 16): word for at, word in known if word != "local[0]" and "[" not in word}
        run = expect(Run("explore", "--stage=wat", "--func", wanted, file), 0, silent=True)
        ours = re.findall(r"^0x([0-9a-f]+)  +([a-z]\S*)", run.out, re.M)
        assert len(ours) > 2 and "|" not in run.out, run.says()
        for at, word in ours:
            other = known.get(int(at, 16), "nothing")
            assert word == other or (word, other) == ("select_t", "select"), f"{file} 0x{at}: {word}, wabt: {other}"


@test
def explore_shows_code_beside_instructions():
    run = Run("explore", PROBE, "--func", "main.main")
    if "no-disassembler" in run.slugs():
        expect(run, 0, slug="no-disassembler")
        refused("explore", PROBE, "--func", "main.main", "--stage", "asm", slug="no-disassembler")
        return
    expect(run, 0, silent=True)
    assert re.search(r"^  dispatch: block \d+, by local 0; with 0 to block \d+ \(fresh\)", run.out, re.M), run.out
    assert re.search(r"^0x[0-9a-f]+  -- block 0: .*; live in ", run.out, re.M), run.out
    assert re.search(r"^0x[0-9a-f]+  +i(32|64)\.store\S*( offset=\d+)? *\n? +\| +[0-9a-f]+  mov .*; may trap: memory-",
                     run.out, re.M), run.out
    # Every byte of code stands somewhere, once: no offset comes twice, and they begin with an entry, which
    # stands behind a few bytes that are never executed.
    offsets = [int(at, 16) for at in re.findall(r"\| +([0-9a-f]+)  \S", run.out)]
    entries = re.search(r"entry at ([0-9a-f]+), fresh at ([0-9a-f]+)", run.out)
    assert min(offsets) == min(int(at, 16) for at in entries.groups()) < 16 and len(set(offsets)) == len(offsets), sorted(offsets)
    asm = expect(Run("explore", "--stage", "asm", "--func", "main.main", PROBE), 0, silent=True).out
    assert sorted(offsets) == sorted(int(at, 16) for at in re.findall(r"\| +([0-9a-f]+)  \S", asm))


@test
def explore_mistakes():
    refused("explore", slug="no-file")
    refused("explore", PROBE, "--fun", "1", slug="unknown-option", say="did you mean --func?")
    refused("explore", PROBE, "--func", slug="missing-value")
    refused("explore", PROBE, "--stage", "wat,x", slug="bad-value")
    refused("explore", PROBE, "more", slug="too-many-files", works=True)
    refused("explore", PROBE, "--func", "main.man", slug="no-such-function", works=True)
    refused("explore", PROBE, "--func", "0", slug="no-such-function", say="are imported")
    expect(Run("explore", "absent.wasm"), 127, out="", slug="not-found")
    expect(Run("explore", __file__), 126, out="", slug="not-wasm")
    assert "--stage" in expect(Run("explore", "--help"), 0, silent=True).out
    assert Run("help", "explore").out == Run("explore", "-h").out


@test
def explore_escapes_names():
    name = b"evil\x1b[31m\nname\xe2\x80\xae"
    names = bytes([1, len(name) + 3, 1, 0, len(name)]) + name
    module = (b"\0asm\1\0\0\0" + b"\1\4\1\x60\0\0" + b"\3\2\1\0" + b"\x0a\6\1\4\0\x10\0\x0b"
              + bytes([0, len(names) + 5, 4]) + b"name" + names)
    pathlib.Path("evil.wasm").write_bytes(module)
    shown = r"evil\x1b[31m\nname\u{202e}"
    for words in ([], ["--func", "0"], ["--func", shown]):
        run = expect(Run("explore", "evil.wasm", *words), 0)
        assert shown in run.out and "\x1b" not in run.out and "\u202e" not in run.out, run.says()


def perf_run(before, *words):
    """Run the command behind the shell command `before`, in which $$ is its process id. Its exit code, what it
    printed, and the path of its perf map."""
    command = ["sh", "-c", before + '; exec "$0" "$@"', GLOVEBOX, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        out, err = child.communicate(timeout=60)
    return child.returncode, out.decode(), err.decode(), pathlib.Path(f"/tmp/perf-{child.pid}.map")


@test
def jit_symbols_for_perf():
    code, out, err, path = perf_run(":", "--jit-symbols", "perf", "--tier", "eager", PROBE, "args", "x")
    try:
        lines = [line.split(" ", 2) for line in path.read_text().splitlines()]
    finally:
        path.unlink()
    assert (code, out, err) == (0, '["probe.wasm" "args" "x"]\n', ""), (code, out, err)
    names = [name for _, _, name in lines]
    if os.uname().machine == "x86_64":
        assert "main.main" in names and "glovebox stub enter" in names, names[:20]
    end = 0
    for start, count, name in sorted((int(a, 16), int(b, 16), name) for a, b, name in lines):
        assert count > 0 and start >= end, f"{name} overlaps the one before it"
        end = start + count


@test
def jit_symbols_are_not_written_elsewhere():
    before = 'ln -s "$PWD/there" /tmp/perf-$$.map'
    code, out, err, path = perf_run(before, "--jit-symbols=perf", PROBE, "args")
    path.unlink()
    assert code == 125 and out == "" and f"error[host-io]: {path}" in err, (code, out, err)
    assert not os.path.exists("there")


@test
def jit_symbols_for_gdb_change_nothing():
    for words in (["--tier=eager"], [], ["--jit-symbols=gdb", "--tier=interp"]):
        expect(Run("--jit-symbols=gdb", *words, PROBE, "args"), 0, out='["probe.wasm" "args"]\n', silent=True)
    refused("--jit-symbols", "elf", PROBE, slug="bad-value", say="it is perf or gdb")
