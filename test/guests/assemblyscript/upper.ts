// Standard input to standard output, ASCII letters in upper case.
import { fd_write } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

// The shim's write() drops what a short write leaves.
function write(text: ArrayBuffer, size: i32): void {
  const cell = memory.data(3 * sizeof<usize>());
  for (let done = 0; done < size; ) {
    store<usize>(cell, changetype<usize>(text) + done);
    store<usize>(cell, size - done, sizeof<usize>());
    assert(fd_write(1, cell, 1, cell + 2 * sizeof<usize>()) == 0);
    done += <i32>load<usize>(cell, 2 * sizeof<usize>());
  }
}

const buffer = new ArrayBuffer(10000);
const bytes = Uint8Array.wrap(buffer);
for (let n = process.stdin.read(buffer); n > 0; n = process.stdin.read(buffer)) {
  for (let i = 0; i < n; i++) {
    const c = bytes[i];
    if (c >= 0x61 && c <= 0x7a) bytes[i] = c - 0x20;
  }
  write(buffer, n);
}
