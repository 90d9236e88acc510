// Both clocks, and sleeping. The argument is a time in the last hour, in seconds since 1970.
import { poll_oneoff } from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

// A subscription of 48 bytes (SPEC: preview1 witx, $subscription): userdata, tag, clock, timeout, ...
function sleep(nanoseconds: u64): void {
  const subscription = memory.data(48, 8);
  const event = memory.data(32, 8);
  const count = memory.data(4, 4);
  memory.fill(subscription, 0, 48);
  store<u32>(subscription, 1, 16); // monotonic
  store<u64>(subscription, nanoseconds, 24);
  assert(poll_oneoff(changetype<usize>(subscription), changetype<usize>(event), 1, count) == 0);
}

const given = F64.parseFloat(process.argv[1]);
const wall = <f64>Date.now() / 1000;
const begin = process.hrtime();
sleep(50 * 1000 * 1000);
const slept = process.hrtime() - begin;
console.log("wall clock " + (wall >= given && wall < given + 3600 ? "right" : "wrong"));
console.log("slept " + (slept >= 50 * 1000 * 1000 ? "long enough" : "too short"));
