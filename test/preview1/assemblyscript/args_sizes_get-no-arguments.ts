// Without arguments there is the program's name.
import { args_sizes_get, errno } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const at = memory.data(8);
assert(args_sizes_get(at, at + 4) == errno.SUCCESS);
assert(load<u32>(at) == 1);
assert(load<u32>(at, 4) >= 1);
