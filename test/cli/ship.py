"""Tests of `glovebox compile` and of running what it made; test/cli/run runs them."""
import json
import os
import pathlib
import pty
import random
import re
import shlex
import subprocess

from __main__ import GLOVEBOX, Run, expect, fix, guest, refused, test

PROBE = guest("probe")
HEAD = 200  # bytes before the module
WORDS = ("args", "x", "y")
SAYS = '["made.gbx" "args" "x" "y"]\n'


def user(name):
    """A user is who has a cache directory: that is where the key is."""
    where = os.path.abspath(f"cache-of-{name}")
    os.makedirs(where, exist_ok=True)
    return {"XDG_CACHE_HOME": where}


def made(out="made.gbx", module=PROBE, options=(), env=None):
    expect(Run("compile", *options, module, "-o", out, env=env or user("me")), 0, out="", silent=True)
    return out


def report(*words, **more):
    """What --report says of a run, and the run."""
    run = Run("--report", "report.json", *words, **more)
    return json.loads(pathlib.Path("report.json").read_text()), run


def compiles_nothing(*words, out, env, all_taken=False):
    said, run = report(*words, env=env)
    expect(run, 0, out=out, silent=True)
    assert said["compiled_file"] == "used" and said["cache"] == "hit", said
    assert said["functions_compiled"] == said["functions_taken"] and said["compile_ns"] == 0, said
    assert said["functions_taken"] > 0 and said["functions_refused"] == 0, said
    assert not all_taken or said["functions_taken"] == said["functions"], said


@test
def ship_compiles_nothing_at_run():
    me = user("me")
    made()
    before = sorted(os.listdir(me["XDG_CACHE_HOME"] + "/glovebox"))
    assert before == ["key"], before
    compiles_nothing("made.gbx", *WORDS, out=SAYS, env=me)
    compiles_nothing("--tier", "eager", "made.gbx", *WORDS, out=SAYS, env=me, all_taken=True)
    compiles_nothing("--allow-compiled", "made.gbx", *WORDS, out=SAYS, env=user("another"))
    compiles_nothing("--allow-compiled", "--cache=off", "made.gbx", *WORDS, out=SAYS, env=me)
    assert sorted(os.listdir(me["XDG_CACHE_HOME"] + "/glovebox")) == before, "a run wrote an entry"
    said, run = report("--tier", "interp", "made.gbx", *WORDS, env=me)
    expect(run, 0, out=SAYS, silent=True)
    assert said["functions_compiled"] == 0 and said["compiled_file"] == "used", said
    run = expect(Run("--explain", "made.gbx", *WORDS, env=me), 0, out=SAYS)
    assert re.search(r"^note\[compiled-file\]: compiled file: used; \d\d+ functions taken from it, 0 compiled$",
                     run.err, re.M), run.says()


@test
def ship_other_modules():
    """Traps, exports, functions that stay interpreted."""
    me = user("me")
    for name, words, code in (("lib", ("--invoke", "add"), 0), ("trap", (), 134), ("lanes", (), None), ("exit", (), None),
                              ("odd", (), None), ("vector", (), None), ("deep", (), None)):
        out = made(f"{name}.gbx", guest(name))
        behind = ("1", "2") if name == "lib" else ()
        plain = Run("--cache=off", *words, guest(name), *behind)
        for tier in ("auto", "eager"):
            ours = Run("--tier", tier, *words, out, *behind, env=me)
            assert (plain.code, plain.out) == (ours.code, ours.out), f"{plain.says()}\n{ours.says()}"
            assert plain.slugs() == ours.slugs() and (code is None or ours.code == code), ours.says()


@test
def ship_same_code_always():
    """However many threads there were."""
    a, b = (pathlib.Path(made(f"{n}.gbx")).read_bytes() for n in "ab")
    subprocess.run(["taskset", "-c", str(min(os.sched_getaffinity(0))), GLOVEBOX, "compile", PROBE, "-o", "c.gbx"],
                   env={**os.environ, **user("me")}, check=True)
    assert a == b == pathlib.Path("c.gbx").read_bytes()
    assert a[HEAD:HEAD + os.path.getsize(PROBE)] == pathlib.Path(PROBE).read_bytes()


