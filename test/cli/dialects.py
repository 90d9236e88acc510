"""Tests of options of other runtimes, of options in variables, and of completion; test/cli/run runs them."""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

from __main__ import GLOVEBOX, ROOT, Run, expect, fix, guest, refused, test

PROBE = guest("probe")


def make():
    os.makedirs("data/sub")
    pathlib.Path("data/in.json").write_text("{}\n")


def named(name):
    """The command under another name."""
    os.makedirs("bin", exist_ok=True)
    path = os.path.abspath(f"bin/{name}")
    if not os.path.exists(path):
        os.symlink(GLOVEBOX, path)
    return path


class As(Run):
    """A run under another name."""

    def __init__(self, name, *words, **more):
        super().__init__(shell=" ".join("'" + str(w).replace("'", "'\\''") + "'" for w in [named(name), *words]), **more)


@test
def peers_the_lines_of_gos_wrapper():
    """What lib/wasm/go_wasip1_wasm_exec of Go 1.21 to 1.27 passes, under the name of each runtime, under ours, and
    as --dialect. GO: misc/wasm and lib/wasm, go_wasip1_wasm_exec."""
    make()
    pwd = os.getcwd()
    path = "PATH=" + os.environ["PATH"]
    env = {"PWD": pwd, "SECRET": "s"}
    common = ["--dir=/", "--env", f"PWD={pwd}", "--env", path]
    lines = {
        "wasmtime": [["run", *common, "-W", "max-wasm-stack=8388608"], ["run", *common, "-W", "max-wasm-stack=1048576"],
                     ["run", "--dir=/", "--env", f"PWD={pwd}", "--max-wasm-stack", "1048576"]],
        "wazero": [["run", "-mount", "/:/", "-env-inherit", "-cachedir", f"{pwd}/wazero"]],
        "wasmedge": [common],
        "wasmer": [["run", *common]],
    }
    for runtime, several in lines.items():
        for line in several:
            dashes = ["--"] if runtime == "wasmer" or "--max-wasm-stack" in line else []
            run = expect(As(runtime, *line, PROBE, *dashes, "cat", "data/in.json", env=env), 0, out="{}\n", silent=True)
            run = expect(As(runtime, *line, PROBE, *dashes, "args", "-x", "--", "b c", env=env), 0, silent=True)
            assert run.out == '["probe.wasm" "args" "-x" "--" "b c"]\n', run.says()
            expect(As(runtime, *line, PROBE, *dashes, "exit", "7", env=env), 7)
            words = line if line[0] == "run" else ["run", *line]
            if runtime != "wasmtime" or not dashes:  # plainly
                expect(Run(*words, PROBE, *dashes, "cat", "data/in.json", env=env), 0, out="{}\n")
            expect(Run("--dialect", runtime, *line, PROBE, *dashes, "cat", "data/in.json", env=env), 0, out="{}\n")
            expect(Run(*words, PROBE, *dashes, "cat", "data/in.json", env={**env, "GLOVEBOX_DIALECT": runtime}), 0, out="{}\n")
    got = As("wazero", "run", "-mount", "/:/", "-env-inherit", PROBE, "env", env=env).out.split("\n")
    assert "SECRET=s" in got and f"PWD={pwd}" in got, got
    assert os.path.isdir("wazero"), "-cachedir"


@test
def peers_two_dashes_behind_file():
    for name, out in (("wasmtime", '["probe.wasm" "--" "args" "--"]\n'), ("wazero", None), ("wasmer", None), ("glovebox", None)):
        run = As(name, "run", PROBE, "--", "args", "--")
        if out:
            assert run.code != 0 or run.out == out, run.says()
        else:
            expect(run, 0, out='["probe.wasm" "args" "--"]\n', silent=True)
    expect(Run(PROBE, "--", "--", "args").__class__(PROBE, "args", "--", "--"), 0, out='["probe.wasm" "args" "--" "--"]\n')


