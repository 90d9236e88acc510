//! std.json: reads records from standard input, prints what they add up to and the records again.
const std = @import("std");
const allocator = std.heap.wasm_allocator;

const Record = struct {
    id: i64,
    name: []const u8,
    score: f64,
    alive: bool,
    tags: []const []const u8,
    next: ?*const Record,
};

fn less(_: void, a: []const u8, b: []const u8) bool {
    return std.mem.lessThan(u8, a, b);
}

pub fn main() !void {
    var out_buffer: [4096]u8 = undefined;
    var writer = std.fs.File.stdout().writer(&out_buffer);
    const out = &writer.interface;
    const text = try std.fs.File.stdin().readToEndAlloc(allocator, 1 << 24);
    const records = std.json.parseFromSliceLeaky([]const Record, allocator, text, .{}) catch {
        try out.writeAll("malformed\n");
        try out.flush();
        std.process.exit(1);
    };
    var count: u32 = 0;
    var ids: i64 = 0;
    var quarters: f64 = 0;
    var alive: u32 = 0;
    var tags: std.StringArrayHashMapUnmanaged(void) = .empty;
    for (records) |*first| {
        var record: ?*const Record = first;
        while (record) |r| : (record = r.next) {
            count += 1;
            ids += r.id;
            quarters += r.score * 4;
            alive += @intFromBool(r.alive);
            for (r.tags) |tag| try tags.put(allocator, tag, {});
        }
    }
    std.mem.sort([]const u8, tags.keys(), {}, less);
    try out.print("{d} records, ids {d}, quarters {d}, alive {d}\n", .{ count, ids, quarters, alive });
    try out.print("{s}\n", .{try std.mem.join(allocator, " ", tags.keys())});
    for (records) |r| {
        try out.print("{f}\n", .{std.json.fmt(r.name, .{})});
        try out.print("{f}\n", .{std.json.fmt(r.tags, .{})});
    }
    try out.flush();
}