@test
def ship_refused_to_others():
    made()
    other = user("other")
    run = expect(Run("made.gbx", *WORDS, env=other), 126, out="", slug="untrusted-code",
                 words=("machine code", "not made with the key", "made.gbx"))
    assert "--allow-compiled" in run.field("fix"), run.says()
    fix(run, out=SAYS)
    run = expect(Run("--cache=off", "made.gbx", *WORDS, env=user("me")), 126, slug="untrusted-code",
                 words="without a cache directory")
    fix(run, out=SAYS)
    run = expect(Run("run", "made.gbx", *WORDS, env={"XDG_CACHE_HOME": "", "HOME": ""}), 126, slug="untrusted-code")
    fix(run, out=SAYS)
    # What its page says to do where nobody is trusted.
    made("mine.gbx", "made.gbx", env=other)
    compiles_nothing("--argv0", "made.gbx", "mine.gbx", *WORDS, out=SAYS, env=other)
    # A new key: what was made with the old one is a stranger's.
    expect(Run("cache", "clear", env=user("me")), 0)
    expect(Run("made.gbx", *WORDS, env=user("me")), 126, slug="untrusted-code")


@test
def ship_without_a_key():
    run = expect(Run("compile", "--cache=off", PROBE, "-o", "made.gbx"), 0, out="", slug="no-key")
    assert run.slugs() == ["no-key"], run.says()
    fix(expect(Run("made.gbx", *WORDS, env=user("me")), 126, slug="untrusted-code"), out=SAYS)


@test
def ship_for_another_machine():
    """The module runs, compiled afresh and kept in the cache, and only --explain says so."""
    program = pathlib.Path(GLOVEBOX).read_bytes()
    ids = set(re.findall(rb"(?<![0-9a-f])[0-9a-f]{64}(?=\0)", program))
    assert len(ids) == 1, ids
    pathlib.Path("copy").write_bytes(program.replace(ids.pop(), b"0" * 64))
    os.chmod("copy", 0o700)
    me = user("me")
    made()
    for command, options, env, why in (
            (os.path.abspath("copy"), (), me, "another build of glovebox"),
            (GLOVEBOX, ("--wasm-feature", "simd=off"), me, "other options"),
            (GLOVEBOX, (), {**me, "GBX_TUNE": "-lea"}, "other options")):
        for state in ("miss", "hit"):
            words = [command, "--explain", "--tier", "eager", *options, "made.gbx", *WORDS]
            run = expect(Run(shell=shlex.join(words), env=env), 0, out=SAYS)
            says = re.findall(r"^note\[compiled-file\]: .*$", run.err, re.M)
            assert len(says) == 1 and why in says[0], run.says()
            assert f"cache: {state}" in run.err, run.says()
        expect(Run(shell=shlex.join([command, *options, "made.gbx", *WORDS]), env=env), 0, out=SAYS, silent=True)


def changed(rng, good, at):
    data = bytearray(good)
    kind = rng.randrange(6)
    if kind < 4:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 4:
        data[at:at + 32] = bytes(len(data[at:at + 32]))
    else:
        data[at:at + 16] = rng.randbytes(len(data[at:at + 16]))
    return bytes(data)


DAMAGED = {"malformed-module", "truncated-module", "not-wasm"}


