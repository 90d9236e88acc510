//! Both clocks, and sleeping. The argument is a time in the last hour, in seconds since 1970.
const std = @import("std");

pub fn main() !void {
    const args = try std.process.argsAlloc(std.heap.wasm_allocator);
    const given = try std.fmt.parseInt(i64, args[1], 10);
    const wall = std.time.timestamp();
    var timer = try std.time.Timer.start();
    std.Thread.sleep(50 * std.time.ns_per_ms);
    const slept = timer.read();
    const right = wall >= given and wall < given + 3600;
    const long = slept >= 50 * std.time.ns_per_ms;
    const out = std.fs.File.stdout();
    try out.writeAll(if (right) "wall clock right\n" else "wall clock wrong\n");
    try out.writeAll(if (long) "slept long enough\n" else "slept too short\n");
}
