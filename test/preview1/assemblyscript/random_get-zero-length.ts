// No bytes of randomness are none, and the place is untouched.
import { random_get, errno } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const at = memory.data(1);
store<u8>(at, 0x5a);
assert(random_get(at, 0) == errno.SUCCESS);
assert(load<u8>(at) == 0x5a);
