#!/usr/bin/env python3
"""Take each guard away in turn, and demand that a test notices. Called by `make mutants`.

usage: tools/mutants.py [--list] [--check] [--jobs N] [PATTERN]...

test/mutants/*.toml name the guards:

    [[mutant]]
    name = "guest-range-end"            # unique
    file = "src/wasi/guest.h"
    find = '''text that occurs exactly once in the file'''
    replace = '''what stands there instead'''
    caught_by = ["wasi/test_abi"]       # at least one must fail

A guard that stands in two places has `edits = [{file = …, find = …, replace = …}, …]` instead of file, find
and replace. caught_by names test programs (test/DIR/test_x.c as "DIR/test_x") and suites (test/DIR/run as
"DIR", one test of it as "DIR/NAME"). `sanitize = true` builds with the sanitizers, for a guard whose want only
they see.

A test that exits other than 0, crashes, or takes far longer than it did before catches its mutant; a mutant that does not
build is an error, and so is a test that fails before anything was taken away. PATTERN picks mutants by name
(`fdtable-*`) or by file (`fdtable.toml`). --list names them and ends; --check only looks whether each can be
applied.

Prints `PASS mutants/NAME` or `FAIL mutants/NAME`, the latter with the difference. Everything happens in
build/mutants: a tree of links with sources of its own, whose objects are kept for the next run.
"""
import argparse
import concurrent.futures
import difflib
import fnmatch
import glob
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRATCH = os.path.join(ROOT, "build/mutants")
OWN = ("src", "include")  # copied, as they are changed; all else is linked
SECONDS = 90
# A test of a mutant has so many seconds, and so many times what it takes without one.
LEAST_SECONDS, TIMES = 10, 4
BUILD_SECONDS = 600
# Speed of the tested code does not matter here, that of the compiler does.
FLAGS = {False: ["CC=gcc", "OPT=-O1", "CFLAGS=-g0 -w", "OUT=build/tested"],
         True: ["CC=gcc", "OPT=-O1", "CFLAGS=-g1 -w", "OUT=build/tested", "SAN=address,undefined"]}
VARIANT = {False: "release", True: "sanitized"}
SAN_ENV = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


class Broken(Exception):
    """A mutant, or a test, that cannot be used."""


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def mutants():
    """All of them, in the order of their files; dies on what is malformed."""
    found, known = [], {"name", "file", "find", "replace", "edits", "caught_by", "sanitize"}
    for path in sorted(glob.glob("test/mutants/*.toml", root_dir=ROOT)):
        try:
            rows = tomllib.loads(read(os.path.join(ROOT, path))).get("mutant", [])
        except tomllib.TOMLDecodeError as error:
            sys.exit(f"{path}: {error}")
        for row in rows:
            name = row.get("name", "")
            edits = row.get("edits") or [{k: row[k] for k in ("file", "find", "replace") if k in row}]
            if not name or not row.get("caught_by") or set(row) - known or \
                    any(set(e) != {"file", "find", "replace"} for e in edits):
                sys.exit(f"{path}: mutant {name or '?'} has not the keys it must have, or others")
            if any(m["name"] == name for m in found):
                sys.exit(f"{path}: there are two mutants {name}")
            found.append({"name": name, "edits": edits, "caught_by": row["caught_by"],
                          "sanitize": row.get("sanitize", False), "toml": os.path.basename(path)})
    return found


def apply(mutant, root):
    """{file: its text with the guard removed}, from the sources in `root`."""
    texts = {}
    for edit in mutant["edits"]:
        path = edit["file"]
        if path.split("/")[0] not in OWN or not os.path.isfile(os.path.join(root, path)):
            raise Broken(f"{path} is no file beneath src or include")
        text = texts.get(path) or read(os.path.join(root, path))
        count = text.count(edit["find"])
        if count != 1:
            raise Broken(f"its text occurs {count} times in {path}, not once:\n{edit['find']}")
        texts[path] = text.replace(edit["find"], edit["replace"])
        if texts[path] == text:
            raise Broken(f"it changes nothing in {path}")
    return texts


