"""What the runner does with what it was told, without a test of Go's: with false packages and a false peer."""
import contextlib
import io
import os
import tempfile
import traceback
import types

import results
import table

PEER = """#!/bin/sh
[ "$1" = --version ] && { echo 'wasmtime 7.0.1 (of no date)'; exit; }
here=$(dirname "$(readlink -f "$0")")
echo "$@" >>"$here/asked"
for word; do case $word in *.wasm) package=$(basename "$word" .wasm);; esac; done
[ -e "$here/$package" ] && { cat "$here/$package"; rm "$here/$package"; exit 2; }
printf '\\026=== RUN   TestOne\\n\\026--- PASS: TestOne (0.00s)\\n'
"""


def kept_as_written():
    """Merging two branches' lines may not put them out of order."""
    with open(results.PATH, encoding="utf-8") as f:
        text = f.read()
    assert text == results.text_of(results.load()), "results.tsv is not as the runner writes it"


def lines_survive():
    """A line comes back as it was; one runtime's are forgotten, and others' are not."""
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "results.tsv")
        said = {"package": "a/b", "passed": 3, "failed": ["TestX/one", "TestX", "TestY"], "trouble": "exit code 2",
                "skipped": ["TestZ/sub", "TestS", "TestR"]}
        rows = [results.row_of(said, name, "1.0", "go1.26.8", "2026-01-02") for name in results.RUNTIMES]
        for row in reversed(rows):
            results.keep(path, row)
        assert list(results.load(path).values()) == rows
        assert (rows[0].failures, rows[0].skips) == (("TestX", "TestY"), ("TestR", "TestS"))
        assert (rows[0].failed, rows[0].skipped) == (3, 3)
        results.drop(path, "glovebox")
        assert list(results.load(path).values()) == rows[1:]


def said_of_output(run):
    """What ended, what began and did not, and what had no time."""
    lines = "\x16=== RUN   TestA\n\x16--- PASS: TestA (0.1s)\n\x16=== RUN   TestB\n"
    assert run.said("p", 0, False, 15, lines)["failed"] == []
    crashed = run.said("p", 2, False, 15, lines)
    assert (crashed["passed"], crashed["failed"], crashed["late"]) == (1, ["TestB"], False)
    assert run.said("p", 2, False, 15, lines + "panic: test timed out after 15m0s\n")["late"]
    assert not run.said("p", 0, False, 15, lines + "panic: test timed out after 15m0s\n")["late"]
    killed = run.said("p", -9, True, 15, lines)
    assert killed["late"] and killed["trouble"] == "not finished after 15 min"
    assert run.said("p", 3, False, 15, "")["trouble"] == "exit code 3"


def batches(run):
    """What the go command would call alike is not built together."""
    names = [f"a/{i}" for i in range(run.BATCH)] + ["b/0", run.HOST_TEST, "c"]
    got = list(run.batches(names))
    assert sorted(n for batch in got for n in batch) == sorted(names)
    assert got[0] == names[:run.BATCH] and [run.HOST_TEST] in got
    assert not any({"a/0", "b/0"} <= set(batch) for batch in got)
    assert list(run.batches(["math/rand", "math/rand/v2", "v2"])) == [["math/rand", "v2"], ["math/rand/v2"]]


class FalseGo:
    """A toolchain whose programs are built, but for one, and the real wrapper of the real Go."""

    def __init__(self, root, tmp):
        self.root, self.tmp, self.version, self.env, self.asked = root, tmp, "go1.26.8", dict(os.environ), []

    def source(self, _):
        return self.tmp

    def binary(self, package):
        return os.path.join(self.tmp, package + ".wasm")

    def log(self, package, runtime):
        return os.path.join(self.tmp, "logs", runtime + "." + package)

    def build(self, packages, _):
        self.asked.append(sorted(packages))
        return {package: "no such thing" for package in packages if package == "broken"}


