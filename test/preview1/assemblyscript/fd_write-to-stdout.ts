// Standard output gets all of it.
import { fd_write, errno } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const text = memory.data<u8>([104, 101, 108, 108, 111, 10]);
const iov = memory.data(8), count = memory.data(4);
store<u32>(iov, <u32>text);
store<u32>(iov, 6, 4);
assert(fd_write(1, iov, 1, count) == errno.SUCCESS);
assert(load<u32>(count) == 6);