def difference(mutant):
    lines = []
    for path, text in apply(mutant, ROOT).items():
        before = read(os.path.join(ROOT, path)).splitlines()
        lines += difflib.unified_diff(before, text.splitlines(), path, path, n=2, lineterm="")
    return "\n".join("    " + line for line in lines)


# ---- trees


def sync(source, target):
    """Copy files whose contents differ, and only those, so that objects stay good; remove the others."""
    wanted = set()
    for folder, _, files in os.walk(source):
        into = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(into, exist_ok=True)
        for name in files:
            a, b = os.path.join(folder, name), os.path.join(into, name)
            wanted.add(os.path.normpath(b))
            with open(a, "rb") as f:
                data = f.read()
            if os.path.isfile(b):
                with open(b, "rb") as f:
                    if f.read() == data:
                        continue
            with open(b, "wb") as f:
                f.write(data)
    for folder, _, files in os.walk(target):
        for name in files:
            if os.path.normpath(os.path.join(folder, name)) not in wanted:
                os.unlink(os.path.join(folder, name))


def tree(path):
    """A tree to build in: links, but for the sources and what is built."""
    os.makedirs(os.path.join(path, "build/check/caches"), mode=0o700, exist_ok=True)
    for name in os.listdir(ROOT):
        link = os.path.join(path, name)
        if name not in OWN and name not in ("build", ".git") and not os.path.lexists(link):
            os.symlink(os.path.join(ROOT, name), link)
    for name in OWN:
        sync(os.path.join(ROOT, name), os.path.join(path, name))
    blake3, own = os.path.join(ROOT, "build/blake3"), os.path.join(path, "build/blake3")
    if os.path.isdir(blake3) and not os.path.lexists(own):
        os.symlink(blake3, own)


