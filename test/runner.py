"""What the runners of guest programs share: run a case on glovebox or a peer, compare, report.

A case is a table of cases.toml; test/go/README.md lists its keys. A program is an object of the runner
with `name`, `dir` (of files that cases name), `wasm`, `error` (why it was not built, or None), `exe`
(its native build, where cases ask for that). It may have `made_stdin(case)`, which gives the bytes of
standard input, and `judge(case, stdin, stdout, work)`, which adds lines on what is wrong.
"""
import concurrent.futures
import difflib
import hashlib
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time

KEEP_BYTES = 1 << 20  # of each stream, for comparing by text; beyond it by hash and length
DIFF_LINES = 40

CASE_KEYS = {
    "name", "args", "env", "dirs", "cwd", "argv0", "max_memory", "invoke", "options", "timeout",
    "stdin", "stdin_file", "stdin_bytes", "stdin_slow", "stdin_when", "stdin_closed", "files", "links", "many",
    "stdout", "stdout_file", "stdout_has", "stdout_re", "stderr", "stderr_has", "stderr_re",
    "exit", "exit_is_each", "each", "each_full", "native", "after", "absent", "full", "only",
    "min_seconds", "max_seconds", "stdout_limit", "module", "compiles",
}


def block(i):
    """Block i of generated standard input: 1 MiB of lines of many lengths, none alike over blocks."""
    lines = [f"block {i:06d}\n"]
    n, size = i, len(lines[0])
    while size < 1 << 20:
        n = (n * 1103515245 + 12345) & 0x7FFFFFFF
        line = ("the quick brown fox jumps over the lazy dog " * (n % 7))[: n % 211] + f" {n:x}\n"
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()[: 1 << 20]


def feed(proc, case, files, made, out):
    """Write a case's standard input; a guest that stops reading early is none of our business. `out` is the
    Stream of its standard output."""
    try:
        if made is not None:
            proc.stdin.write(made)
        elif "stdin_bytes" in case:
            for i in range(case["stdin_bytes"] >> 20):
                proc.stdin.write(block(i))
        elif "stdin_slow" in case:
            for delay, text in case["stdin_slow"]:
                time.sleep(delay)
                proc.stdin.write(text.encode())
                proc.stdin.flush()
        elif "stdin_when" in case:
            for said, text in case["stdin_when"]:
                while said.encode() not in out.text and out.thread.is_alive():
                    time.sleep(0.005)
                proc.stdin.write(text.encode())
                proc.stdin.flush()
        elif "stdin_file" in case:
            with open(os.path.join(files, case["stdin_file"]), "rb") as f:
                shutil.copyfileobj(f, proc.stdin)
        else:
            proc.stdin.write(case.get("stdin", "").encode())
        proc.stdin.close()
    except (BrokenPipeError, ValueError):
        pass


class Stream:
    """Reads a pipe to its end, or closes it after `limit` bytes: the first bytes, the length and a
    hash of everything."""

    def __init__(self, pipe, limit=1 << 60):
        self.pipe, self.text, self.len, self.hash = pipe, b"", 0, hashlib.sha256()
        self.limit = limit
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while chunk := self.pipe.read1(1 << 16):
            self.text += chunk[: KEEP_BYTES - len(self.text)]
            self.len += len(chunk)
            self.hash.update(chunk)
            if self.len >= self.limit:
                break
        self.pipe.close()


