//! The environment variables that the arguments name, and how many there are in all.
const std = @import("std");

pub fn main() !void {
    const allocator = std.heap.wasm_allocator;
    const args = try std.process.argsAlloc(allocator);
    const env = try std.process.getEnvMap(allocator);
    var buffer: [1000]u8 = undefined;
    var writer = std.fs.File.stdout().writer(&buffer);
    const out = &writer.interface;
    try out.print("{d} variables\n", .{env.count()});
    for (args[1..]) |name| {
        if (env.get(name)) |value| {
            try out.print("{s}=[{s}]\n", .{ name, value });
        } else {
            try out.print("{s} is not set\n", .{name});
        }
    }
    try out.flush();
}
