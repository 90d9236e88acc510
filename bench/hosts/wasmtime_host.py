"""Runs a command module under wasmtime's engine from PyPI: wasmtime_host.py FILE.wasm [args ...]

The engine is the command's, with the command's optimising compiler and its 4 GiB guard pages; what the
module computes is compiled code in both.
"""
import sys

import wasmtime

config = wasmtime.Config()
config.cache = True
config.max_wasm_stack = 1 << 20  # more is refused: it has to fit a fiber
engine = wasmtime.Engine(config)
linker = wasmtime.Linker(engine)
linker.define_wasi()
store = wasmtime.Store(engine)
wasi = wasmtime.WasiConfig()
wasi.argv = sys.argv[1:]
wasi.inherit_stdin()
wasi.inherit_stdout()
wasi.inherit_stderr()
store.set_wasi(wasi)
instance = linker.instantiate(store, wasmtime.Module.from_file(engine, sys.argv[1]))
try:
    instance.exports(store)["_start"](store)
except wasmtime.ExitTrap as end:
    sys.exit(end.code)
