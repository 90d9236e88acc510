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

Prints `PASS mutants/NAME` or `FAIL mutants/NAME`, the latter with the difference. Nothing is built twice: the
release and the sanitized build are what they are without this tool, and of a mutant only the objects are made
that a changed file is part of, by make's own commands, and the programs that it is tried with. Each
mutant has a tree of links of its own in build/mutants, which ends with it.
"""
import argparse
import concurrent.futures
import difflib
import fnmatch
import glob
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRATCH = os.path.join(ROOT, "build/mutants")
OWN = ("src", "include")  # where guards stand
SECONDS = 90
# A test of a mutant has so many seconds, and so many times what it takes without one.
LEAST_SECONDS, TIMES = 10, 4
# One that is late has most often come to a stop: while it is waited for, another is tried, up to so many to a
# processor.
LATE_SECONDS, LATE_TIMES, WAITED_FOR = 1, 2, 8
BUILD_SECONDS = 600
OUT = {False: "build/release", True: "build/san-address-undefined"}
SUITE_PROGRAMS = {"spec": "test/spec/driver"} # all others run the command
GOALS = {False: ["CC=gcc"], True: ["CC=gcc", "SAN=address,undefined"]}
# Added to make's own commands: here the speed of compiler and linker matters, that of tested code does not.
COMPILED = {False: ["-O1", "-g0", "-w"], True: ["-O1", "-g1", "-w"]}
LINKED = ["-Wl,--strip-debug"]
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


# ---- builds


class Turn:
    """A processor for a while, of as many as there are turns; given back early by what is late and waits."""

    def __init__(self, turns):
        self.turns, self.mine = turns, False

    def __enter__(self):
        self.turns.acquire()
        self.mine = True
        return self

    def give_back(self):
        if self.mine:
            self.mine = False
            self.turns.release()

    def __exit__(self, *_):
        self.give_back()


def run(command, cwd, seconds, env=None, late=None):
    """(exit code or None after `seconds`, output), the command's own children ended with it. `late`: seconds,
    and what is called when they are over."""
    with tempfile.TemporaryFile() as output:
        job = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
                               stderr=subprocess.STDOUT, start_new_session=True,
                               env={**os.environ, **(env or {})})
        end = time.monotonic() + seconds
        if late:
            try:
                job.wait(min(late[0], seconds))
            except subprocess.TimeoutExpired:
                late[1]()
        try:
            status = job.wait(max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = None
        try:
            os.killpg(job.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        job.wait()
        output.seek(0)
        return status, output.read().decode("utf-8", "replace")


def must(command, cwd):
    """Its output; a mutant whose command fails does not build."""
    status, output = run(command, cwd, BUILD_SECONDS)
    if status != 0:
        raise Broken(f"it does not build\n{output[-3000:]}")
    return output


def is_program(test):
    return os.path.isfile(f"{ROOT}/test/{test}.c")


class Build:
    """What is not mutated: made by make, which also tells the commands that make it."""

    def __init__(self, sanitize, tests, jobs):
        self.sanitize, self.out = sanitize, OUT[sanitize]
        goals = [*GOALS[sanitize], f"OUT={self.out}", *sorted({self.program(t) for t in tests})]
        must(["make", "-s", f"-j{jobs}", *goals], ROOT)
        self.commands, self.inputs = {}, {}  # of what is made: the words, the objects and archives among them
        self.library, self.archived = f"{self.out}/libgbx.a", []
        for line in must(["make", "-n", "-B", *goals], ROOT).replace("\\\n", " ").split("\n"):
            words = shlex.split(line)
            if self.library in words and "-o" not in words:  # ar
                self.archived = [w for w in words if w.endswith(".o")] or self.archived
            if "-o" in words:
                made = words[words.index("-o") + 1]
                self.commands[made] = words
                self.inputs[made] = [w for w in words if w.endswith((".o", ".a")) and w != made]
        self.users = {}  # of a source: the objects that it is part of
        for made in self.commands:
            for source in sources(f"{ROOT}/{made[:-2]}.d"):
                self.users.setdefault(source, set()).add(made)

    def program(self, test):
        """What a test of caught_by runs."""
        if is_program(test):
            return f"{self.out}/test/{test}"
        return f"{self.out}/{SUITE_PROGRAMS.get(test.split('/')[0], 'glovebox')}"

    def compile(self, place, changed, tests):
        """Make the objects, of those that the tests' programs are linked from, that changed files are in."""
        made = set().union(*(self.users.get(path, ()) for path in changed))
        linked = {o for t in tests for o in self.inputs[self.program(t)]} | set(self.archived)
        if changed and not made & linked:
            raise Broken(f"no program of its tests is made from {' '.join(changed)}")
        for target in sorted(made & linked):
            os.makedirs(os.path.join(place, os.path.dirname(target)), exist_ok=True)
            must([*self.commands[target], *COMPILED[self.sanitize]], place)
        return made & linked

    def link(self, place, made, test):
        """Link a test's program: changed objects come before the archive that has them unchanged."""
        target = self.program(test)
        words = []
        for word in self.commands[target]:
            if word == self.library:
                words += [o for o in self.archived if o in made]
            unchanged = word in self.inputs[target] and word not in made
            words.append(os.path.join(ROOT, word) if unchanged else word)
        os.makedirs(os.path.join(place, os.path.dirname(target)), exist_ok=True)
        must([*words, *LINKED], place)