class Result:
    def __init__(self, cmd, cwd, case, program, env=None, made=None):
        begin = time.monotonic()
        stdin = subprocess.DEVNULL if case.get("stdin_closed") else subprocess.PIPE
        proc = subprocess.Popen(cmd, cwd=cwd, env=env, stdin=stdin, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        self.out = Stream(proc.stdout, case.get("stdout_limit", 1 << 60))
        self.err = Stream(proc.stderr)
        if proc.stdin:
            threading.Thread(target=feed, args=(proc, case, program.dir, made, self.out),
                             daemon=True).start()
        self.late = False
        try:
            proc.wait(timeout=case.get("timeout", 60))
        except subprocess.TimeoutExpired:
            self.late = True
            proc.kill()
            proc.wait()
        self.seconds = time.monotonic() - begin
        for s in (self.out, self.err):
            s.thread.join()
        self.code = proc.returncode


def dir_parts(spec):
    """HOST::GUEST[::ro|rw] of a case."""
    parts = spec.split("::")
    return parts[0], parts[1] if len(parts) > 1 else parts[0], "ro" if parts[-1] == "ro" else "rw"


def command(runtime, case, wasm, work, args):
    """The command line that runs a case on a runtime."""
    def sub(s):
        return s.replace("{work}", work).replace("{now}", str(int(time.time()) - 60))

    env, dirs = case.get("env", []), case.get("dirs", [])
    name = os.path.basename(runtime)
    if name.startswith("wazero"):
        cmd = [runtime, "run"]
        for e in env:
            cmd += ["-env", e]
        for d in dirs:
            host, guest, access = dir_parts(d)
            guest = guest if guest.startswith("/") else "/" + guest
            cmd += ["-mount", f"{os.path.join(work, sub(host))}:{guest}" +
                    (":ro" if access == "ro" else "")]
        if case.get("cwd"):
            cmd += ["-env", "PWD=" + case["cwd"]]
    elif name.startswith("wasmtime"):
        cmd = [runtime, "run", "-W", "max-wasm-stack=8388608"]
        for e in env:
            cmd += ["--env", e]
        for d in dirs:
            host, guest, _ = dir_parts(d)
            cmd += ["--dir", f"{os.path.join(work, sub(host))}::{guest}"]
        if case.get("cwd"):
            cmd += ["--env", "PWD=" + case["cwd"]]
    else:
        cmd = [runtime, "run"]
        for e in env:
            cmd += ["--env", e]
        for d in dirs:
            cmd += ["--dir", sub(d)]
        for key, option in (("cwd", "--cwd"), ("argv0", "--argv0"), ("invoke", "--invoke"),
                            ("max_memory", "--max-memory")):
            if key in case:
                cmd += [option, case[key]]
        cmd += [sub(o) for o in case.get("options", [])]
        if "compiles" in case:
            cmd += ["--tier", "eager", "--report", sub("{work}/report.json")]
    return cmd + [sub(case.get("module", wasm))] + [sub(a) for a in args]


def prepare(work, case):
    """A fresh directory with the files the case wants."""
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    for name, text in case.get("files", {}).items():
        path = os.path.join(work, name)
        if name.endswith("/"):
            os.makedirs(path, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text.encode())
    for name, count in case.get("many", {}).items():
        os.makedirs(os.path.join(work, name), exist_ok=True)
        for i in range(count):
            with open(os.path.join(work, name, f"file-{i:05d}.txt"), "wb"):
                pass
    for name, target in case.get("links", {}).items():
        os.symlink(target.replace("{work}", work), os.path.join(work, name))


def diff(what, want, got):
    if want == got:
        return []
    a = want.decode("utf-8", "replace").splitlines(keepends=True)
    b = got.decode("utf-8", "replace").splitlines(keepends=True)
    lines = [f"{what} differs:"]
    for i, line in enumerate(difflib.unified_diff(a, b, "expected", "got", n=2)):
        if i >= DIFF_LINES:
            lines.append("  ... (cut)")
            break
        lines.append("  " + line.rstrip("\n"))
    return lines


def excerpt(text):
    """The first and the last of a long text, indented."""
    if len(text) > 2000:
        text = text[:1000] + b"\n[...]\n" + text[-700:]
    return text.decode("utf-8", "replace").replace("\n", "\n  ")


def compare_stream(what, s, case, key, default):
    bad = []
    if key in case:
        bad += diff(what, case[key].encode(), s.text)
    elif default is not None:
        bad += diff(what, default, s.text)
    for part in case.get(key + "_has", []):
        if part.encode() not in s.text:
            bad.append(f"{what} lacks {part!r}; it is:\n  " +
                       excerpt(s.text))
    for pattern in case.get(key + "_re", []):
        if not re.search(pattern, s.text.decode("utf-8", "replace"), re.M):
            bad.append(f"{what} does not match {pattern!r}; it is:\n  " +
                       excerpt(s.text))
    return bad


def compare_report(least, path):
    """At least that share of the functions is compiled; machines that compile nothing have no say."""
    with open(path, encoding="utf-8") as f:
        report = json.load(f)
    if not report["compiles"] or report["compiled_share"] >= least:
        return []
    return [f"{report['functions_compiled']} of {report['functions']} functions are compiled, {least} of "
            f"them should be; not: {report['refused'][:5]}"]


def compare(case, r, native, program, work, each):
    """What is wrong with a result: lines for people, empty when it is right."""
    bad = []
    want = int(each) if case.get("exit_is_each") else case.get("exit", 0)
    if native:
        want = native.code
        if (native.out.len, native.out.hash.digest()) != (r.out.len, r.out.hash.digest()):
            bad += diff("stdout (expected: native build)", native.out.text, r.out.text) or [
                f"stdout differs from the native build's beyond 1 MiB: {native.out.len} bytes "
                f"expected, {r.out.len} bytes came"]
    if r.late:
        bad.append(f"not finished after {case.get('timeout', 60)} s")
    elif r.code != want:
        bad.append(f"exit code {r.code}, expected {want}")
    if case.get("min_seconds", 0) > r.seconds:
        bad.append(f"ended after {r.seconds:.3f} s, must take {case['min_seconds']} s at least")
    if r.seconds > case.get("max_seconds", 1e9):
        bad.append(f"took {r.seconds:.3f} s, must be done in {case['max_seconds']} s")
    text = None
    if "stdout_file" in case:
        with open(os.path.join(program.dir, case["stdout_file"]), "rb") as f:
            text = f.read()
    bad += compare_stream("stdout", r.out, case, "stdout", text)
    quiet = want == 0 and not case.get("stderr_has") and not case.get("stderr_re")
    bad += compare_stream("stderr", r.err, case, "stderr", b"" if quiet else None)
    for name, text in case.get("after", {}).items():
        try:
            with open(os.path.join(work, name), "rb") as f:
                bad += diff("file " + name, text.encode(), f.read())
        except OSError as e:
            bad.append(f"file {name}: {e.strerror}")
    for name in case.get("absent", []):
        if os.path.lexists(os.path.join(work, name)):
            bad.append(f"file {name} is there and must not be")
    if "compiles" in case:
        bad += compare_report(case["compiles"], os.path.join(work, "report.json"))
    if bad and not case.get("stderr_has") and r.err.text:
        bad.append("stderr was:\n  " + excerpt(r.err.text))
    return bad


def eaches(case, full):
    """The values that {each} takes; [None] where a case has none."""
    spec = case.get("each_full", case.get("each")) if full else case.get("each")
    if spec is None:
        return [None]
    values = []
    for v in spec:
        lo, dash, hi = str(v).partition("..")
        values += [str(n) for n in range(int(lo), int(hi) + 1)] if dash else [str(v)]
    return values


def add_options(ap):
    """The options that the runners have in common."""
    ap.add_argument("-j", type=int, default=min(2, os.cpu_count() or 1), help="cases at a time")
    ap.add_argument("--times", action="store_true", help="print how long each case took")
    ap.add_argument("--repeat", type=int, default=1, metavar="N",
                    help="run each case N times, its native build too: one whose output is chance fails")
    ap.add_argument("--build", action="store_true", help="build the programs and stop")
    ap.add_argument("names", nargs="*")


def run_case(opts, program, case, name):
    """Returns (name, lines of what went wrong, seconds the runs took)."""
    bad, seconds = [], 0
    if program.error:
        return name, ["does not build:"] + program.error.splitlines(), 0
    work = os.path.join(opts.work, name.replace("/", "."))
    made = program.made_stdin(case) if hasattr(program, "made_stdin") else None
    for _, each, runtime in itertools.product(range(opts.repeat), eaches(case, opts.full), opts.runtimes):
        args = [a if each is None else a.replace("{each}", each) for a in case.get("args", [])]
        prepare(work, case)
        cmd = command(runtime, case, program.wasm, work, args)
        r = Result(cmd, work, case, program, made=made)
        seconds += r.seconds
        native = None
        if case.get("native") and not r.late:
            native_work = work + ".native"
            prepare(native_work, case)
            native = Result([program.exe] + args, native_work, case, program, env={"HOME": "/"}, made=made)
            shutil.rmtree(native_work)
        wrong = compare(case, r, native, program, work, each)
        if not wrong and hasattr(program, "judge"):
            wrong = program.judge(case, made, r.out.text, work)
        if wrong:
            bad += wrong + [f"command: (cd {work}; {shlex.join(cmd)})"]
            break
    if not bad:
        shutil.rmtree(work, ignore_errors=True)
    return name, bad, seconds


def run_cases(opts, suite, chosen, again, skipped=0):
    """Run (program, case, name) of `chosen`, print a line for each and the totals; the exit code."""
    failed = []
    with concurrent.futures.ThreadPoolExecutor(opts.j) as pool:
        jobs = [pool.submit(run_case, opts, p, case, name) for p, case, name in chosen]
        for job in concurrent.futures.as_completed(jobs):
            name, bad, seconds = job.result()
            if not bad:
                print(f"PASS {suite}/{name}" + (f" {seconds:.2f} s" if opts.times else ""), flush=True)
                continue
            failed.append(name)
            print(f"FAIL {suite}/{name}")
            print("\n".join("    " + line for text in bad for line in text.splitlines()))
            print(f"    again: {again} {name}", flush=True)
    print(f"{suite}: {len(chosen) - len(failed)} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed else 0
