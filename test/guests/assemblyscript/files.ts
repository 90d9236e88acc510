// Files of a granted directory, by the calls of preview 1 themselves, for want of a library: written,
// appended to, overwritten, read back, renamed, listed, removed. The first argument is the directory;
// each other one is a path that must not be reached.
import * as wasi from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

const CREATE: u16 = 1, TRUNCATE: u16 = 8;
const APPEND: u16 = 1;
const RIGHTS: u64 = wasi.rights.FD_READ | wasi.rights.FD_WRITE | wasi.rights.FD_SEEK |
  wasi.rights.FD_TELL | wasi.rights.FD_FILESTAT_GET | wasi.rights.FD_FILESTAT_SET_SIZE;

// Scratch words and a buffer for results.
const cell = memory.data(64, 8);
const area = memory.data(4096, 8);

class Path {
  dir: u32 = 0;
  bytes: ArrayBuffer = new ArrayBuffer(0);
  get at(): usize { return changetype<usize>(this.bytes); }
  get size(): i32 { return this.bytes.byteLength; }
}

// The granted directory with the longest name that starts `path`, and the rest of it.
function resolve(path: string): Path | null {
  let best: Path | null = null;
  let bestLength = -1;
  for (let fd: u32 = 3; wasi.fd_prestat_get(fd, changetype<wasi.prestat>(cell)) == 0; fd++) {
    const length = load<u32>(cell, 4);
    assert(wasi.fd_prestat_dir_name(fd, area, length) == 0);
    const name = String.UTF8.decodeUnsafe(area, length);
    const prefix = name.endsWith("/") ? name : name + "/";
    if (<i32>length <= bestLength || !(path + "/").startsWith(prefix)) continue;
    let rest = path.substring(prefix.length);
    while (rest.startsWith("/")) rest = rest.substring(1);
    bestLength = length;
    best = new Path();
    best.dir = fd;
    best.bytes = String.UTF8.encode(rest.length ? rest : ".");
  }
  return best;
}

function fail(what: string): void {
  console.log("cannot " + what);
  process.exit(1);
}

function check(what: string, code: u16): void {
  if (code != 0) fail(what);
}

function find(path: string): Path {
  const found = resolve(path);
  if (found === null) fail("find " + path);
  return found!;
}

// A descriptor, or -1.
function open(path: string, oflags: u16, fdflags: u16, rights: u64): i32 {
  const p = resolve(path);
  if (p === null) return -1;
  const code = wasi.path_open(p.dir, 1, p.at, p.size, oflags, rights, 0, fdflags, cell);
  return code == 0 ? load<i32>(cell) : -1;
}

function vector(at: usize, size: usize): usize {
  store<usize>(cell, at, 8);
  store<usize>(cell, size, 12);
  return cell + 8;
}

function write(fd: i32, text: string): void {
  const bytes = String.UTF8.encode(text);
  check("write", wasi.fd_write(fd, vector(changetype<usize>(bytes), bytes.byteLength), 1, cell));
  assert(load<i32>(cell) == bytes.byteLength);
}

function read(fd: i32): string {
  check("read", wasi.fd_read(fd, vector(area, 4096), 1, cell));
  return String.UTF8.decodeUnsafe(area, load<u32>(cell));
}

function seek(fd: i32, offset: i64, whence: u8): u64 {
  check("seek", wasi.fd_seek(fd, offset, whence, cell));
  return load<u64>(cell);
}

function put(path: string, text: string, oflags: u16, fdflags: u16): void {
  const fd = open(path, oflags, fdflags, RIGHTS);
  if (fd < 0) fail("write");
  write(fd, text);
  check("close", wasi.fd_close(fd));
}

function size(path: string): u64 {
  const p = find(path);
  check("stat", wasi.path_filestat_get(p.dir, 1, p.at, p.size, changetype<wasi.filestat>(area)));
  return load<u64>(area, 32);
}

function exists(path: string): bool {
  const p = find(path);
  return wasi.path_filestat_get(p.dir, 1, p.at, p.size, changetype<wasi.filestat>(area)) == 0;
}

function rename(from: string, to: string): void {
  const a = find(from), b = find(to);
  check("rename", wasi.path_rename(a.dir, a.at, a.size, b.dir, b.at, b.size));
}

function unlink(path: string): void {
  const p = find(path);
  check("remove", wasi.path_unlink_file(p.dir, p.at, p.size));
}

function removeDirectory(name: string): void {
  const p = find(root + "/" + name);
  const code = wasi.path_remove_directory(p.dir, p.at, p.size);
  console.log(name + (code == 0 ? " removed" : " is not empty"));
}

// The names in a directory, read in small pieces: each call goes on where the last name ended.
function list(name: string): void {
  const names: string[] = [];
  const fd = open(root + "/" + name, 2, 0, wasi.rights.FD_READDIR);
  if (fd < 0) fail("list");
  let cookie: u64 = 0;
  const room: u32 = 64;
  for (;;) {
    check("list", wasi.fd_readdir(fd, area, room, cookie, cell));
    const used = load<u32>(cell);
    let at: u32 = 0;
    while (at + 24 <= used) {
      const length = load<u32>(area + at, 16);
      if (at + 24 + length > used) break;
      cookie = load<u64>(area + at);
      const entry = String.UTF8.decodeUnsafe(area + at + 24, length);
      if (entry != "." && entry != "..") names.push(entry);
      at += 24 + length;
    }
    if (used < room) break;
  }
  check("close", wasi.fd_close(fd));
  console.log(name + ": " + names.sort().join(" "));
}

const root = process.argv[1];
const notes = root + "/notes.txt";
put(notes, "one\ntwo\nthree\n", CREATE | TRUNCATE, 0);
put(notes, "four\n", 0, APPEND);
let fd = open(notes, 0, 0, RIGHTS);
assert(seek(fd, 4, 0) == 4);
write(fd, "TWO");
check("close", wasi.fd_close(fd));
console.log("size " + size(notes).toString());
fd = open(notes, 0, 0, RIGHTS);
process.stdout.write(read(fd));
assert(seek(fd, -5, 2) == 14);
process.stdout.write("end: " + read(fd));
check("truncate", wasi.fd_filestat_set_size(fd, 8));
check("close", wasi.fd_close(fd));
console.log("truncated to " + size(notes).toString());

const sub = find(root + "/sub");
check("mkdir", wasi.path_create_directory(sub.dir, sub.at, sub.size));
rename(notes, root + "/sub/moved.txt");
console.log("notes.txt is " + (exists(notes) ? "still there" : "gone"));
put(root + "/sub/b.txt", "b", CREATE, 0);
put(root + "/sub/a.txt", "a", CREATE, 0);
list("sub");
removeDirectory("sub");
unlink(root + "/sub/a.txt");
unlink(root + "/sub/b.txt");
rename(root + "/sub/moved.txt", root + "/kept.txt");
removeDirectory("sub");

for (let i = 2; i < process.argv.length; i++) {
  const path = process.argv[i];
  const seen = open(path, 0, 0, wasi.rights.FD_READ) >= 0;
  const made = open(path + ".made", CREATE, 0, wasi.rights.FD_WRITE) >= 0;
  console.log(path + (seen ? ": read, " : ": not read, ") + (made ? "made" : "not made"));
}