def sources(path):
    """What a compiler's list of dependencies names; nothing where there is none."""
    if not os.path.isfile(path):
        return []
    rule = read(path).replace("\\\n", " ").split("\n")[0]
    return [os.path.normpath(word) for word in rule.partition(":")[2].split()]


# ---- trees


def overlay(real, path, texts, without=()):
    """Make `path` what the directory `real` is, by links, but for what `texts` gives by its path in there."""
    os.makedirs(path)
    beneath = {}
    for name, text in texts.items():
        first, _, rest = name.partition("/")
        beneath.setdefault(first, {})[rest] = text
    for name in os.listdir(real):
        source, target = os.path.join(real, name), os.path.join(path, name)
        if name in without:
            continue
        if name not in beneath:
            os.symlink(source, target)
        elif "" not in beneath[name]:
            overlay(source, target, beneath[name])
        else:
            with open(target, "w", encoding="utf-8") as f:
                f.write(beneath[name][""])


class Place:
    """A tree to build and to test in, and a directory for temporary files, both gone when it is closed. Their
    paths are of one length always: sockets' are bounded. What suites keep beneath build is no mutant's; caches
    of code are."""

    def __init__(self, texts):
        self.path, self.tmp = tempfile.mkdtemp(dir=SCRATCH), tempfile.mkdtemp(prefix="mutants-")
        os.rmdir(self.path)
        overlay(ROOT, self.path, texts, (".git", "build"))
        own = ("build/check", "build/mutants", *OUT.values())
        overlay(f"{ROOT}/build", f"{self.path}/build", {}, [os.path.basename(name) for name in own])
        for name in ("build/check/caches", *OUT.values()):
            os.makedirs(f"{self.path}/{name}", mode=0o700)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for path in (self.path, self.tmp):
            shutil.rmtree(path, ignore_errors=True)


# ---- mutants


def passes(build, place, test, seconds=SECONDS, late=None):
    """(does the test pass, how it ended, what it said); `late` as run has it"""
    env = {"TMPDIR": place.tmp, "GLOVEBOX": f"{place.path}/{build.out}/glovebox",
           "GBX_SPEC_DRIVER": f"{place.path}/{build.program('spec')}",
           "XDG_CACHE_HOME": f"{place.path}/build/check/caches", **(SAN_ENV if build.sanitize else {})}
    command = [build.program(test)]
    if not is_program(test):
        suite, _, one = test.partition("/")
        if not os.path.isfile(f"{ROOT}/test/{suite}/run"):
            raise Broken(f"there is no test {test}")
        command = [f"test/{suite}/run", *([one] if one else [])]
    status, output = run(command, place.path, seconds, env, late)
    how = f"{seconds:.0f} s" if status is None else f"signal {-status}" if status < 0 else f"exit code {status}"
    if status == 0 and not is_program(test) and "PASS" not in output:
        raise Broken(f"{test} ran no test\n{output[-1000:]}")
    return status == 0, how, output


