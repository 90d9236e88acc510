// What is not open is not written to, and the count stays as it was.
import { fd_write, errno } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const text = memory.data<u8>([104, 101, 108, 108, 111, 10]);
const iov = memory.data(8), count = memory.data(4);
store<u32>(iov, <u32>text);
store<u32>(iov, 6, 4);
store<u32>(count, 77);
for (let fd: u32 = 90; fd < 110; fd++) assert(fd_write(fd, iov, 1, count) == errno.BADF);
assert(fd_write(<u32>-1, iov, 1, count) == errno.BADF);
assert(load<u32>(count) == 77);