@test
def peers_directories():
    """One mount in many spellings; unknown accesses are errors, never ignored."""
    make()
    cat = [PROBE, "cat", "/d/in.json"]
    for words in (["-mount", "data:/d"], ["--mount=data:/d:ro"], ["-mount=data:/d:rw"], ["--volume", "data:/d"],
                  ["-v", "./data:/d:readonly"], ["--mapdir", "/d:data"], ["--map-dir=/d::data"], ["--mapdir", "/d::data::ro"],
                  ["--mount", "data::/d::ro"], ["--dir", "data::/d"]):
        expect(Run(*words, *cat), 0, out="{}\n", silent=True)
    expect(As("wasmedge", "--dir", "/d:data:readonly", *cat), 0, out="{}\n", silent=True)
    expect(As("wasmedge", "--dir=data", PROBE, "cat", "data/in.json"), 0, out="{}\n")
    expect(As("iwasm", "--map-dir=/d::data", "--dir=data", *cat), 0, out="{}\n", silent=True)
    expect(As("wazero", "run", "-mount", "data", PROBE, "cat", "data/in.json"), 0, out="{}\n")
    expect(Run("--mount", "data:/d:ro", PROBE, "write", "/d/new"), 3)
    expect(As("wasmedge", "--dir", "/d:data:readonly", PROBE, "write", "/d/new"), 3)
    expect(Run("--mount", "data:/d", PROBE, "write", "/d/new"), 0)
    for words in (["--mount", "data:/d:r0"], ["-mount=data:/d:wo"], ["--mapdir", "/d:data:none"]):
        refused(*words, *cat, slug="dir-suffix", works=True, out="{}\n")
    refused("--mount", "/d:data", *cat, slug="dir-spelling", say="host's name comes first", works=True, out="{}\n")
    refused("--mount", "none:/d", *cat, slug="dir-absent")
    os.mkdir("a:b")
    pathlib.Path("a:b/in.json").write_text("colon\n")
    expect(Run("--mount", "a:b", PROBE, "ls", "/a:b"), 0, out="in.json\n")


@test
def file_from_standard_input():
    """`-` is the module on standard input, of which the guest reads nothing."""
    with open(PROBE, "rb") as f:
        module = f.read()
    expect(Run("-", "args", "-x", stdin=module), 0, out='["stdin" "args" "-x"]\n', silent=True)
    expect(Run("--argv0", "me", "-", "copy", stdin=module), 0, out="", silent=True)
    expect(Run(shell=f"{GLOVEBOX} run - copy < {PROBE}"), 0, out="", silent=True)
    expect(Run("-", stdin=b"no module"), 126, slug="not-wasm")


@test
def peers_bounds():
    for words in (["-W", "timeout=1"], ["-Wtimeout=1s"], ["--wasm", "timeout=1s"], ["--time-limit", "700"], ["-timeout", "1s"],
                  ["--wasm-timeout=1"]):
        expect(Run(*words, PROBE, "spin"), 124, slug="deadline")
    expect(As("wasmtime", "--timeout", "1", PROBE, "spin"), 124)
    expect(As("iwasm", "--timeout=700", PROBE, "spin"), 124)
    refused("--timeout", "5", PROBE, "spin", slug="bad-value", say="unit")
    for words in (["--gas-limit", "100000"], ["-W", "fuel=100000"]):
        expect(Run(*words, PROBE, "spin"), 134, slug="fuel")
    for words in (["--memory-page-limit", "512"], ["-W", "max-memory-size=33554432"]):
        run = expect(Run(*words, PROBE, "alloc", "64"), 2)
        assert "memory-limit" in run.slugs(), run.says()
        expect(Run(*words, PROBE, "args"), 0)
    refused("--memory-page-limit", "many", PROBE, slug="bad-value")


@test
def peers_exports():
    add = guest("lib")
    ours = expect(Run("--invoke", "add", add, "2", "3"), 0)
    for words in (["-i", "add", add], ["-f", "add", add], ["--function", "add", add], ["--reactor", add, "add"]):
        expect(Run(*words, "2", "3"), 0, out=ours.out)
    expect(As("wasmedge", "--reactor", add, "add", "2", "3"), 0, out=ours.out)
    expect(As("iwasm", "-f", "add", add, "2", "3"), 0, out=ours.out)


