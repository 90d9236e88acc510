"""Fetches what a suite needs from the registries, pinned, once; what is there is not touched.

Missing tools are installed as ./check does it (tools/setup.sh). Everything is made in a directory
beside its final place and renamed when it is whole: an interrupted run leaves nothing half-made.
Threads and suites may ask for the same thing at the same time.
"""
import collections
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

LOCKS = collections.defaultdict(threading.Lock)  # one a directory, and one for apt-get


@contextlib.contextmanager
def locked(what):
    """One thread of all suites at a time holds `what`: flock, of files of its own, keeps the others out."""
    folder = os.path.join(ROOT, "build", "locks")
    os.makedirs(folder, exist_ok=True)
    name = hashlib.sha256(what.encode()).hexdigest()[:16]
    with LOCKS[what], open(os.path.join(folder, name), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def call(command, **options):
    """Run quietly; end with what it said if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout.decode('utf-8', 'replace')}")


def setup(function, *arguments):
    """Call a function of tools/setup.sh; one at a time, for apt-get has a lock and does not wait."""
    with locked("apt-get"):
        call(["sh", "-euc", '. tools/setup.sh; "$@"', "sh", function, *arguments], cwd=ROOT)


def install(*pairs):
    """Install Debian packages: pairs 'COMMAND-OR-FILE PACKAGE' as install_missing takes them."""
    if not all(shutil.which(pair.split()[0]) or os.path.exists(pair.split()[0]) for pair in pairs):
        setup("install_missing", *pairs)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def is_current(directory, pins):
    """Was `directory` made from these pins? Its stamp is written last."""
    stamp = os.path.join(directory, ".pins")
    return os.path.exists(stamp) and read(stamp) == pins


def fresh(directory):
    """An empty directory to make `directory` in."""
    made = directory + ".new"
    shutil.rmtree(made, ignore_errors=True)
    os.makedirs(made)
    return made


def finish(made, directory, pins):
    with open(os.path.join(made, ".pins"), "wb") as f:
        f.write(pins)
    shutil.rmtree(directory, ignore_errors=True)
    os.rename(made, directory)


def python_packages(requirements, directory):
    """Install the hashed requirements of a file into `directory`, with pip."""
    with locked(directory):
        python_packages_once(requirements, directory)


def python_packages_once(requirements, directory):
    pins = read(requirements)
    if is_current(directory, pins):
        return
    install("/usr/bin/python3 python3")
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True,
                      check=False).returncode:
        install("pip3 python3-pip")
    made = fresh(directory)
    call([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
          "--only-binary=:all:", "--disable-pip-version-check", "--target", made,
          "-r", requirements])
    finish(made, directory, pins)


def crates(manifests, directory, cargo="cargo", env=None, sync=()):
    """Unpack the crates of manifests/Cargo.lock into `directory`, with cargo, and those of `sync`, other
    manifests. Cargo compares every crate with the checksum in the lock file before it unpacks it."""
    with locked(directory):
        crates_once(manifests, directory, cargo, env, sync)


def crates_once(manifests, directory, cargo, env, sync):
    names = ("Cargo.toml", "Cargo.lock")
    pins = b"".join(read(os.path.join(manifests, name)) for name in names) + "".join(sync).encode()
    if is_current(directory, pins):
        return
    made = fresh(directory)
    work = fresh(directory + ".work")
    for name in names:
        shutil.copy(os.path.join(manifests, name), work)
    os.makedirs(os.path.join(work, "src"))
    for name in ("lib.rs", "src/lib.rs"):  # whichever the manifest means: cargo wants a target
        with open(os.path.join(work, name), "wb"):
            pass
    more = [word for manifest in sync for word in ("--sync", manifest)]
    call([cargo, "vendor", "--quiet", "--locked", "--versioned-dirs", *more, made], cwd=work, env=env)
    shutil.rmtree(work)
    finish(made, directory, pins)
