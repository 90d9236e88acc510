//! Ends with the exit code it is given. "abort" ends it by a panic, which is a trap.
const std = @import("std");

pub fn main() !void {
    try std.fs.File.stdout().writeAll("ending\n");
    const args = try std.process.argsAlloc(std.heap.wasm_allocator);
    if (args.len < 2) return;
    if (std.mem.eql(u8, args[1], "abort")) @panic("as told");
    std.process.exit(try std.fmt.parseInt(u8, args[1], 10));
}