@test
def peers_groups():
    env = {"SECRET": "s"}
    for words in (["-S", "inherit-env"], ["-Sinherit-env=y"], ["-S", "cli,inherit-env=y,common"], ["--forward-host-env"],
                  ["--env-inherit"], ["--inherit-env"]):
        assert "SECRET=s" in Run(*words, PROBE, "env", env=env).out.split("\n"), words
    assert Run("-S", "inherit-env=n", PROBE, "env", env=env).out == ""
    expect(Run("-S", "cwd=/x", PROBE, "env"), 0, out="PWD=/x\n")
    refused("-W", "timeot=1s", PROBE, slug="unknown-option", say="did you mean -W timeout?")
    refused("-S", "nonsense", PROBE, slug="unknown-option")
    refused("-W", "timeout", PROBE, slug="missing-value")
    refused("-v", slug="missing-value", say="another runtime's, it stands for --dir;")
    refused("-S", "inherit-env=maybe", PROBE, slug="bad-value")
    refused("-S", "threads", PROBE, slug="no-such-thing", say="one thread")
    expect(Run("-S", "threads=n,http=n,inherit-stdin", PROBE, "args"), 0, silent=True)
    refused("-S", "inherit-stdin=n", PROBE, slug="no-such-thing", say="/dev/null")
    refused("-W", "trap-on-grow-failure", PROBE, slug="no-such-thing")
    run = expect(Run("-O", "opt-level=2", PROBE, "args"), 0, out='["probe.wasm" "args"]\n')
    assert run.slugs() == ["option-without-meaning"], run.says()
    expect(Run("-C", "cache=n", "--explain", PROBE, "args"), 0, words="it is off")
    expect(As("wasmer", "--singlepass", "run", PROBE, "args"), 0)
    refused("--preload", "a=b.wasm", PROBE, slug="unknown-option")
    expect(As("wasmtime", "run", "--preload", "a=b.wasm", PROBE), 125, slug="no-such-thing")


