"""docs/go-std.md: what the tests of Go's standard library said under each runtime, from the results that the runner
keeps. Nothing is counted that did not run: a package without a result has a dash."""
import glob
import json
import os
import subprocess

HEAD = """<!-- Written by `make go-std` from what the tests said; do not edit. -->
# Go's standard library under glovebox, wasmtime and wazero

The tests of every package of Go's standard library that has any, built for wasip1 ({go}) and run in the package's own
directory, `-test.short` as Go's own builders do. Numbers are tests and subtests: **passed / failed / skipped**; a dash
means that it did not run. The command for each is what Go's wrapper `go_wasip1_wasm_exec` starts: wasmtime and wazero
are granted the root directory of the machine; glovebox is granted the package's directory, a temporary one, and, to
read, the Go tree and `/etc`; runtime/pprof also `/proc`, without which four of its tests fail under any runtime. In
{host_test} it is the host that is tested, and the test starts its guests by `go run`.

{versions}

`make go-std` makes this page again; it takes some hours on two cores, and goes on where it was stopped. `./check go-std`
runs the packages of test/go-std/packages.txt.
"""
NAMES = ("glovebox", "wasmtime", "wazero")
HOST_TEST = "internal/runtime/wasitest"


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def heads(failed):
    """Of failed tests and subtests, the tests."""
    return sorted({name.split("/")[0] for name in failed})


def cell(result):
    if result is None:
        return "–"
    return f"{result['passed']} / {len(result['failed'])} / {len(result['skipped'])}" + (
        f" ({result['trouble']})" if result["trouble"] else "")


def results(kept):
    """Package to runtime to result."""
    rows = {}
    for runtime in NAMES:
        for path in glob.glob(os.path.join(kept, runtime, "*.json")):
            result = load(path)
            rows.setdefault(result["package"], {})[runtime] = result
    return rows


def version(command):
    text = subprocess.run([command, "--version" if "wazero" not in os.path.basename(command) else "version"],
                          capture_output=True, text=True, check=False).stdout
    return text.strip().split("\n")[0]


def failures(rows):
    lines = []
    for package, row in sorted(rows.items()):
        for runtime in NAMES:
            result = row.get(runtime)
            if result and (result["failed"] or result["trouble"]):
                names = ", ".join(f"`{n}`" for n in heads(result["failed"]))
                lines.append(f"| {package} | {runtime} | {names or result['trouble']} |")
    return ["", "## Failures", ""] + (["| package | runtime | tests |", "|---|---|---|", *lines] if lines else
                                      ["None."])


def skips(rows):
    """Tests that are skipped under a peer and pass under glovebox, or the other way round."""
    lines = []
    for package, row in sorted(rows.items()):
        ours = row.get("glovebox")
        if not ours:
            continue
        for peer in NAMES[1:]:
            theirs = row.get(peer)
            if not theirs:
                continue
            for where, a, b in ((peer, theirs, ours), ("glovebox", ours, theirs)):
                only = {n for n in a["skipped"] if "/" not in n} - set(b["skipped"]) - set(b["failed"])
                if only:
                    other = "glovebox" if where == peer else peer
                    lines.append(f"| {package} | {where} | {other} | {', '.join(f'`{n}`' for n in sorted(only))} |")
    return ["", "## Skipped under one and run under another", ""] + (
        ["| package | skipped under | run under | tests |", "|---|---|---|---|", *lines] if lines else ["None."])


def totals(rows):
    lines = ["", "## In all", "", "| runtime | packages | of them without a failure | passed | failed | skipped |",
             "|---|---|---|---|---|---|"]
    for runtime in NAMES:
        got = [row[runtime] for row in rows.values() if runtime in row]
        clean = sum(not r["failed"] and not r["trouble"] for r in got)
        lines.append(f"| {runtime} | {len(got)} | {clean} | {sum(r['passed'] for r in got)} | "
                     f"{sum(len(r['failed']) for r in got)} | {sum(len(r['skipped']) for r in got)} |")
    return lines


def write(path, go, runtimes):
    rows = results(go.kept)
    versions = "\n".join(f"- {name}: {version(command)}" for name, command in runtimes.items())
    text = HEAD.format(go=go.version, host_test=HOST_TEST, versions=versions).rstrip("\n").split("\n")
    text += totals(rows) + failures(rows) + skips(rows)
    text += ["", "## By package", "", "| package | " + " | ".join(NAMES) + " |", "|---|---|---|---|"]
    for package, row in sorted(rows.items()):
        text.append(f"| {package} | " + " | ".join(cell(row.get(name)) for name in NAMES) + " |")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(text) + "\n")
