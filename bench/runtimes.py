"""The runtimes on this machine that run wasip1 commands: glovebox's own build, what bench/peers made, what is on
the path."""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


def peers_dir():
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    return os.environ.get("GLOVEBOX_PEERS", os.path.join(cache, "glovebox-peers"))


def find(name):
    """A command among the peers that bench/peers made, or on the path."""
    path = os.path.join(peers_dir(), name)
    return path if os.access(path, os.X_OK) else shutil.which(name)


def runtimes():
    """Name to command prefix of everything that can run a wasip1 command module."""
    ours = os.environ.get("GLOVEBOX", os.path.join(ROOT, "build/release/glovebox"))
    if not os.access(ours, os.X_OK):
        sys.exit(f"there is no {ours}; build it first")
    table = {"glovebox": [ours, "run"]}
    python = os.path.join(peers_dir(), "wasmtime-py", "bin", "python")
    if find("wasmtime"):
        table["wasmtime"] = [find("wasmtime"), "run", "-W", "max-wasm-stack=8388608"]
    elif os.access(python, os.X_OK):
        table["wasmtime"] = [python, os.path.join(HERE, "hosts", "wasmtime_host.py")]
    for name, words in (("wazero", ["run"]), ("wasmer", ["run"]), ("wasmedge", []),
                        ("iwasm", ["--stack-size=8388608"]), ("wasm3", [])):
        if find(name):
            table[name] = [find(name), *words]
    if find("node"):
        table["node"] = [find("node"), "--no-warnings", "--stack-size=7000",
                         os.path.join(HERE, "hosts", "node.mjs")]
    return table