TAKEN, VOID = "taken", "option-without-meaning"
# What the runtimes' help pages list, line by line: what it becomes here. TAKEN: with its meaning, nothing is said;
# VOID: there is nothing to be had, and a note says so; else the words in which it is refused.
FLAGS = {
    "wasmtime": [
        (["--argv0", "me"], TAKEN), (["--env", "A=1"], TAKEN), (["--env", "HOME"], TAKEN), (["-S", "inherit-env"], TAKEN),
        (["-S", "inherit-env=y"], TAKEN), (["--dir", "data"], TAKEN), (["--dir", "data::/d"], TAKEN), (["-S", "cwd=/"], TAKEN),
        (["-S", "inherit-stdin=n"], "/dev/null"), (["-W", "timeout=2s"], TAKEN), (["-W", "fuel=900000000000"], TAKEN),
        (["-W", "max-memory-size=1000000000"], TAKEN), (["-W", "trap-on-grow-failure"], "named at the end"),
        (["-W", "max-wasm-stack=1048576"], TAKEN), (["-S", "tcplisten=127.0.0.1:0"], "listening"),
        (["-S", "listenfd=n"], TAKEN), (["--preload", "n=p.wasm"], "one module"), (["-W", "unknown-imports-trap"], TAKEN),
        (["-W", "unknown-imports-default=y"], TAKEN), (["--allow-precompiled"], VOID), (["-C", "cache=n"], TAKEN),
        (["-O", "opt-level=s"], VOID), (["-C", "compiler=winch"], VOID), (["--profile=perfmap"], TAKEN),
        (["--profile=jitdump"], TAKEN), (["--profile=vtune"], "--profile FILE.pprof"), (["--profile=hot-blocks"], "--profile FILE"),
        (["--profile=guest,f.json,10ms"], "--profile FILE.pprof"), (["--profile", "c.pprof"], TAKEN),
        (["-g", "1234"], "--jit-symbols gdb"), (["-D", "coredump=f"], "functions that led to it"),
        (["-R", "trace"], "--seed NUMBER"), (["--record", "trace"], "--seed NUMBER"), (["-W", "all-proposals"], VOID),
        (["-S", "cli"], TAKEN), (["-D", "logging=y"], VOID)],
    "wazero": [
        (["-env", "A=1"], TAKEN), (["-env-inherit"], TAKEN), (["-env=PWD=/"], TAKEN), (["-mount", "data"], TAKEN),
        (["-mount", "data:/d:ro"], TAKEN), (["-timeout", "9s"], TAKEN), (["-listen", "127.0.0.1:0"], "listening"),
        (["-cachedir", "C"], TAKEN), (["-interpreter"], TAKEN), (["-workers", "2"], VOID),
        (["-hostlogging=all,filesystem"], VOID), (["-cpuprofile", "p"], "of the runtime"), (["-memprofile=p"], "of the runtime")],
    "wasmedge": [
        (["--env", "A=1"], TAKEN), (["--dir", "/d:data:readonly"], TAKEN), (["--time-limit", "9000"], TAKEN),
        (["--gas-limit", "900000000000"], TAKEN), (["--memory-page-limit", "2000"], TAKEN),
        (["--module", "n:p.wasm"], "one module"), (["--run-mode", "interpreter"], TAKEN), (["--run-mode", "jit"], TAKEN),
        (["--run-mode", "aot"], TAKEN), (["--force-interpreter"], TAKEN), (["--log-level", "trace"], VOID),
        (["--enable-all-statistics"], VOID), (["--enable-instruction-count"], TAKEN), (["--enable-gas-measuring"], TAKEN),
        (["--enable-time-measuring"], VOID), (["--enable-coredump"], VOID), (["--enable-tail-call"], TAKEN),
        (["--allow-command", "ls"], "no processes")],
    "wasmer": [
        (["--env", "A=1"], TAKEN), (["--forward-host-env"], TAKEN), (["--volume", "data:/d"], TAKEN),
        (["--mapdir", "/d:data"], TAKEN), (["--dir", "data"], TAKEN), (["--no-tty"], VOID), (["--stack-size", "100000"], VOID),
        (["--net"], "cannot connect"), (["--use", "p"], "one module"), (["--cranelift"], VOID), (["--llvm"], VOID),
        (["--singlepass"], VOID), (["--coredump-on-trap", "f"], "functions that led to it"), (["-q"], TAKEN),
        (["--disable-cache"], TAKEN)],
    "iwasm": [
        (["--env=A=1"], TAKEN), (["--dir=data"], TAKEN), (["--map-dir=/d::data"], TAKEN), (["--timeout=9000"], TAKEN),
        (["--stack-size=100000"], VOID), (["--heap-size=8192"], VOID), (["--addr-pool=1.2.3.4/15"], "cannot connect"),
        (["--allow-resolve=*"], "cannot connect"), (["--native-lib=x.so"], "embeds the library"),
        (["--module-path=."], "one module"), (["--interp"], TAKEN), (["--fast-jit"], VOID), (["--llvm-jit"], VOID),
        (["-v=5"], VOID), (["--enable-linux-perf"], TAKEN), (["--gen-prof-file=f"], "perf has the names"),
        (["-g=127.0.0.1:1234"], "--jit-symbols gdb"), (["--repl"], "--invoke NAME")],
}


@test
def peers_every_flag():
    """Each flag of each runtime, under its name and with --dialect."""
    make()
    os.mkdir("C", mode=0o700)
    env = {"HOME": os.getcwd(), "XDG_CACHE_HOME": os.getcwd()}
    for runtime, flags in FLAGS.items():
        for words, wanted in flags:
            for run in (As(runtime, "run", *words, PROBE, "exit", "7", env=env),
                        Run("--dialect", runtime, *words, PROBE, "exit", "7", env=env)):
                if wanted == TAKEN:
                    expect(run, 7, silent=True)
                elif wanted in (VOID, "listening"):
                    expect(run, 7)
                    assert set(run.slugs()) & {wanted} and set(run.slugs()) <= {wanted, "never-accepted"}, run.says()
                    assert run.field("why") or wanted != VOID, run.says()
                else:
                    expect(run, 125, slug="no-such-thing", words=wanted)


@test
def peers_missing_imports():
    """wasmtime's two ways to run what imports more than there is."""
    odd = guest("import")
    expect(As("wasmtime", "run", odd), 126, slug="unknown-import")
    for way, ours in (("trap", "trap"), ("default", "0")):
        run = As("wasmtime", "-W", f"unknown-imports-{way}", odd)
        stubbed = Run("--stub", f"*={ours}", odd)
        assert (run.code, run.out) == (stubbed.code, stubbed.out) and run.code != 126, run.says()
        expect(As("wasmtime", "-W", f"unknown-imports-{way}=n", odd), 126, slug="unknown-import")


