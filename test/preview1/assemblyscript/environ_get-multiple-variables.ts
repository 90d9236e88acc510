// Variables as they were given, quotes and line breaks included; nothing is written behind them.
import { environ_sizes_get, environ_get, errno } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const at = memory.data(8);
assert(environ_sizes_get(at, at + 4) == errno.SUCCESS);
const count = load<u32>(at), bytes = load<u32>(at, 4);
const pointers = heap.alloc(count * 4), texts = heap.alloc(bytes + 1);
store<u8>(texts + bytes, 0x7f);
assert(environ_get(pointers, texts) == errno.SUCCESS);
assert(load<u8>(texts + bytes) == 0x7f);

const expected = ["a=text", 'b=escap " ing', "c=new\nline"];
assert(count == <u32>expected.length);
for (let i = 0; i < expected.length; i++) {
  const text = load<u32>(pointers + <usize>i * 4);
  assert(text >= texts && text < texts + bytes);
  assert(String.UTF8.decodeUnsafe(text, texts + bytes - text, true) == expected[i]);
}
