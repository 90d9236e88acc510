//! Both standard streams.
const std = @import("std");

pub fn main() !void {
    try std.fs.File.stdout().writeAll("hello, world\n");
    try std.fs.File.stderr().writeAll("hello, standard error\n");
}
