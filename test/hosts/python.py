#!/usr/bin/env python3
"""A Python program that runs guests through ctypes, by the shared library alone: test/hosts/python.py LIB WASM

Prints `PASS name` or `FAIL name` for each thing that must hold. With a third word it is a program that is to
die, see test_crashes.
"""
import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import threading
import traceback

SIZE, PTR, I32, U32, U64 = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint64
MINUTE = 60_000_000_000


class Val(ctypes.Structure):
    """gbx_val; values of up to 64 bits are all that is used here."""

    class Of(ctypes.Union):
        _fields_ = [("i32", I32), ("i64", ctypes.c_int64), ("v128", ctypes.c_uint8 * 16)]

    _fields_ = [("type", ctypes.c_int), ("of", Of)]


class Err(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("offset", U64), ("text", ctypes.c_char * 1024)]


class EngineOpts(ctypes.Structure):
    """Of an older version of the library: fields behind `tier` are not known to this program."""
    _fields_ = [("size", SIZE), ("features_off", U64), ("tier", ctypes.c_int), ("compile_threads", U32),
                ("symbols", U32), ("cache_dir", ctypes.c_char_p), ("cache_bytes", U64),
                ("pool_instances", U32), ("pool_bytes", U64), ("canonical_nans", U32)]


class StoreOpts(ctypes.Structure):
    _fields_ = [("size", SIZE), ("timeout_ns", U64), ("memory_bytes", U64), ("stack_bytes", U64),
                ("table_elems", U64), ("output_bytes", U64), ("disk_bytes", U64), ("huge_pages", U64)]


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, PTR, PTR, ctypes.POINTER(Val), ctypes.POINTER(Val))
lib = ctypes.CDLL(sys.argv[1])
for name, result, *args in (
        ("engine_new", None, PTR, PTR, PTR), ("module_compile_file", None, PTR, ctypes.c_char_p, PTR, PTR, PTR),
        ("store_new", None, PTR, PTR, PTR, PTR), ("linker_new", None, PTR, PTR, PTR),
        ("linker_define_func", None, PTR, ctypes.c_char_p, ctypes.c_char_p, PTR, SIZE, PTR, SIZE, CALLBACK, PTR, PTR),
        ("instance_new", None, PTR, PTR, PTR, PTR, PTR, PTR), ("instance_func", PTR, PTR, ctypes.c_char_p),
        ("func_params", SIZE, PTR, PTR), ("func_results", SIZE, PTR, PTR),
        ("func_call", ctypes.c_int, PTR, PTR, SIZE, PTR, SIZE, PTR), ("trap_slug", ctypes.c_char_p, ctypes.c_int),
        ("version", ctypes.c_char_p), ("store_cancel", None, PTR), ("store_release", None, PTR),
        ("linker_release", None, PTR), ("module_release", None, PTR), ("engine_release", None, PTR)):
    function = getattr(lib, "gbx_" + name)
    function.argtypes = args
    function.restype = ctypes.c_int if result is None and name.split("_")[-1] not in ("cancel", "release") else result


def check(code, err):
    if code:
        raise RuntimeError(err.text.decode())


class World:
    """An engine that compiles everything, and one module."""

    def __init__(self, path):
        self.err, self.engine, self.module = Err(), PTR(), PTR()
        opts = EngineOpts(size=ctypes.sizeof(EngineOpts), tier=2)
        check(lib.gbx_engine_new(ctypes.byref(opts), ctypes.byref(self.engine), ctypes.byref(self.err)), self.err)
        check(lib.gbx_module_compile_file(self.engine, path.encode(), None, ctypes.byref(self.module),
                                          ctypes.byref(self.err)), self.err)


