//! Files of a granted directory: written, appended to, overwritten, read back, renamed, listed,
//! removed. The first argument is the directory; each other one is a path that must not be reached.
const std = @import("std");
const allocator = std.heap.wasm_allocator;

var out: *std.Io.Writer = undefined;
var preopens: std.fs.wasi.Preopens = undefined;

const Place = struct { dir: std.fs.Dir, path: []const u8 };

/// The granted directory with the longest name that starts `path`, and the rest of it.
fn resolve(path: []const u8) !Place {
    var best: ?Place = null;
    var best_len: usize = 0;
    for (preopens.names, 0..) |name, fd| {
        if (fd < 3 or (best != null and name.len <= best_len)) continue;
        const trimmed = std.mem.trimRight(u8, name, "/");
        if (!std.mem.startsWith(u8, path, trimmed)) continue;
        const rest = path[trimmed.len..];
        if (rest.len > 0 and rest[0] != '/') continue;
        const inside = std.mem.trimLeft(u8, rest, "/");
        best = .{ .dir = .{ .fd = @intCast(fd) }, .path = if (inside.len > 0) inside else "." };
        best_len = name.len;
    }
    return best orelse error.NotGranted;
}

fn writeAndRead(dir: std.fs.Dir) !void {
    try dir.writeFile(.{ .sub_path = "notes.txt", .data = "one\ntwo\nthree\n" });
    const file = try dir.openFile("notes.txt", .{ .mode = .read_write });
    defer file.close();
    try file.seekFromEnd(0);
    try file.writeAll("four\n");
    try file.seekTo(4);
    try file.writeAll("TWO");
    try out.print("size {d}\n", .{(try dir.statFile("notes.txt")).size});
    try out.writeAll(try dir.readFileAlloc(allocator, "notes.txt", 1000));
    try file.seekFromEnd(-5);
    var end: [100]u8 = undefined;
    try out.print("end: {s}", .{end[0..try file.readAll(&end)]});
    try file.setEndPos(8);
    try out.print("truncated to {d}\n", .{(try file.stat()).size});
}

fn less(_: void, a: []const u8, b: []const u8) bool {
    return std.mem.lessThan(u8, a, b);
}

fn list(dir: std.fs.Dir, name: []const u8) !void {
    var opened = try dir.openDir(name, .{ .iterate = true });
    defer opened.close();
    var names: std.ArrayList([]const u8) = .empty;
    var entries = opened.iterate();
    while (try entries.next()) |entry| try names.append(allocator, try allocator.dupe(u8, entry.name));
    std.mem.sort([]const u8, names.items, {}, less);
    try out.print("{s}:", .{name});
    for (names.items) |entry| try out.print(" {s}", .{entry});
    try out.writeAll("\n");
}

fn removeSub(dir: std.fs.Dir) !void {
    if (dir.deleteDir("sub")) {
        try out.writeAll("sub removed\n");
    } else |err| switch (err) {
        error.DirNotEmpty => try out.writeAll("sub is not empty\n"),
        else => return err,
    }
}

fn moveAndRemove(dir: std.fs.Dir) !void {
    try dir.makeDir("sub");
    try dir.rename("notes.txt", "sub/moved.txt");
    const there = if (dir.access("notes.txt", .{})) true else |_| false;
    try out.print("notes.txt is {s}\n", .{if (there) "still there" else "gone"});
    try dir.writeFile(.{ .sub_path = "sub/b.txt", .data = "b" });
    try dir.writeFile(.{ .sub_path = "sub/a.txt", .data = "a" });
    try list(dir, "sub");
    try removeSub(dir);
    try dir.deleteFile("sub/a.txt");
    try dir.deleteFile("sub/b.txt");
    try dir.rename("sub/moved.txt", "kept.txt");
    try removeSub(dir);
}

fn canRead(path: []const u8) bool {
    const place = resolve(path) catch return false;
    const file = place.dir.openFile(place.path, .{}) catch return false;
    file.close();
    return true;
}

fn canMake(path: []const u8) bool {
    const place = resolve(path) catch return false;
    const file = place.dir.createFile(place.path, .{}) catch return false;
    file.close();
    return true;
}

pub fn main() !void {
    const args = try std.process.argsAlloc(allocator);
    var buffer: [1000]u8 = undefined;
    var writer = std.fs.File.stdout().writer(&buffer);
    out = &writer.interface;
    defer out.flush() catch {};
    preopens = try std.fs.wasi.preopensAlloc(allocator);
    const place = resolve(args[1]) catch {
        try out.writeAll("cannot write\n");
        try out.flush();
        std.process.exit(1);
    };
    const dir = try place.dir.openDir(place.path, .{});
    writeAndRead(dir) catch {
        try out.writeAll("cannot write\n");
        try out.flush();
        std.process.exit(1);
    };
    try moveAndRemove(dir);
    for (args[2..]) |path| {
        const read = if (canRead(path)) "read" else "not read";
        const name = try std.fmt.allocPrint(allocator, "{s}.made", .{path});
        try out.print("{s}: {s}, {s}\n", .{ path, read, if (canMake(name)) "made" else "not made" });
    }
}