@test
def ship_damage_is_noticed():
    module = os.path.getsize(PROBE)
    good = pathlib.Path(made()).read_bytes()
    rng = random.Random(6)
    spots = [*range(0, HEAD, 3), *(rng.randrange(HEAD, HEAD + module) for _ in range(20)),
             *(rng.randrange(HEAD + module, len(good)) for _ in range(60)),
             *range(HEAD + module, HEAD + module + 200, 9)]
    used = 0
    for number, at in enumerate(spots):
        bad = changed(rng, good, at)
        if bad == good:
            continue
        pathlib.Path("made.gbx").write_bytes(bad)
        options, env = ((), user("me")) if number % 2 else (("--allow-compiled",), user("other"))
        tier = ("--tier", "eager") if number % 3 else ()
        run = Run(*options, *tier, "--explain", "made.gbx", *WORDS, env=env)
        if at < HEAD + module:
            assert run.code == 126 and run.out == "" and set(run.slugs()) <= DAMAGED, f"byte {at}\n{run.says()}"
            assert "made.gbx" in run.err, run.says()
        else:
            expect(run, 0, out=SAYS)
            if tier:  # all of it is looked at
                assert "code is damaged" in run.err, f"byte {at}\n{run.says()}"
        used += 1
    assert used > 100


@test
def ship_cut_or_longer():
    module = os.path.getsize(PROBE)
    good = pathlib.Path(made()).read_bytes()
    for length in (8, 100, HEAD - 1, HEAD, HEAD + 1, HEAD + module // 2, HEAD + module, HEAD + module + 1,
                   len(good) - 1):
        pathlib.Path("made.gbx").write_bytes(good[:length])
        for options in ((), ("--allow-compiled",)):
            expect(Run(*options, "made.gbx", *WORDS, env=user("me")), 126, out="", slug="truncated-module",
                   words="compiled file that was cut")
    pathlib.Path("made.gbx").write_bytes(good + b"x")
    expect(Run("made.gbx", *WORDS, env=user("me")), 126, out="", slug="malformed-module", words="more behind its end")


@test
def ship_parts_of_others():
    """The code of one module behind another, or of the same module made by somebody else."""
    lib, mine = pathlib.Path(made("lib.gbx", guest("lib"))).read_bytes(), pathlib.Path(made()).read_bytes()
    size, lib_size = os.path.getsize(PROBE), os.path.getsize(guest("lib"))
    theirs = pathlib.Path(made("theirs.gbx", env=user("them"), options=("--wasm-feature", "simd=off"))).read_bytes()
    swapped = mine[:HEAD + size] + theirs[HEAD + size:]
    pathlib.Path("made.gbx").write_bytes(swapped)
    if len(swapped) == len(mine):
        run = expect(Run("--explain", "made.gbx", *WORDS, env=user("me")), 0, out=SAYS)
        assert "code is damaged" in run.err, run.says()
    pathlib.Path("made.gbx").write_bytes(theirs[:HEAD] + mine[HEAD:])
    assert Run("made.gbx", *WORDS, env=user("me")).code == 126
    pathlib.Path("made.gbx").write_bytes(mine[:HEAD] + lib[HEAD:HEAD + lib_size] + mine[HEAD + size:])
    assert Run("--allow-compiled", "made.gbx", *WORDS, env=user("me")).code == 126


@test
def ship_changed_while_it_runs():
    """What is checked is what runs: code that changes later is not taken, and the run goes on."""
    made()
    good = pathlib.Path("made.gbx").read_bytes()
    at = HEAD + os.path.getsize(PROBE)
    with subprocess.Popen([GLOVEBOX, "--explain", "made.gbx", "copy", *WORDS], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **user("me")}) as run:
        run.stdin.write(b"begun\n")
        run.stdin.flush()
        begun = run.stdout.readline()
        with open("made.gbx", "r+b") as file:
            file.seek(at)
            file.write(bytes(b ^ 0x55 for b in good[at:]))
        out, err = run.communicate(b"", timeout=60)
    says = '["made.gbx" "copy" "args" "x" "y"]\n'
    assert (run.returncode, begun + out) == (0, b"begun\n" + says.encode()), (run.returncode, begun + out, err)
    assert b"code is damaged" in err, err