@test
def peers_commands():
    """Commands of others that are none here say what there is instead; a file of that name is run."""
    for runtime, word, say in (("wasmtime", "serve", "--listen"), ("wasmtime", "config", "glovebox help variables"),
                               ("wasmtime", "objdump", "glovebox explore"), ("wasmtime", "settings", "nothing to set"),
                               ("wasmtime", "wast", "tests"), ("wasmtime", "wizer", "snapshot.h"),
                               ("wasmedge", "parse", "glovebox audit"), ("wasmedge", "validate", "glovebox audit"),
                               ("wasmedge", "instantiate", "glovebox audit"), ("wasmer", "inspect", "glovebox audit")):
        for run in (As(runtime, word, PROBE), Run(word, PROBE)):
            expect(run, 127, slug="not-found", words=[f"{word} is a command of ", say])
    shutil.copy(PROBE, "serve")
    expect(Run("serve", "args"), 0, out='["serve" "args"]\n', silent=True)
    expect(As("wazero", "version"), 0)
    # compile: wasmedge and wasmer name the second file where ours has -o.
    run = expect(As("wasmedge", "compile", PROBE, "out.gbx"), 125, slug="too-many-files", words="-o")
    fix(run)
    assert os.path.getsize("out.gbx") > os.path.getsize(PROBE)
    shutil.copy(PROBE, "main.wasm")
    fix(expect(As("wazero", "compile", "main.wasm"), 125, slug="no-out"))
    expect(As("wasmedge", "compile", "--optimize", "2", PROBE, "out.gbx"), 125, slug="unknown-option", words="--optimize")


@test
def variables():
    """GLOVEBOX_NAME for every option: it counts, the command line counts before it, a fix names what is to change."""
    make()
    expect(Run(PROBE, "cat", "data/in.json", env={"GLOVEBOX_DIR": "./data"}), 0, out="{}\n", silent=True)
    expect(Run(PROBE, "cat", "/a b/in.json", env={"GLOVEBOX_DIR": "'./data::/a b' ./data::/x\\ y::ro"}), 0, out="{}\n")
    expect(Run(PROBE, "env", env={"GLOVEBOX_ENV": "A=1 B='x y' HOST", "HOST": "h"}), 0, out="A=1\nB=x y\nHOST=h\n")
    expect(Run("--env", "A=2", PROBE, "env", env={"GLOVEBOX_ENV": "A=1"}), 0, out="A=2\n")
    expect(Run(PROBE, "spin", env={"GLOVEBOX_TIMEOUT": "500ms"}), 124, slug="deadline")
    expect(Run("--timeout", "0", PROBE, "args", env={"GLOVEBOX_TIMEOUT": "1ns"}), 0)
    expect(Run(PROBE, "args", env={"GLOVEBOX_DIR": "", "GLOVEBOX_TIMEOUT": ""}), 0, silent=True)
    for yes, slugs in (("1", True), ("true", True), ("0", False), ("no", False)):
        run = expect(Run(PROBE, "args", env={"GLOVEBOX_EXPLAIN": yes}), 0)
        assert bool(run.slugs()) == slugs, run.says()
    expect(Run(PROBE, "args", env={"GLOVEBOX_EXPLAIN": "perhaps"}), 125, slug="bad-value", words="GLOVEBOX_EXPLAIN")
    expect(Run(PROBE, "args", env={"GLOVEBOX_DIR": "'./data"}), 125, slug="bad-value", words="not closed")
    expect(Run(PROBE, "args", env={"GLOVEBOX_DIR": "./data::r0"}), 125, slug="dir-suffix")
    fix(Run(PROBE, "cat", "data/in.json", env={"GLOVEBOX_DIR": "./data::r0", "GLOVEBOX_ENV": "A=1"}), out="{}\n")
    run = expect(Run(PROBE, "cat", "data/in.json", env={"GLOVEBOX_ENV": "KEY=hunter2"}), 3, slug="missing-preopen")
    assert "hunter2" not in run.err, run.says()
    fix(run, out="{}\n")
    run = expect(Run(PROBE, "args", env={"GLOVEBOX_TIMOUT": "1s"}), 0, slug="unknown-variable", words="GLOVEBOX_TIMEOUT")
    expect(Run(PROBE, "args", env={"GLOVEBOX_SOMETHING": "1", "GLOVEBOX": "1"}), 0, silent=True)
    expect(Run("measure", "-n", "1", PROBE, "args", env={"GLOVEBOX_SCRATCH": "/s"}), 0)
    table = (ROOT / "src/cli/options.def").read_text()
    page = Run("help", "variables").out
    for name in re.findall(r'CLI_OPTION\(\w+, "--([a-z0-9-]+)"', table):
        assert (f"GLOVEBOX_{name.upper().replace('-', '_')} " in page) == (name not in ("help", "version")), name