def judge(mutant, build, took, turns):
    """(None, which test noticed and how); or what is wrong: it survives, or cannot be tried. `took`: seconds
    of tests when they pass."""
    try:
        texts = apply(mutant, ROOT)
        with Turn(turns) as turn, Place(texts) as place:
            made = build.compile(place.path, list(texts), mutant["caught_by"])
            for test in mutant["caught_by"]:
                build.link(place.path, made, test)
                usual = took[build.sanitize, test]
                good, how, _ = passes(build, place, test, min(SECONDS, LEAST_SECONDS + TIMES * usual),
                                      (LATE_SECONDS + LATE_TIMES * usual, turn.give_back))
                if not good:
                    return None, f"{test}: {how}"
        return f"survives {', '.join(mutant['caught_by'])}\n{difference(mutant)}", ""
    except Broken as error:
        return str(error), ""


def unchanged(build, tests):
    """Tests where nothing was taken away, tried like a mutant's: [(test, seconds, None or what is wrong)]"""
    tried = []
    for test in tests:
        begun, wrong = time.time(), None
        try:
            with Place({}) as place:
                build.link(place.path, set(), test)
                good, how, output = passes(build, place, test)
                wrong = None if good else f"{output[-3000:]}\nFAIL mutants/unchanged/{test} {how}"
        except Broken as error:
            wrong = f"FAIL mutants/unchanged/{test}\n    {error}"
        tried.append((test, time.time() - begun, wrong))
    return tried


def baseline(chosen, jobs):
    """(builds, how long each test takes that passes there); None: one does not pass. Tests of one suite run one
    after the other, as the first may build what all of them need."""
    builds, took, good = {}, {}, True
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        parts = []
        for sanitize in sorted({m["sanitize"] for m in chosen}):
            tests = sorted({t for m in chosen if m["sanitize"] == sanitize for t in m["caught_by"]})
            build = builds[sanitize] = Build(sanitize, tests, jobs)
            suites = {}
            for test in tests:
                suite = test if is_program(test) else test.split("/")[0]
                suites.setdefault(suite, []).append(test)
                if not is_program(test):
                    os.makedirs(f"{ROOT}/build/{suite}", exist_ok=True)
            parts += [(sanitize, pool.submit(unchanged, build, together)) for together in suites.values()]
        for sanitize, part in parts:
            for test, seconds, wrong in part.result():
                took[sanitize, test] = seconds
                if wrong:
                    print(wrong)
                    good = False
    return (builds, took) if good else None


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
    started, survivors = time.time(), []
    os.makedirs(SCRATCH, exist_ok=True)
    # Tests have a directory for caches of their own, but Go's.
    go = subprocess.run([os.environ.get("GO", "go"), "env", "GOCACHE"], capture_output=True, text=True, check=False)
    if go.stdout.strip():
        os.environ["GOCACHE"] = go.stdout.strip()
    ready = baseline(chosen, args.jobs)
    if ready is None:
        return 1
    builds, took = ready
    tried = time.time()
    # Those whose tests take longest first, so that none is waited for alone at the end.
    chosen.sort(key=lambda m: -sum(took[m["sanitize"], t] for t in m["caught_by"]))
    turns = threading.BoundedSemaphore(args.jobs)
    with concurrent.futures.ThreadPoolExecutor(args.jobs * WAITED_FOR) as pool:
        jobs = {pool.submit(judge, m, builds[m["sanitize"]], took, turns): m for m in chosen}
        for job in concurrent.futures.as_completed(jobs):
            name, (wrong, how) = jobs[job]["name"], job.result()
            if wrong:
                survivors.append(name)
                print(f"FAIL mutants/{name} make mutants MUTANTS={name}\n    {wrong}", flush=True)
            else:
                print(f"PASS mutants/{name} {how}", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants caught; {tried - started:.0f} s to build, "
          f"{time.time() - tried:.0f} s to try")
    for name in survivors:
        print(f"not caught: {name}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