@test
def ship_pipes():
    me = user("me")
    run = expect(Run(shell=f"{GLOVEBOX} compile {PROBE} -o /dev/stdout", env=me), 0)
    assert run.err == "", run.says()
    made()
    run = Run(shell=f"{GLOVEBOX} compile {PROBE} -o /dev/stdout | cmp - made.gbx", env=me)
    assert run.code == 0, run.says()
    for words in ("made.gbx", "--allow-compiled --cache=off made.gbx"):
        name = words.split()[-1]
        piped = f"bash -c 'cat {name} | {GLOVEBOX} {words.replace(name, '--argv0 made.gbx /dev/stdin')} {' '.join(WORDS)}'"
        expect(Run(shell=piped, env=me), 0, out=SAYS, silent=True)
    cut = f"head -c 3000000 made.gbx | {GLOVEBOX} /dev/stdin {' '.join(WORDS)}"
    expect(Run(shell=cut, env=me), 126, slug="truncated-module")


@test
def ship_explore_and_diff():
    made()
    for env in (user("me"), user("other")):
        a, b = (expect(Run("explore", file, env=env), 0, silent=True).out for file in (PROBE, "made.gbx"))
        assert a == b
        run = expect(Run("diff", "made.gbx", *WORDS, env=env), 0)
        assert run.out.startswith("same: "), run.says()


@test
def ship_command_line():
    me = user("me")
    wasm = "some.wasm"
    pathlib.Path(wasm).write_bytes(pathlib.Path(PROBE).read_bytes())
    run = expect(Run("compile", wasm, env=me), 125, slug="no-out")
    fix(run, out="")
    expect(Run("some.gbx", "args", env=me), 0, out='["some.gbx" "args"]\n')
    os.remove("some.gbx")
    run = expect(Run("compile", wasm, "-o", f"./{wasm}", env=me), 125, slug="no-out", words="same file")
    fix(run, out="")
    assert os.path.exists("some.gbx") and pathlib.Path(wasm).read_bytes() == pathlib.Path(PROBE).read_bytes()
    for words in (("-o", "a.gbx", wasm), ("--out=b.gbx", wasm), (wasm, "--out", "c.gbx"), ("-o", "d.gbx", "--", wasm)):
        expect(Run("compile", *words, env=me), 0, out="", silent=True)
    assert len({pathlib.Path(f"{n}.gbx").read_bytes() for n in "abcd"}) == 1
    expect(Run("compile", "-o", "a.gbx", env=me), 125, slug="no-file")
    refused("compile", wasm, "more.wasm", "-o", "a.gbx", slug="too-many-files", works=True)
    refused("compile", "--dir", ".", wasm, "-o", "a.gbx", slug="unknown-option", say="compile has no option --dir",
            works=True)
    refused("compile", wasm, "-o", slug="missing-value", say="--out needs a value")
    expect(Run("compile", "none.wasm", "-o", "a.gbx"), 127, slug="not-found")
    expect(Run("compile", "/bin/sh", "-o", "a.gbx"), 126, slug="not-wasm")
    before = pathlib.Path("a.gbx").read_bytes()
    expect(Run("compile", wasm, "-o", "no/such/a.gbx", env=me), 126, slug="host-io",
           words='cannot write "no/such/a.gbx": No such file or directory')
    assert pathlib.Path("a.gbx").read_bytes() == before
    full = Run(shell=f"ulimit -f 1000; {GLOVEBOX} compile {wasm} -o a.gbx", env=me)
    expect(full, 126, slug="host-io", words='cannot write "a.gbx"')
    assert pathlib.Path("a.gbx").read_bytes() == before and not [n for n in os.listdir() if n.startswith(".new")]
    assert "usage: glovebox compile" in expect(Run("compile", "--help"), 0, silent=True).out


@test
def ship_progress_on_a_terminal_alone():
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run([GLOVEBOX, "compile", PROBE, "-o", "made.gbx"], stdout=subprocess.PIPE, stderr=theirs,
                              env={**os.environ, **user("me")}, timeout=60, check=True)
        os.close(theirs)
        said = b""
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:
                break
            if not more:
                break
            said += more
    finally:
        os.close(ours)
    assert done.stdout == b"" and b"compiling " in said and b"100%" in said and b"\n" not in said, said
    assert not said.rsplit(b"\r", 2)[1].strip(), "the line is not wiped"
