"""docs/go-std.md, from results.tsv and reasons.tsv. Nothing is counted that did not run: a package without a line has a
dash."""
import collections
import os

import results
from results import RUNTIMES

REASONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reasons.tsv")
HEAD = """<!-- Made by tools/gendocs.py from test/go-std/results.tsv and reasons.tsv; `make bless` writes it. -->
# Go's standard library under glovebox, wasmtime and wazero

The tests of every package of Go's standard library that has any, built for wasip1 and run in the package's own
directory, `-test.short` as Go's own builders do. Numbers are tests and subtests: **passed / failed / skipped**; a dash
means that it did not run.

Each is started by what the Go tool starts for `go test`. For wasmtime and wazero that is Go's own
`go_wasip1_wasm_exec`, which grants the root directory of the machine. For glovebox it is `glovebox go exec`, which
grants the package's directory, a temporary one and, to read, the module and the Go tree; these tests get `/etc`
besides, to read, and runtime/pprof `/proc`, without which four of its tests fail under any runtime. In
{host_test} it is the host that is tested, and the test starts its guests by `go run`. The Go tool sets
GOROOT for tests: under glovebox and wazero it reaches them, and TestStack of runtime/debug skips where it is set.

{versions}

`make go-std` runs what has no result yet, which takes hours on two cores, and can be stopped at any time; the results
are kept in test/go-std/results.tsv. `./check go-std` runs the packages of test/go-std/packages.txt.
"""
HOST_TEST = "internal/runtime/wasitest"


def cell(row, usual):
    """A package under a runtime; `usual` is what most of that column ran under."""
    if row is None:
        return "–"
    notes = [row.trouble] if row.trouble else []
    if (row.version, row.go) != usual:
        notes.append(f"{row.version}, {row.go}")
    return f"{row.passed} / {row.failed} / {row.skipped}" + (f" ({'; '.join(notes)})" if notes else "")


def usual_of(rows):
    """Runtime to the version and Go that most of its lines are of."""
    usual = {}
    for runtime in RUNTIMES:
        many = collections.Counter((r.version, r.go) for r in rows.values() if r.runtime == runtime)
        usual[runtime] = max(many, key=lambda k, many=many: (many[k], k)) if many else None
    return usual


def versions(rows):
    """Which versions ran, and when."""
    lines = []
    for runtime in RUNTIMES:
        of = collections.defaultdict(list)
        for row in rows.values():
            if row.runtime == runtime:
                of[(row.version, row.go)].append(row.day)
        for (version, go), days in sorted(of.items(), reverse=True):
            when = min(days) if min(days) == max(days) else f"{min(days)} to {max(days)}"
            lines.append(f"- {runtime} {version}, {go}: {len(days)} packages, {when}")
    return "\n".join(lines)


def totals(rows, packages):
    lines = ["## In all", "", "| runtime | packages | of them without a failure | passed | failed | skipped |",
             "|---|---|---|---|---|---|"]
    for runtime in RUNTIMES:
        got = [r for r in rows.values() if r.runtime == runtime]
        lines.append(f"| {runtime} | {len(got)} of {len(packages)} | {sum(r.is_clean for r in got)} | "
                     f"{sum(r.passed for r in got)} | {sum(r.failed for r in got)} | {sum(r.skipped for r in got)} |")
    return lines


def load_reasons(path=REASONS):
    """By package and runtime: why its tests fail, as somebody found out."""
    with open(path, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    return {(package, runtime): why for package, runtime, why in rows}


def failures(rows, reasons):
    for key in reasons:
        if key in rows and rows[key].is_clean:
            raise ValueError(f"reasons.tsv: {key[0]} does not fail under {key[1]}")
    lines = []
    for key, row in sorted(rows.items()):
        if not row.is_clean:
            names = ", ".join(f"`{n}`" for n in row.failures) or row.trouble
            lines.append(f"| {row.package} | {row.runtime} | {names} | {reasons.get(key, 'not looked into')} |")
    return ["## Failures", ""] + (
        ["| package | runtime | tests | why |", "|---|---|---|---|", *lines] if lines else ["None."])


def skips(rows, packages):
    """Tests that are skipped under a peer and pass under glovebox, or the other way round."""
    lines = []
    for package in packages:
        ours = rows.get((package, "glovebox"))
        for peer in RUNTIMES[1:]:
            theirs = rows.get((package, peer))
            if not ours or not theirs:
                continue
            for where, a, b in ((peer, theirs, ours), ("glovebox", ours, theirs)):
                only = sorted(set(a.skips) - set(b.skips) - set(b.failures))
                if only:
                    other = "glovebox" if where == peer else peer
                    lines.append(f"| {package} | {where} | {other} | {', '.join(f'`{n}`' for n in only)} |")
    return ["## Skipped under one and run under another", ""] + (
        ["| package | skipped under | run under | tests |", "|---|---|---|---|", *lines] if lines else ["None."])


def page(rows, reasons):
    """The page's lines."""
    packages = sorted({row.package for row in rows.values()})
    usual = usual_of(rows)
    text = HEAD.format(host_test=HOST_TEST, versions=versions(rows)).split("\n")
    text += [*totals(rows, packages), "", *failures(rows, reasons), "", *skips(rows, packages), "", "## By package", "",
             "| package | " + " | ".join(RUNTIMES) + " |", "|---|---|---|---|"]
    for package in packages:
        cells = (cell(rows.get((package, name)), usual[name]) for name in RUNTIMES)
        text.append(f"| {package} | " + " | ".join(cells) + " |")
    return text


def go_std():
    return page(results.load(), load_reasons())
