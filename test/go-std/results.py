"""results.tsv: what the tests of each package said under each runtime, a line for each, sorted; docs/go-std.md is
made of it and of nothing else. A runtime's version is what it says of itself, and the day tells runs of one version
apart. A line is put in place as soon as its package is done, so that a run that is stopped keeps what it has, and so
that runs beside each other keep what both have.
"""
import contextlib
import fcntl
import os
import typing

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results.tsv")
RUNTIMES = ("glovebox", "wasmtime", "wazero")
HEAD = "# Kept by test/go-std/run --record; docs/go-std.md is made of it.\n"


class Row(typing.NamedTuple):
    """One line. Numbers are tests and subtests; names are those of tests alone."""

    package: str
    runtime: str
    version: str
    go: str
    day: str
    passed: int
    failed: int
    skipped: int
    failures: tuple  # tests that failed, or of which a subtest did
    skips: tuple
    trouble: str  # an end that no test explains; "" is none

    @property
    def is_clean(self):
        return not self.failed and not self.trouble


def heads(names):
    """Of tests and subtests, the tests."""
    return tuple(sorted({name.split("/")[0] for name in names}))


def row_of(result, runtime, version, go, day):
    """What one package said, as a line."""
    return Row(result["package"], runtime, version, go, day, result["passed"], len(result["failed"]),
               len(result["skipped"]), heads(result["failed"]),
               tuple(sorted(n for n in result["skipped"] if "/" not in n)), result["trouble"])


def line_of(row):
    fields = [",".join(f) if isinstance(f, tuple) else str(f) for f in row]
    if any("\t" in f or "\n" in f for f in fields):
        raise ValueError(f"a field of {row.package} cannot be written: {fields}")
    return "\t".join(f or "-" for f in fields) + "\n"


def row_from(line):
    f = ["" if field == "-" else field for field in line.rstrip("\n").split("\t")]
    names = [tuple(n for n in field.split(",") if n) for field in f[8:10]]
    return Row(*f[:5], *(int(n) for n in f[5:8]), *names, *f[10:])


def text_of(rows):
    return HEAD + "# " + "\t".join(Row._fields) + "\n" + "".join(line_of(rows[key]) for key in sorted(rows))


def load(path=PATH):
    """By package and runtime."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as f:
        rows = [row_from(line) for line in f if not line.startswith("#")]
    return {(row.package, row.runtime): row for row in rows}


@contextlib.contextmanager
def changed(path):
    """All lines, to be changed; no other process changes them meanwhile, and none sees half of them."""
    lock = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = load(path)
        yield rows
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text_of(rows))
        os.rename(path + ".new", path)
    finally:
        os.close(lock)


def keep(path, row):
    with changed(path) as rows:
        rows[(row.package, row.runtime)] = row


def drop(path, runtime):
    """A runtime's lines are gone, so that all its packages run again."""
    with changed(path) as rows:
        for key in [k for k in rows if k[1] == runtime]:
            del rows[key]


def has(rows, package, runtime, version, go):
    """Is there a line of this very runtime and of this Go?"""
    row = rows.get((package, runtime))
    return bool(row) and (row.version, row.go) == (version, go)