@test
def env_file():
    pathlib.Path("vars").write_text("# comment\nA=1\n\nB=x y\r\nHOST\nABSENT\n")
    expect(Run("--env-file", "vars", "--env", "A=2", PROBE, "env", env={"HOST": "h"}), 0, out="A=2\nB=x y\nHOST=h\n", silent=True)
    refused("--env-file", "none", PROBE, slug="bad-value", say="No such file")
    pathlib.Path("bad").write_text("=x\n")
    refused("--env-file", "bad", PROBE, slug="bad-value")


@test
def env_inherit():
    make()
    got = Run("--env-inherit", "--dir", "./data", PROBE, "env", env={"A": "1", "PWD": os.getcwd(), "GLOVEBOX_HINTS": "on"}).out
    assert "A=1\n" in got and "PWD=/\n" in got and "GLOVEBOX" not in got, got
    here = os.getcwd()
    expect(Run("--env-inherit", "--dir", here, PROBE, "cat", "data/in.json", env={"PWD": here}), 0, out="{}\n")


@test
def help_has_every_slug():
    """Whatever a message says to look up can be looked up."""
    slugs = set()
    for path in (ROOT / "src/cli").glob("*.c"):
        text = path.read_text()
        slugs |= set(re.findall(r'\.slug = "([a-z0-9-]+)"', text))
        slugs |= set(re.findall(r'(?:usage_error|refuse)\(\s*(?:line, given, )?"([a-z0-9-]+)"', text))
    for table, macro in (("include/gbx/errors.def", "GBX_ERROR"), ("include/gbx/traps.def", "GBX_TRAP")):
        slugs |= set(re.findall(macro + r'\(\w+,\s*"([a-z0-9-]+)"', (ROOT / table).read_text()))
    slugs |= set(re.findall(r'CLI_FOREIGN\("[^"]*", "[^"]*", "([a-z0-9-]+)"', (ROOT / "src/cli/foreign.def").read_text()))
    slugs -= {"ok", "none", "exit", "trapped"}
    assert len(slugs) > 80, slugs
    missing = [s for s in sorted(slugs) if Run("help", s).code != 0]
    assert not missing, missing


# ---- completion ----


def complete_bash(line):
    words = line.split(" ")
    script = (f'eval "$({GLOVEBOX} completion bash)"; COMP_WORDS=({" ".join(repr(w) for w in words)}); '
              f"COMP_CWORD={len(words) - 1}; compopt() {{ :; }}; _glovebox; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr, done.stderr
    return done.stdout.split()


def complete_fish(line):
    done = subprocess.run(["fish", "--no-config", "-c", f"{GLOVEBOX} completion fish | source; complete -C '{line}'"],
                          capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "HOME": os.getcwd()})
    assert not done.stderr, done.stderr
    return [row.split("\t")[0] for row in done.stdout.split("\n") if row]