def run(command, cwd, seconds, env=None):
    """(exit code or None after `seconds`, output), the command's own children ended with it."""
    with tempfile.TemporaryFile() as output:
        job = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
                               stderr=subprocess.STDOUT, start_new_session=True,
                               env={**os.environ, **(env or {})})
        try:
            status = job.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        try:
            os.killpg(job.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        job.wait()
        output.seek(0)
        return status, output.read().decode("utf-8", "replace")


def program(test):
    """The target of make that a test of caught_by needs; None: it is of a suite."""
    return f"build/tested/test/{test}" if os.path.isfile(f"{ROOT}/test/{test}.c") else None


def build(where, sanitize, tests, jobs):
    targets = sorted({program(t) or "build/tested/glovebox" for t in tests})
    status, output = run(["make", "-s", f"-j{jobs}", *FLAGS[sanitize], *targets], where, BUILD_SECONDS)
    if status != 0:
        raise Broken(f"it does not build\n{output[-3000:]}")


def passes(where, sanitize, test, scratch, seconds=SECONDS):
    """(does the test pass, how it ended, what it said)"""
    env = {"TMPDIR": scratch, "GLOVEBOX": f"{where}/build/tested/glovebox",
           "XDG_CACHE_HOME": f"{where}/build/check/caches", **(SAN_ENV if sanitize else {})}
    command = [program(test)]
    if not command[0]:
        suite, _, one = test.partition("/")
        if not os.path.isfile(f"{ROOT}/test/{suite}/run"):
            raise Broken(f"there is no test {test}")
        command = [f"test/{suite}/run", *([one] if one else [])]
    status, output = run(command, where, seconds, env)
    how = f"{seconds:.0f} s" if status is None else f"signal {-status}" if status < 0 else f"exit code {status}"
    if status == 0 and not program(test) and "PASS" not in output:
        raise Broken(f"{test} ran no test\n{output[-1000:]}")
    return status == 0, how, output


# ---- mutants


def judge(mutant, where, scratch, took):
    """None, or what is wrong: it survives, or cannot be tried. `took`: seconds of tests when they pass."""
    name, sanitize = mutant["name"], mutant["sanitize"]
    place = os.path.join(where, name)
    try:
        subprocess.run(["cp", "-a", os.path.join(SCRATCH, VARIANT[sanitize]), place], check=True)
        for path, text in apply(mutant, place).items():
            with open(os.path.join(place, path), "w", encoding="utf-8") as f:
                f.write(text)
        build(place, sanitize, mutant["caught_by"], 1)
        for test in mutant["caught_by"]:
            seconds = min(SECONDS, LEAST_SECONDS + TIMES * took[sanitize, test])
            good, how, _ = passes(place, sanitize, test, scratch, seconds)
            if not good:
                return None, f"{test}: {how}"
        return f"survives {', '.join(mutant['caught_by'])}\n{difference(mutant)}", ""
    except Broken as error:
        return str(error), ""
    finally:
        shutil.rmtree(place, ignore_errors=True)


def baseline(chosen, jobs, scratch):
    """Build what is not mutated; every named test must pass there: how long each takes. None: one does not."""
    good, took = True, {}
    for sanitize in sorted({m["sanitize"] for m in chosen}):
        where = os.path.join(SCRATCH, VARIANT[sanitize])
        tree(where)
        tests = sorted({t for m in chosen if m["sanitize"] == sanitize for t in m["caught_by"]})
        build(where, sanitize, tests, jobs)
        for test in tests:
            begun = time.time()
            passed, how, output = passes(where, sanitize, test, scratch)
            took[sanitize, test] = time.time() - begun
            if not passed:
                print(f"{output[-3000:]}\nFAIL mutants/unchanged/{test} {how}")
                good = False
    return took if good else None


def chosen_by(patterns):
    found = mutants()
    chosen = [m for m in found if not patterns or
              any(fnmatch.fnmatch(m["name"], p) or m["toml"] == p for p in patterns)]
    if not chosen:
        sys.exit(f"no mutant's name fits {' '.join(patterns)}" if patterns else "there are no mutants")
    return chosen


def all_apply(chosen):
    good = True
    for mutant in chosen:
        try:
            apply(mutant, ROOT)
        except Broken as error:
            print(f"FAIL mutants/{mutant['name']} {error}")
            good = False
    return good


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("patterns", nargs="*")
    args = parser.parse_args()
    chosen = chosen_by(args.patterns)
    if args.list:
        for mutant in chosen:
            print(f"{mutant['name']}: {' '.join(mutant['caught_by'])}")
        return 0
    if not all_apply(chosen):
        return 1
    if args.check:
        print(f"{len(chosen)} mutants can be applied")
        return 0
    started, survivors, workers = time.time(), [], queue.Queue()
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        took = baseline(chosen, args.jobs, scratch)
        if took is None:
            return 1
        ready = time.time()
        for i in range(args.jobs):
            place = os.path.join(SCRATCH, f"worker{i}")
            shutil.rmtree(place, ignore_errors=True)
            os.makedirs(place)
            workers.put(place)

        def one(mutant):
            place = workers.get()
            try:
                return mutant, *judge(mutant, place, scratch, took)
            finally:
                workers.put(place)

        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for job in concurrent.futures.as_completed([pool.submit(one, m) for m in chosen]):
                mutant, wrong, how = job.result()
                if wrong:
                    survivors.append(mutant["name"])
                    print(f"FAIL mutants/{mutant['name']} make mutants MUTANTS={mutant['name']}\n    {wrong}",
                          flush=True)
                else:
                    print(f"PASS mutants/{mutant['name']} {how}", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants caught; {ready - started:.0f} s to build, "
          f"{time.time() - ready:.0f} s to try")
    for name in survivors:
        print(f"not caught: {name}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
