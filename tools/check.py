#!/usr/bin/env python3
"""Build everything, run every suite, add up. Called by ./check, which installs what is needed.

usage: ./check [all | quick | SUITE | SUITE/TEST]...

Suites: build, style, docs, examples, mutants, unit-release, unit-san, and every test/DIR that has a file
`run`. Each prints lines `PASS name`, `FAIL name`, `SKIP name reason`; a failing test is followed by the
command that repeats it. Full output: build/check/SUITE.log. Suites that keep to one processor run beside
each other; what they print does not mix.

test/expect/*.txt list what may fail or be skipped, `name  reason` a line: named features that are
not supported, never a wrong answer. A listed test that passes is a failure too.
"""
import concurrent.futures
import contextlib
import glob
import io
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CI = os.environ.get("CI", "") not in ("", "0", "false")
JOBS = f"-j{os.cpu_count() or 1}"
LOGS = "build/check"
SAN = "address,undefined"
RELEASE, SANITIZED = "build/release", "build/san-address-undefined"
SUITE_SECONDS = 1200
MUTANTS_SECONDS = 2400 # each is a file compiled, programs linked and run
UNIT_SECONDS = 600
QUICK = ["build/release", "style", "docs", "unit-release", "cli"]
# Suites that keep to one processor, or wait, those first that take longest: as many run at a time as there are
# processors, but none beside another that makes the same files, which are named. All others run alone.
BESIDE = {
    "fuzz": "", "hosts": "install", "audit": "", "cache": "", "cli": "", "diagnose": "build/go", "net": "",
    "stacks": "", "gotool": "", "streams": "", "torture": "build/go", "examples": "install", "style": "", "docs": "",
}
SAN_ENV = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


class Result:
    """What one suite said."""

    def __init__(self, suite):
        self.suite = suite
        self.lines = []  # (verdict, name, reason)

    def add(self, verdict, name, reason=""):
        self.lines.append((verdict, name, reason))


def run(command, log, seconds, env=None):
    """Run with a time limit, output to `log`; (exit code, output)."""
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=seconds, check=False,
                              env={**os.environ, **(env or {})})
        status, output = done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        status, output = 124, (late.stdout or b"").decode("utf-8", "replace")
        output += f"\nstopped after {seconds} s\n"
    log.write(f"$ {' '.join(command)}\n{output}")
    return status, output


# Goals of make. The first is one long compilation, beside which the others are made one after the other: no
# two make the same files at the same time.
BUILDS = {
    "build/unity": ["CC=gcc", "OUT=build/unity", "unity"],
    "build/release": ["CC=gcc", f"OUT={RELEASE}", "all", "units"],
    "build/san": ["CC=gcc", f"SAN={SAN}", f"OUT={SANITIZED}", "all", "units"],
    "build/clang": ["CC=clang", "all", "units"],
    "build/headers": ["CC=gcc", "headers"],
    "build/headers-clang": ["CC=clang", "headers"],
}


def suite_build(result, log, names):
    commands = {name: ["make", "-s", "-k", JOBS, "WERROR=-Werror", *goals] for name, goals in BUILDS.items()
                if not names or name in names}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda command: run(command, log, SUITE_SECONDS), commands.values()))
    for (name, command), (status, output) in zip(commands.items(), made):
        if status:
            print(output)
        result.add("FAIL" if status else "PASS", name, "" if not status else " ".join(command))


def suite_lines(result, log, command, seconds=SUITE_SECONDS, env=None):
    """A command that prints PASS, FAIL and SKIP lines by itself."""
    status, output = run(command, log, seconds, env)
    seen, before, after_fail = 0, [], False
    for line in output.split("\n"):
        match = re.match(r"(PASS|FAIL|SKIP) (\S+)\s*(.*)", line)
        if not match:
            if after_fail and line.startswith(" "):
                print(line)
            else:
                before.append(line)
            continue
        after_fail = match.group(1) == "FAIL"
        if after_fail:
            print("\n".join(before[-40:]))
        before = []
        seen += 1
        result.add(*match.groups())
    failed = any(verdict == "FAIL" for verdict, _, _ in result.lines)
    if (status and not failed) or not seen:
        print("\n".join(output.split("\n")[-40:]))
        result.add("FAIL", f"{result.suite}/runner", f"exit code {status} after {seen} tests")