def complete_zsh(line):
    """zsh completes in an interactive shell alone: one on a terminal of its own, where Tab lists."""
    pathlib.Path(".zshrc").write_text(
        "autoload -U compinit; compinit -u -D\nPROMPT='ready> '\nLISTMAX=0\nsetopt no_always_last_prompt\n"
        f"zstyle ':completion:*' list-prompt ''\nbindkey '^X' list-choices\n"
        f"function glovebox() {{ {GLOVEBOX} \"$@\"; }}\neval \"$({GLOVEBOX} completion zsh)\"\nprint loaded\n")
    main, side = pty.openpty()
    env = {"HOME": os.getcwd(), "ZDOTDIR": os.getcwd(), "PATH": os.environ["PATH"], "TERM": "dumb", "COLUMNS": "200", "LINES": "400"}
    proc = subprocess.Popen(["zsh", "-i"], stdin=side, stdout=side, stderr=side, env=env, start_new_session=True)
    os.close(side)

    def until(what, most):
        got = b""
        end = time.monotonic() + most
        while time.monotonic() < end and not (what and what in got):
            if select.select([main], [], [], 0.5)[0]:
                try:
                    got += os.read(main, 65536)
                except OSError:
                    break
            elif got and not what:
                break
        return got

    try:
        until(b"ready> ", 60)
        os.write(main, line.encode() + b"\x18")
        got = b""
        for _ in range(40):  # the list comes at once; how soon, the machine decides
            got += until(b"", 3)
            if got.count(b"\n") > 0:
                break
        got += until(b"", 2)
    finally:
        proc.kill()
        proc.wait()
        os.close(main)
    return got.decode("utf-8", "replace")


@test
def completion_bash():
    make()
    expect(Run("completion", "--help"), 0, out=Run("help", "completion").out)
    shutil.copy(PROBE, "main.wasm")
    assert {"run", "go", "doctor", "help", "main.wasm"} <= set(complete_bash("glovebox ")), complete_bash("glovebox ")
    assert complete_bash("glovebox --time") == ["--timeout"]
    assert complete_bash("glovebox run --tier ") == ["auto", "interp", "eager"]
    assert complete_bash("glovebox --dir d") == ["data"]
    assert complete_bash("glovebox go ins") == ["install"]
    assert complete_bash("glovebox help missing-p") == ["missing-preopen"]
    assert "--rounds" in complete_bash("glovebox measure --") and "--rounds" not in complete_bash("glovebox run --")
    assert complete_bash("glovebox run m") == ["main.wasm"]


@test
def completion_fish():
    make()
    shutil.copy(PROBE, "main.wasm")
    assert {"run", "go", "doctor", "help"} <= set(complete_fish("glovebox ")), complete_fish("glovebox ")
    assert complete_fish("glovebox --timeo") == ["--timeout"]
    assert set(complete_fish("glovebox run --tier ")) == {"auto", "interp", "eager"}
    assert complete_fish("glovebox go ins") == ["install"]
    assert complete_fish("glovebox help missing-p") == ["missing-preopen"]
    assert "--rounds" in complete_fish("glovebox measure --") and "--rounds" not in complete_fish("glovebox --")
    assert complete_fish("glovebox --dir d")[:1] == ["data/"]


@test
def completion_zsh():
    make()
    got = complete_zsh("glovebox ")
    assert "doctor" in got and "compare a run interpreted and compiled" in got, got
    got = complete_zsh("glovebox run --ti")
    assert "--tier" in got and "--timeout" in got and "--dir" not in got, got
    got = complete_zsh("glovebox go ")
    assert "uninstall" in got, got
    done = subprocess.run(["zsh", "-n", "/dev/stdin"], input=Run("completion", "zsh").out, text=True, capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


@test
def completion_mistakes():
    for words in ([], ["csh"], ["bash", "x"]):
        refused("completion", *words, slug="unknown-command", say="bash, zsh or fish")


@test
def man_page_has_all():
    """The page of the command names every command, option and variable, and man reads it without a complaint."""
    subprocess.run(["python3", ROOT / "tools/apidocs.py", "--man", "man"], check=True, capture_output=True, cwd=os.getcwd())
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "man/man1/glovebox.1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    page = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout).replace("\u2010", "-").replace("\u2212", "-")
    for name in re.findall(r'CLI_COMMAND\("([a-z]+)"', (ROOT / "src/cli/commands.def").read_text()):
        assert f"glovebox {name}" in page, name
    for name in re.findall(r'CLI_OPTION\(\w+, "(--[a-z0-9-]+)"', (ROOT / "src/cli/options.def").read_text()):
        assert name in page, name
    for word in ("GLOVEBOX_", "GOWASIRUNTIMEARGS", "go_wasip1_wasm_exec"):
        assert word in page, word
