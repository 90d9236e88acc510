//! The arguments, one a line, behind their number.
const std = @import("std");

pub fn main() !void {
    const args = try std.process.argsAlloc(std.heap.wasm_allocator);
    var buffer: [1000]u8 = undefined;
    var writer = std.fs.File.stdout().writer(&buffer);
    const out = &writer.interface;
    try out.print("{d} arguments\n", .{args.len - 1});
    for (args[1..]) |arg| try out.print("[{s}]\n", .{arg});
    try out.flush();
}