def tap(output):
    """(group, test, verdict) of cmocka's TAP output; groups are named where there are several."""
    groups, rows = [], []
    for line in output.split("\n"):
        match = re.match(r"(ok|not ok) \d+ (?:- ([^\s#]+)|# SKIP (\S+))", line)  # a skip is `not ok 3 # SKIP name`
        if match:
            verdict = "SKIP" if match.group(3) else "PASS" if match.group(1) == "ok" else "FAIL"
            rows.append((match.group(2) or match.group(3), verdict))
            continue
        match = re.match(r"# (?:not )?ok - ([\w.-]+(?: [\w.-]+)*)", line)
        if match:
            groups.append((match.group(1).replace(" ", "-"), rows))
            rows = []
    groups.append(("", rows))
    several = sum(1 for name, _ in groups if name) > 1
    return [(name if several else "", *row) for name, rows in groups for row in rows]


def suite_units(result, log, names, out, env):
    """cmocka's programs, one test a line by its TAP output."""
    binaries = sorted(b for b in glob.glob(f"{out}/test/*/test_*", root_dir=ROOT)
                      if os.access(os.path.join(ROOT, b), os.X_OK) and not b.endswith(".d"))
    wanted = [n.split("/", 1)[1] for n in names]
    programs = {binary: os.path.relpath(binary, f"{out}/test") for binary in binaries}
    chosen = [b for b, p in programs.items()
              if not wanted or any(w.startswith(p) or p.startswith(w) for w in wanted)]
    env = {**env, "CMOCKA_MESSAGE_OUTPUT": "TAP"}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        runs = list(pool.map(lambda binary: run([binary], log, UNIT_SECONDS, env), chosen))
    for binary, (status, output) in zip(chosen, runs):
        program = programs[binary]
        seen = bad = 0
        for group, test, verdict in tap(output):
            seen += 1
            bad += verdict == "FAIL"
            result.add(verdict, "/".join(filter(None, [result.suite, program, group, test])),
                       binary if verdict == "FAIL" else "")
        if (status and not bad) or not seen:
            bad += 1
            result.add("FAIL", f"{result.suite}/{program}", f"{binary}: exit code {status}")
        if bad:
            print("\n".join(output.split("\n")[-60:]))


def suite_docs(result, log, _):
    """What is generated and kept is what its sources give now."""
    for tool in ("gendocs", "abi", "apidocs"):
        suite_lines(result, log, ["python3", f"tools/{tool}.py"])


def suite_examples(result, log, _):
    """The example's module is what the pinned Go makes of its source; its output is as expected."""
    kept, fresh = "examples/imagemeta/imagemeta.wasm", "build/imagemeta.wasm"
    run(["examples/imagemeta/build", fresh], log, SUITE_SECONDS)
    try:
        with open(os.path.join(ROOT, kept), "rb") as a, open(os.path.join(ROOT, fresh), "rb") as b:
            same = a.read() == b.read()
    except OSError as error:
        print(error)
        same = False
    result.add("PASS" if same else "FAIL", "examples/imagemeta/bytes",
               "" if same else f"GO={os.environ.get('GO', 'go')} examples/imagemeta/build {kept}")
    with open(os.path.join(ROOT, "examples/imagemeta/expected.txt"), encoding="utf-8") as f:
        expected = dict(line.split(None, 1) for line in f.read().strip().split("\n"))
    for picture, text in expected.items():
        path = f"examples/imagemeta/pictures/{picture}"
        with open(os.path.join(ROOT, path), "rb") as stdin:
            done = subprocess.run([f"{RELEASE}/glovebox", kept], cwd=ROOT, stdin=stdin,
                                  capture_output=True, timeout=60, check=False)
        good = done.returncode == 0 and done.stdout.decode() == text + "\n" and not done.stderr
        if not good:
            print(done)
        result.add("PASS" if good else "FAIL", f"examples/imagemeta/{picture}",
                   "" if good else f"{RELEASE}/glovebox {kept} < {path}")
    step(result, log, "examples/demo", ["./demo"])
    examples_tour(result, log)