class Guest:
    def __init__(self, world, back, timeout_ns=MINUTE):
        def callback(_caller, _data, args, results):
            results[0].of.i32 = back(args[0].of.i32)
            return 0

        self.callback = CALLBACK(callback)  # lives as long as the store
        self.store, self.instance, linker, err = PTR(), PTR(), PTR(), world.err
        opts = StoreOpts(size=ctypes.sizeof(StoreOpts), timeout_ns=timeout_ns, stack_bytes=1 << 20)
        check(lib.gbx_store_new(world.engine, ctypes.byref(opts), ctypes.byref(self.store), ctypes.byref(err)), err)
        check(lib.gbx_linker_new(self.store, ctypes.byref(linker), ctypes.byref(err)), err)
        types = (ctypes.c_int * 1)(0)
        check(lib.gbx_linker_define_func(linker, b"env", b"back", types, 1, types, 1, self.callback, None,
                                         ctypes.byref(err)), err)
        check(lib.gbx_instance_new(self.store, world.module, linker, ctypes.byref(self.instance), None,
                                   ctypes.byref(err)), err)
        lib.gbx_linker_release(linker)

    def call(self, name, *args):
        """(result, slug of the trap)."""
        func = lib.gbx_instance_func(self.instance, name.encode())
        vals = (Val * max(1, len(args)))(*(Val(0, Val.Of(i32=a)) for a in args))
        out = (Val * 1)()
        code = lib.gbx_func_call(func, vals, len(args), out, lib.gbx_func_results(func, None), None)
        return out[0].of.i32, lib.gbx_trap_slug(code).decode()

    def close(self):
        lib.gbx_store_release(self.store)

    def traps(self):
        for name, args, slug in (("oob", [65536], "memory-out-of-bounds"), ("oob", [-1], "memory-out-of-bounds"),
                                 ("div", [0], "integer-divide-by-zero"), ("deep", [0], "stack-exhausted"),
                                 ("gone", [], "unreachable")):
            assert self.call(name, *args)[1] == slug, (name, self.call(name, *args))
        assert self.call("add", 40, 2) == (42, "none")


def test_traps(world):
    guest = Guest(world, lambda v: v)
    guest.traps()
    guest.close()


def test_callback(world):
    def back(v):
        guest.traps()  # a call in a call
        try:
            return [][v]
        except IndexError:
            return v * 3

    guest = Guest(world, back)
    for i in range(100):
        assert guest.call("through", i) == (3 * i, "none")
    guest.close()


def test_threads(world):
    wrong = []

    def run():
        guest = Guest(world, lambda v: v + 1)
        for i in range(50):
            guest.traps()
            if guest.call("through", i) != (i + 1, "none"):
                wrong.append(i)
        guest.close()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong


def test_interrupt_of_a_worker(world):
    """The guest runs in a thread; Python's handler runs in the main one and cancels it."""
    guest, ends = Guest(world, lambda v: v), []
    worker = threading.Thread(target=lambda: ends.append(guest.call("spin")[1]))

    def on_signal(_sig, _frame):
        lib.gbx_store_cancel(guest.store)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        worker.start()
        os.kill(os.getpid(), signal.SIGINT)
        while worker.is_alive():
            worker.join(0.01)
        raise AssertionError("no KeyboardInterrupt")
    except KeyboardInterrupt:
        worker.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ends == ["cancelled"], ends
    guest.traps()
    guest.close()


def test_interrupt_of_main(world):
    """The guest runs in the main thread, where Python runs its handlers only between its own instructions: a
    thread that reads the wake-up descriptor ends the call, and KeyboardInterrupt follows by itself."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    guest = Guest(world, lambda v: v)

    def watch():
        os.read(reader, 1)
        lib.gbx_store_cancel(guest.store)

    before = signal.set_wakeup_fd(writer)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    watcher = threading.Thread(target=watch)
    watcher.start()
    threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        guest.call("spin")
        for _ in range(1000):
            pass
        raise AssertionError("no KeyboardInterrupt")
    except KeyboardInterrupt:
        watcher.join()
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGINT, handler)
        os.close(reader)
        os.close(writer)
    guest.traps()
    guest.close()


def test_crashes(world):
    """faulthandler, switched on before or after the first guest, sees the faults that are Python's own, and
    none of those that are a guest's."""
    del world
    for order in ("before", "after"):
        done = subprocess.run([sys.executable, *sys.argv[:3], order], capture_output=True, text=True, check=False)
        assert done.stdout == "guests have trapped\n", done
        assert done.returncode == -signal.SIGSEGV, done
        assert done.stderr.count("Fatal Python error: Segmentation fault") == 1, done
        assert "in crash" in done.stderr, done


def crash(world, order):
    if order == "before":
        faulthandler.enable()
    guest = Guest(world, lambda v: v)
    guest.traps()
    if order == "after":
        faulthandler.enable()
        guest.traps()
    print("guests have trapped", flush=True)
    ctypes.string_at(8)


def main():
    sys.argv[1:3] = map(os.path.abspath, sys.argv[1:3])
    world = World(sys.argv[2])
    if len(sys.argv) > 3:
        crash(world, sys.argv[3])
    failed = False
    for key, test in list(globals().items()):
        if not key.startswith("test_"):
            continue
        try:
            test(world)
            verdict = "PASS"
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc(file=sys.stdout)
            verdict, failed = "FAIL", True
        print(f"{verdict} hosts/python/{key[5:].replace('_', '-')}", flush=True)
    lib.gbx_module_release(world.module)
    lib.gbx_engine_release(world.engine)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
