//! std.compress: decompresses a zlib stream from standard input to standard output.
const std = @import("std");

pub fn main() !void {
    var in_buffer: [4096]u8 = undefined;
    var out_buffer: [4096]u8 = undefined;
    var window: [std.compress.flate.max_window_len]u8 = undefined;
    var reader = std.fs.File.stdin().reader(&in_buffer);
    var writer = std.fs.File.stdout().writer(&out_buffer);
    var inflater: std.compress.flate.Decompress = .init(&reader.interface, .zlib, &window);
    _ = inflater.reader.streamRemaining(&writer.interface) catch {
        try writer.interface.flush();
        std.process.exit(1);
    };
    try writer.interface.flush();
}
