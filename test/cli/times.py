"""Tests of what --report and --explain say of time and memory, and of `glovebox measure`; test/cli/run runs them.

Times are held against each other, never against a clock of our own."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from __main__ import GLOVEBOX, Run, expect, guest, refused, test
from ship import made, user

PROBE = guest("probe")
PHASES = ("engine", "open", "grant", "instantiate", "run")
PARTS = {"open": ("read", "cache", "decode"), "instantiate": ("image",)}


def times(*words, env):
    run = Run("--report", "report.json", *words, env=env)
    said = json.loads(pathlib.Path("report.json").read_text())
    t = said["times_ns"]
    assert set(t) == {"total", *PHASES, "read", "cache", "decode", "image", "compile", "take", "ready"}, t
    assert all(isinstance(ns, int) and ns >= 0 for ns in t.values()), t
    assert 0 < sum(t[p] for p in PHASES) <= t["total"], t
    for whole, parts in PARTS.items():
        assert sum(t[p] for p in parts) <= t[whole], (whole, t)
    assert max(t["compile"], t["ready"]) + t["take"] <= t["instantiate"] + t["run"], t
    assert t["compile"] == said["compile_ns"] and min(t["open"], t["read"], t["decode"], t["cache"]) > 0, said
    assert (t["compile"] > 0) == (said["functions_compiled"] > said["functions_taken"]), said
    assert (t["take"] > 0) == (said["functions_taken"] > 0), said
    assert 2 << 20 < said["peak_memory_bytes"] < 1 << 30, said
    return t, said, run


@test
def report_says_where_time_went():
    me = user("me")
    for tier in ("auto", "eager", "interp"):
        _, _, run = times("--tier", tier, PROBE, "args", env=me)
        expect(run, 0, out='["probe.wasm" "args"]\n', silent=True)
    times(PROBE, "sleep", "30ms", env=me)
    slept, _, _ = times(PROBE, "sleep", "30ms", env=me)
    assert slept["run"] >= 30_000_000 and slept["open"] < slept["total"] - 30_000_000, slept
    assert times(PROBE, "args", env=me)[1]["peak_memory_bytes"] > os.path.getsize(PROBE)
    times("--cache=off", PROBE, "exit", "7", env=me)
    made()
    assert times("made.gbx", "args", env=me)[0]["compile"] == 0
    times("--invoke", "add", guest("lib"), "1", "2", env=me)
    # A module that does not get as far as an instance.
    run = Run("--report", "report.json", "--tier", "eager", guest("import"))
    said = json.loads(pathlib.Path("report.json").read_text())
    assert run.code == 126 and said["times_ns"]["run"] >= 0 and said["times_ns"]["compile"] == 0, said


@test
def explain_says_where_time_went():
    me = user("me")
    number = r"\d+\.\d\d"
    line = (rf"note\[times\]: times: ({number}) ms: engine ({number}), open ({number}) \(read ({number}), cache "
            rf"({number}), decode ({number})\), grant ({number}), instantiate ({number}) \(image ({number})\), run "
            rf"({number}); compiling (\d+) functions ({number}), taking over (\d+) ({number}); code of ([\d.]+) KiB, "
            r"peak memory ([\d.]+) MiB")
    for compiled in (True, False):
        run = expect(Run("--explain", PROBE, "args", env=me), 0, out='["probe.wasm" "args"]\n')
        match = re.search(line, run.err)
        assert match, run.says()
        n = [float(g) for g in match.groups()]
        assert n[1] + n[2] + n[6] + n[7] + n[9] <= n[0] + 0.05 and n[3] + n[4] + n[5] <= n[2] + 0.05, run.says()
        assert (n[10] > 0 or not compiled) and (n[12] > 0) != compiled and n[14] > 0 and n[15] > 1, run.says()
    expect(Run(PROBE, "args", env=me), 0, silent=True)


# ---- measure

TIMES = ("cold_ns", "warm_ns", "ready_cold_ns", "ready_warm_ns", "instantiate_ns", "run_ns")
OF_ALL = ("ready_cold_ns", "ready_warm_ns", "instantiate_ns")


def measured(*words, env=None):
    """Figures as JSON, whose best are never worse than their medians."""
    before = set(os.listdir("/tmp"))
    run = expect(Run("measure", "-n", "3", "--json", *words, env=env), 0)
    assert not [n for n in set(os.listdir("/tmp")) - before if n.startswith("glovebox-measure")], "it leaves files"
    said = json.loads(run.out)
    times_of = [key for key in TIMES if key in said]
    assert times_of == [*(TIMES if said["command"] else OF_ALL)], said
    for key in times_of:
        assert 0 < said[key]["best"] <= said[key]["median"], said
    assert said["rounds"] == 3 and 0 < said["instantiate_ns"]["best"] <= said["ready_cold_ns"]["best"], said
    for bytes_of, per in (("idle_bytes", "idle_per_gib"), ("idle_used_bytes", "idle_used_per_gib")):
        if bytes_of in said and said[bytes_of]:
            assert said[per] == (1 << 30) // said[bytes_of], said
    return said, run


@test
def measure_a_command():
    said, run = measured("--argv0", "x", PROBE, "sleep", "20ms")
    assert said["command"] and said["exit_code"] == 0 and said["ended"] == "exit" and run.err == "", said
    assert said["bytes"] == os.path.getsize(PROBE) and said["functions"] > 1000, said
    assert all(said[key]["best"] >= 20_000_000 for key in ("cold_ns", "warm_ns", "run_ns")), said
    assert said["idle_used_bytes"] > said["idle_bytes"] > 0, said
    run = expect(Run("measure", "--rounds=2", PROBE, "args"), 0, silent=True)
    labels = [line[:28].strip() for line in run.out.splitlines()]
    assert labels[1:] == ["2 rounds", "cold start", "warm start", "ready, cold", "ready, warm", "instantiate", "run",
                          "idle instance", "idle instance that has run"], run.says()
    assert re.match(r"\S+probe.wasm: \d+\.\d\d MiB, \d+ functions, a command$", run.out.splitlines()[0]), run.says()
    page = Run("help", "measure").out
    for label, key in zip(labels[2:8], TIMES):
        assert f"  {label} " in page and key in page, label


@test
def measure_runs_nothing_of_a_reactor():
    said, _ = measured(guest("lib"))
    assert not said["command"] and not {"exit_code", "cold_ns", "run_ns", "idle_used_bytes"} & set(said), said
    run = expect(Run("measure", "-n1", "--", guest("lib")), 125, slug="unknown-option")
    run = expect(Run("measure", "-n", "1", guest("lib")), 0, silent=True)
    assert "not run" in run.out and "cold start" not in run.out, run.says()


@test
def measure_takes_grants():
    os.mkdir("data")
    pathlib.Path("data/in.txt").write_text("in\n")
    said, run = measured("--dir", "./data", "--env", "A=b", PROBE, "cat", "data/in.txt")
    assert said["exit_code"] == 0, said
    said, run = measured(PROBE, "cat", "data/in.txt")
    assert said["exit_code"] == 3, said
    run = expect(Run("measure", "-n", "1", PROBE, "cat", "data/in.txt"), 0, slug="measure-exit")
    assert "exit code 3" in run.err and "cold start" in run.out, run.says()
    said, _ = measured("--timeout", "20ms", PROBE, "spin")
    assert said["ended"] == "deadline" and said["exit_code"] == 124, said
    said, _ = measured(guest("trap"))
    assert said["exit_code"] == 134 and said["ended"] != "exit", said


@test
def measure_compiled_files():
    me = user("me")
    made()
    expect(Run("measure", "made.gbx", "args", env=user("other")), 126, slug="untrusted-code")
    said, _ = measured("--allow-compiled", "made.gbx", "args", env=me)
    assert said["bytes"] == os.path.getsize("made.gbx") and said["exit_code"] == 0, said


@test
def measure_command_line():
    expect(Run("measure"), 125, slug="no-file")
    expect(Run("measure", "none.wasm"), 127, slug="not-found")
    expect(Run("measure", "/bin/sh"), 126, slug="not-wasm")
    expect(Run("measure", guest("import")), 126, slug="unknown-import")
    refused("measure", "--explain", PROBE, slug="unknown-option", say="measure has no option --explain", works=False)
    for bad in ("0", "x", "-1", "10001"):
        refused("measure", f"--rounds={bad}", PROBE, slug="bad-value")
    expect(Run("measure", PROBE, env={"TMPDIR": "/does/not/exist"}), 125, slug="measure-failed", words="TMPDIR")
    expect(Run(shell=f"cat {PROBE} | {GLOVEBOX} measure /dev/stdin"), 125, slug="measure-failed")


@test
def measure_interrupted():
    """The directory goes, whatever is going on, and the end is that of the signal."""
    for after in (0.05, 0.4, 1.0):
        os.mkdir("tmp")
        with subprocess.Popen([GLOVEBOX, "measure", "-n", "1000", PROBE, "sleep", "50ms"], stdout=subprocess.DEVNULL,
                              env={**os.environ, "TMPDIR": os.path.abspath("tmp")}) as run:
            time.sleep(after)
            run.terminate()
            assert run.wait(30) == -signal.SIGTERM, run.returncode
        assert os.listdir("tmp") == [], os.listdir("tmp")
        os.rmdir("tmp")