def step(result, log, name, command, env=None):
    """One command that must succeed."""
    status, output = run(command, log, SUITE_SECONDS, env)
    if status:
        print(output)
    result.add("FAIL" if status else "PASS", name, " ".join(command) if status else "")


def examples_tour(result, log):
    """`make install`, and the program in the head of gbx.h against what was installed."""
    prefix = os.path.join(ROOT, "build/install")
    step(result, log, "examples/install", ["make", "-s", f"OUT={RELEASE}", f"PREFIX={prefix}", "install"])
    with open(os.path.join(ROOT, "include/gbx/gbx.h"), encoding="utf-8") as f:
        program = [line[7:] for line in f.read().split("\n") if line.startswith(" *     ")]
    with open(os.path.join(ROOT, "build/tour.c"), "w", encoding="utf-8") as f:
        f.write("\n".join(program) + "\n")
    compile_and_run = (
        "gcc -Wall -Wextra -Werror -o tour tour.c $(pkg-config --cflags --libs gbx) -Wl,-rpath,$PWD/install/lib && "
        "cp ../examples/imagemeta/imagemeta.wasm main.wasm && "
        "./tour < ../examples/imagemeta/pictures/dot.png | grep -q width")
    step(result, log, "examples/tour", ["sh", "-ec", f"cd build && {compile_and_run}"],
         {"PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"})
    suite_lines(result, log, ["examples/run"], env={"PREFIX": prefix})


def suites():
    table = {
        "build": suite_build,
        "style": lambda r, log, n: suite_lines(
            r, log, ["python3", "tools/style.py", "--objects", RELEASE]),
        "docs": suite_docs,
        "unit-release": lambda r, log, n: suite_units(r, log, n, RELEASE, {}),
        "unit-san": lambda r, log, n: suite_units(r, log, n, SANITIZED, SAN_ENV),
        "examples": suite_examples,
        "mutants": lambda r, log, n: suite_lines(
            r, log, ["python3", "tools/mutants.py", *(t.split("/", 1)[1] for t in n)], MUTANTS_SECONDS),
    }
    for runner in sorted(glob.glob("test/*/run", root_dir=ROOT)):
        name = runner.split("/")[1]
        table[name] = lambda r, log, n, runner=runner: suite_lines(
            r, log, [f"./{runner}", *(t.split("/", 1)[1] for t in n)],
            env={"GLOVEBOX": os.path.join(ROOT, RELEASE, "glovebox")})
    for name, tier in (("go", "interp"), ("go", "eager"), ("guests", "eager")):
        table[f"{name}-{tier}"] = lambda r, log, n, name=name, tier=tier: suite_lines(
            r, log, [f"./test/{name}/run", "--runtime", f"test/tiers/{tier}",
                     *(t.split("/", 1)[1] for t in n)])
    return table


def expectations():
    expected = {}
    for path in glob.glob("test/expect/*.txt", root_dir=ROOT):
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            for line in f:
                fields = line.split(None, 1)
                if not fields or line.startswith("#"):
                    continue
                if len(fields) < 2:
                    sys.exit(f"{path}: {fields[0]} has no reason")
                expected[fields[0]] = fields[1].strip()
    return expected


def judge(result, expected, totals):
    """Count one suite's lines and print what is not plain success."""
    counts = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    for verdict, name, reason in result.lines:
        listed = expected.get(name)
        if verdict == "PASS" and listed:
            print(f"FAIL {name}: passes, but test/expect lists it: {listed}")
            verdict = "FAIL"
        elif verdict != "PASS" and listed:
            verdict = "SKIP"
        elif verdict == "FAIL":
            print(f"FAIL {name}\n     repeat: {reason or './check ' + name}")
        elif verdict == "SKIP":
            print(f"SKIP {name} {reason}")
            if CI:
                print(f"FAIL {name}: skipped, and test/expect does not list it")
                verdict = "FAIL"
        counts[verdict] += 1
        totals[verdict] += 1
    return counts


