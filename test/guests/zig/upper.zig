//! Standard input to standard output, ASCII letters in upper case.
const std = @import("std");

pub fn main() !void {
    var buffer: [10000]u8 = undefined;
    while (true) {
        const n = try std.fs.File.stdin().read(&buffer);
        if (n == 0) return;
        for (buffer[0..n]) |*c| c.* = std.ascii.toUpper(c.*);
        try std.fs.File.stdout().writeAll(buffer[0..n]);
    }
}
