// Randomness up to its last byte and not beyond: some byte of many differs each time.
import { random_get, errno } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const LEN: usize = 64;
const one = heap.alloc(LEN + 1), two = heap.alloc(LEN);
store<u8>(one + LEN, 0x5a);
assert(random_get(one, <u32>LEN) == errno.SUCCESS);
assert(random_get(two, <u32>LEN) == errno.SUCCESS);
assert(memory.compare(one, two, LEN) != 0);
assert(load<u8>(one + LEN) == 0x5a);