def attempt(suite, names):
    """Run one suite, in a process of its own: (what it said, what it printed, seconds, processors' seconds)."""
    def spent():
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in used)

    began, before, result, printed = time.time(), spent(), Result(suite), io.StringIO()
    with contextlib.redirect_stdout(printed), open(f"{LOGS}/{suite}.log", "w", encoding="utf-8") as log:
        suites()[suite](result, log, names)
    return result, printed.getvalue(), time.time() - began, spent() - before


def next_of(waiting, running, processors):
    """The suite that may begin beside those that run, or None."""
    for suite in waiting:
        if suite not in BESIDE:
            return None if running else suite
        if len(running) >= processors or any(other not in BESIDE for other in running):
            return None
        if not BESIDE[suite] or all(BESIDE[other] != BESIDE[suite] for other in running):
            return suite
    return None


def attempts(order, names):
    """Run suites and yield, in this order, each name as it is waited for and then what its attempt gave."""
    processors, running, done = os.cpu_count() or 1, {}, {}
    waiting = list(order)
    with concurrent.futures.ProcessPoolExecutor(processors, multiprocessing.get_context("fork")) as pool:
        for suite in order:
            print(f"== {suite}", flush=True)
            while suite not in done:
                while begin := next_of(waiting, running.values(), processors):
                    waiting.remove(begin)
                    mine = [n for n in names if n.split("/")[0] == begin and "/" in n]
                    running[pool.submit(attempt, begin, mine)] = begin
                ended, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for job in ended:
                    done[running.pop(job)] = job.result()
            yield done.pop(suite)


def main():
    os.chdir(ROOT)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1" # a suite looks at all files of the tree
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN: # as in a job in the background; tests would inherit it
            signal.signal(number, signal.SIG_DFL)
    names = sys.argv[1:] or ["all"]
    table = suites()
    if "help" in names or "--help" in names:
        print(__doc__ + "\nhere: " + " ".join(table))
        return 0
    names = [n for name in names for n in (QUICK if name == "quick" else [name])]
    everything = names == ["all"]
    for name in names:
        if not everything and name.split("/")[0] not in table:
            sys.exit(f"there is no suite {name}; there are: all quick {' '.join(table)}")
    os.makedirs(LOGS, exist_ok=True)
    # Programs that run twice run the second time from a code cache, which is no user's.
    shutil.rmtree("build/check/caches", ignore_errors=True)
    os.makedirs("build/check/caches", mode=0o700)
    go = subprocess.run([os.environ.get("GO", "go"), "env", "GOCACHE"], capture_output=True, text=True, check=False)
    if go.stdout.strip():
        os.environ["GOCACHE"] = go.stdout.strip()
    os.environ["XDG_CACHE_HOME"] = os.path.join(ROOT, "build/check/caches")
    os.environ["CI"] = "true" if CI else ""
    expected, totals, started = expectations(), {"PASS": 0, "FAIL": 0, "SKIP": 0}, time.time()
    if not everything and "build" not in {n.split("/")[0] for n in names}:
        san = any(n.startswith("unit-san") for n in names)
        names = ["build/release"] + (["build/san"] if san else []) + names
    wanted = set(table) if everything else {n.split("/")[0] for n in names}
    chosen = [suite for suite in dict.fromkeys(["build", *BESIDE, *table]) if suite in wanted]
    for result, printed, seconds, spent in attempts(chosen, names):
        print(printed, end="")
        counts = judge(result, expected, totals)
        print(f"   {counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped, "
              f"{seconds:.0f} s, {spent:.0f} s of processors", flush=True)
    print(f"== {time.time() - started:.0f} s in all")
    print(f"{totals['PASS']} passed, {totals['FAIL']} failed, {totals['SKIP']} skipped")
    return 1 if totals["FAIL"] or not totals["PASS"] else 0


if __name__ == "__main__":
    sys.exit(main())
