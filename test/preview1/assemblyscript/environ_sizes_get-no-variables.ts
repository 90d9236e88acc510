// Without variables nothing of the host's is there.
import { environ_sizes_get, errno } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const at = memory.data(8);
assert(environ_sizes_get(at, at + 4) == errno.SUCCESS);
assert(load<u32>(at) == 0);
assert(load<u32>(at, 4) == 0);