def resumes(run, root):
    """What has a line does not run, be it a failure; what had no time runs once more, alone and for longer; another
    version of the runtime is another runtime."""
    with tempfile.TemporaryDirectory() as tmp:
        peer = os.path.join(tmp, "false-wasmtime")
        with open(peer, "w", encoding="utf-8") as f:
            f.write(PEER)
        os.chmod(peer, 0o755)
        for package, text in (("late", "panic: test timed out after 15m0s\n"), ("bad", "\x16=== RUN   TestBad\n")):
            with open(os.path.join(tmp, package), "w", encoding="utf-8") as f:
                f.write(text)
        opts = types.SimpleNamespace(runtimes={"wasmtime": peer}, versions={"wasmtime": run.version("wasmtime", peer)},
                                     record=True, resume=True, build=False, test=[], j=1, names=[])
        assert opts.versions == {"wasmtime": "7.0.1"}
        go = FalseGo(root, tmp)
        sitting = run.Sitting(opts, go)
        sitting.path = os.path.join(tmp, "results.tsv")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            sitting.batch(["late", "bad"])
        assert "late under wasmtime" in printed.getvalue()
        kept = results.load(sitting.path)
        assert [key[0] for key in kept] == ["bad"] and kept["bad", "wasmtime"].failures == ("TestBad",)
        with contextlib.redirect_stdout(io.StringIO()):
            sitting.batch(["good", "bad"])
            sitting.repeat()
            assert sitting.good
            sitting.batch(["broken"])
        assert not sitting.good
        kept = results.load(sitting.path)
        assert go.asked == [["bad", "late"], ["good"], ["broken"]]
        assert [(r.package, r.passed, r.failed) for r in kept.values()] == [("bad", 0, 1), ("good", 1, 0), ("late", 1, 0)]
        with open(os.path.join(tmp, "asked"), encoding="utf-8") as f:
            asked = f.read().splitlines()
        assert [line.split("-test.timeout=")[1] for line in asked] == ["15m", "15m", "15m", "45m"]
        assert all(line.startswith("run --dir=/ --env PWD=" + tmp) for line in asked)
        assert sitting.missing("good") == []
        opts.versions["wasmtime"] = "7.0.2"
        assert sitting.missing("good") == ["wasmtime"]


def page():
    """What did not run is a dash, what is of another version says so, and a reason without a failure is an error."""
    def row(package, runtime, number="1.0", failed=(), skips=()):
        return results.Row(package, runtime, number, "go1.26.8", "2026-01-02", 5, len(failed), len(skips), failed, skips, "")
    rows = {r[:2]: r for r in (row("a", "glovebox"), row("b", "glovebox"), row("c", "glovebox", "0.9"),
                               row("a", "wazero", skips=("TestS",)), row("b", "wazero", failed=("TestF",)))}
    text = "\n".join(table.page(rows, {("b", "wazero"): "it does so"}))
    for line in ("| a | 5 / 0 / 0 | – | 5 / 0 / 1 |", "| c | 5 / 0 / 0 (0.9, go1.26.8) | – | – |",
                 "| b | wazero | `TestF` | it does so |", "| a | wazero | glovebox | `TestS` |",
                 "| wazero | 2 of 3 | 1 | 10 | 1 | 1 |"):
        assert line + "\n" in text + "\n", line
    try:
        table.page(rows, {("a", "wazero"): "it does so"})
    except ValueError:
        return
    raise AssertionError("a reason for what does not fail was taken")


def passes(run, root):
    """Print a line a test; whether all passed."""
    tests = {"kept-as-written": kept_as_written, "lines-survive": lines_survive, "page": page,
             "said-of-output": lambda: said_of_output(run), "batches": lambda: batches(run),
             "resumes": lambda: resumes(run, root)}
    good = True
    for name, test in tests.items():
        try:
            test()
            print(f"PASS go-std/runner/{name}")
        except AssertionError as why:
            print(f"FAIL go-std/runner/{name} test/go-std/run")
            print(f"    {traceback.extract_tb(why.__traceback__)[-1].line} {why}")
            good = False
    return good
