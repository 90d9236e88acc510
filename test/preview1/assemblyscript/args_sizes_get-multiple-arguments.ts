// How many arguments there are, the program's name included, and their bytes.
import { args_sizes_get, errno } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const at = memory.data(8);
assert(args_sizes_get(at, at + 4) == errno.SUCCESS);
assert(load<u32>(at) == 4);
// The program's own name is of any length; the others are first, the "word" and 3.
assert(load<u32>(at, 4) >= 1 + 6 + 11 + 2);
