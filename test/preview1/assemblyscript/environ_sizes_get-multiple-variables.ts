// How many variables there are, and their bytes with a NUL each.
import { environ_sizes_get, errno } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const at = memory.data(8);
assert(environ_sizes_get(at, at + 4) == errno.SUCCESS);
assert(load<u32>(at) == 3);
assert(load<u32>(at, 4) == 7 + 14 + 11);
