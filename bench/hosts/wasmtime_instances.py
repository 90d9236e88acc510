"""Times instances under wasmtime's engine from PyPI, pooled: wasmtime_instances.py ROUNDS FILE.wasm

As many of them as ROUNDS, one after the other, in one process: store, grants, instance; then _start; then
dropping it. Each call goes through Python's ctypes, some 40 of them a round: the engine itself takes less.
"""
import gc
import sys
import time

import wasmtime
from wasmtime import _bindings as ffi


def pooled(config, slots):
    """The pooling allocator, which the package does not name: its C interface."""
    pool = ffi.wasmtime_pooling_allocation_config_new()
    for what in ("total_memories", "total_tables", "total_core_instances", "total_stacks"):
        getattr(ffi, f"wasmtime_pooling_allocation_config_{what}_set")(pool, slots)
    ffi.wasmtime_pooling_allocation_config_table_elements_set(pool, 100000)
    ffi.wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, 4 << 20)
    ffi.wasmtime_pooling_allocation_config_table_keep_resident_set(pool, 1 << 20)
    ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    ffi.wasmtime_pooling_allocation_config_delete(pool)


def main():
    rounds, path = int(sys.argv[1]), sys.argv[2]
    config = wasmtime.Config()
    config.cache = True
    config.memory_init_cow = True
    pooled(config, 16)
    engine = wasmtime.Engine(config)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    module = wasmtime.Module.from_file(engine, path)
    times = {"instantiate us": [], "_start us": [], "drop us": [], "all of it us": []}
    gc.disable()
    for _ in range(rounds):
        start = time.perf_counter()
        store = wasmtime.Store(engine)
        wasi = wasmtime.WasiConfig()
        wasi.argv = [path]
        store.set_wasi(wasi)
        instance = linker.instantiate(store, module)
        made = time.perf_counter()
        try:
            instance.exports(store)["_start"](store)
        except wasmtime.ExitTrap as end:
            if end.code:
                raise
        ran = time.perf_counter()
        del instance
        store.close()
        end = time.perf_counter()
        for row, seconds in zip(times.values(), (made - start, ran - made, end - ran, end - start)):
            row.append(seconds * 1e6)
    print(f"{'wasmtime, pooled':22} {'best':>10} {'median':>10} {'99 of 100':>10}")
    for name, row in times.items():
        row.sort()
        print(f"{name:22} {row[0]:10.1f} {row[rounds // 2]:10.1f} {row[rounds * 99 // 100]:10.1f}")


main()
