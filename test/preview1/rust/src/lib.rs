//! Preview 1 as its text has it: the calls by their raw imports, with results in place of out-pointers, and
//! what the programs share. SPEC: WASI preview 1, wasi_snapshot_preview1.witx.
//!
//! Everything a program does not expect is a panic, and so an exit code that is not 0.

pub type Fd = u32;
pub type Errno = u16;
pub type Call<T> = Result<T, Errno>;

macro_rules! numbers {
    ($type:ty: $($name:ident = $value:expr),* $(,)?) => { $(pub const $name: $type = $value;)* };
}

numbers!(Errno: ACCES = 2, BADF = 8, EXIST = 20, ILSEQ = 25, INVAL = 28, ISDIR = 31, LOOP = 32, NAMETOOLONG = 37,
    NOENT = 44, NOTDIR = 54, NOTEMPTY = 55, NOTSUP = 58, PERM = 63, NOTCAPABLE = 76);
numbers!(u16: CREAT = 1, DIRECTORY = 2, EXCL = 4, TRUNC = 8);
numbers!(u16: APPEND = 1, NONBLOCK = 4, SYNC = 16);
numbers!(u32: FOLLOW = 1);
numbers!(u16: ATIM = 1, ATIM_NOW = 2, MTIM = 4, MTIM_NOW = 8);
numbers!(u8: SET = 0, CUR = 1, END = 2);
numbers!(u8: IS_DIRECTORY = 3, IS_REGULAR = 4, IS_LINK = 7);
numbers!(u32: REALTIME = 0, MONOTONIC = 1);

/// The rights, by their bits.
pub mod right {
    numbers!(u64: FD_DATASYNC = 1 << 0, FD_READ = 1 << 1, FD_SEEK = 1 << 2, FD_FDSTAT_SET_FLAGS = 1 << 3,
        FD_SYNC = 1 << 4, FD_TELL = 1 << 5, FD_WRITE = 1 << 6, FD_ADVISE = 1 << 7, FD_ALLOCATE = 1 << 8,
        PATH_CREATE_DIRECTORY = 1 << 9, PATH_CREATE_FILE = 1 << 10, PATH_LINK_SOURCE = 1 << 11,
        PATH_LINK_TARGET = 1 << 12, PATH_OPEN = 1 << 13, FD_READDIR = 1 << 14, PATH_READLINK = 1 << 15,
        PATH_RENAME_SOURCE = 1 << 16, PATH_RENAME_TARGET = 1 << 17, PATH_FILESTAT_GET = 1 << 18,
        PATH_FILESTAT_SET_SIZE = 1 << 19, PATH_FILESTAT_SET_TIMES = 1 << 20, FD_FILESTAT_GET = 1 << 21,
        FD_FILESTAT_SET_SIZE = 1 << 22, FD_FILESTAT_SET_TIMES = 1 << 23, PATH_SYMLINK = 1 << 24,
        PATH_REMOVE_DIRECTORY = 1 << 25, PATH_UNLINK_FILE = 1 << 26, POLL_FD_READWRITE = 1 << 27);
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fdstat {
    pub filetype: u8,
    pub flags: u16,
    pub base: u64,
    pub inheriting: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Filestat {
    pub dev: u64,
    pub ino: u64,
    pub filetype: u8,
    pub nlink: u64,
    pub size: u64,
    pub atim: u64,
    pub mtim: u64,
    pub ctim: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Subscription {
    pub userdata: u64,
    pub tag: u8,
    /// A clock: id, timeout, precision, flags. A descriptor: its number.
    pub body: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Event {
    pub userdata: u64,
    pub error: u16,
    pub tag: u8,
    pub bytes: u64,
    pub flags: u16,
}

#[repr(C)]
struct Vector(*const u8, usize);

mod raw {
    use super::*;
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    extern "C" {
        pub fn clock_time_get(id: u32, precision: u64, out: *mut u64) -> i32;
        pub fn fd_advise(fd: Fd, offset: u64, len: u64, advice: u32) -> i32;
        pub fn fd_allocate(fd: Fd, offset: u64, len: u64) -> i32;
        pub fn fd_close(fd: Fd) -> i32;
        pub fn fd_fdstat_get(fd: Fd, out: *mut Fdstat) -> i32;
        pub fn fd_fdstat_set_flags(fd: Fd, flags: u32) -> i32;
        pub fn fd_fdstat_set_rights(fd: Fd, base: u64, inheriting: u64) -> i32;
        pub fn fd_filestat_get(fd: Fd, out: *mut Filestat) -> i32;
        pub fn fd_filestat_set_size(fd: Fd, size: u64) -> i32;
        pub fn fd_filestat_set_times(fd: Fd, atim: u64, mtim: u64, which: u32) -> i32;
        pub fn fd_pread(fd: Fd, v: *const Vector, count: usize, offset: u64, out: *mut usize) -> i32;
        pub fn fd_prestat_get(fd: Fd, out: *mut [u32; 2]) -> i32;
        pub fn fd_prestat_dir_name(fd: Fd, name: *mut u8, len: usize) -> i32;
        pub fn fd_pwrite(fd: Fd, v: *const Vector, count: usize, offset: u64, out: *mut usize) -> i32;
        pub fn fd_read(fd: Fd, v: *const Vector, count: usize, out: *mut usize) -> i32;
        pub fn fd_readdir(fd: Fd, buf: *mut u8, len: usize, cookie: u64, out: *mut usize) -> i32;
        pub fn fd_renumber(from: Fd, to: Fd) -> i32;
        pub fn fd_seek(fd: Fd, offset: i64, whence: u32, out: *mut u64) -> i32;
        pub fn fd_tell(fd: Fd, out: *mut u64) -> i32;
        pub fn fd_write(fd: Fd, v: *const Vector, count: usize, out: *mut usize) -> i32;
        pub fn path_create_directory(fd: Fd, path: *const u8, len: usize) -> i32;
        pub fn path_filestat_get(fd: Fd, lookup: u32, path: *const u8, len: usize, out: *mut Filestat) -> i32;
        pub fn path_filestat_set_times(fd: Fd, lookup: u32, path: *const u8, len: usize, atim: u64, mtim: u64,
            which: u32) -> i32;
        pub fn path_link(from: Fd, lookup: u32, path: *const u8, len: usize, to: Fd, name: *const u8,
            name_len: usize) -> i32;
        pub fn path_open(fd: Fd, lookup: u32, path: *const u8, len: usize, oflags: u32, base: u64,
            inheriting: u64, fdflags: u32, out: *mut Fd) -> i32;
        pub fn path_readlink(fd: Fd, path: *const u8, len: usize, buf: *mut u8, buf_len: usize,
            out: *mut usize) -> i32;
        pub fn path_remove_directory(fd: Fd, path: *const u8, len: usize) -> i32;
        pub fn path_rename(from: Fd, path: *const u8, len: usize, to: Fd, name: *const u8,
            name_len: usize) -> i32;
        pub fn path_symlink(text: *const u8, text_len: usize, fd: Fd, path: *const u8, len: usize) -> i32;
        pub fn path_unlink_file(fd: Fd, path: *const u8, len: usize) -> i32;
        pub fn poll_oneoff(subs: *const Subscription, events: *mut Event, count: usize, out: *mut usize) -> i32;
        pub fn random_get(buf: *mut u8, len: usize) -> i32;
        pub fn sched_yield() -> i32;
    }
}

fn answer<T>(errno: i32, value: T) -> Call<T> {
    if errno == 0 { Ok(value) } else { Err(errno as Errno) }
}

/// A call that gives a value by a pointer, and one that gives none.
macro_rules! gives {
    ($start:expr, $call:ident($($arg:expr),*)) => {{
        let mut value = $start;
        let errno = unsafe { raw::$call($($arg,)* &mut value) };
        answer(errno, value)
    }};
}
macro_rules! does {
    ($call:ident($($arg:expr),*)) => { answer(unsafe { raw::$call($($arg),*) }, ()) };
}

fn vectors(parts: &[&[u8]]) -> Vec<Vector> {
    parts.iter().map(|p| Vector(p.as_ptr(), p.len())).collect()
}

fn vectors_mut(parts: &mut [&mut [u8]]) -> Vec<Vector> {
    parts.iter_mut().map(|p| Vector(p.as_mut_ptr(), p.len())).collect()
}

pub fn clock_time_get(id: u32, precision: u64) -> Call<u64> { gives!(0, clock_time_get(id, precision)) }
pub fn fd_advise(fd: Fd, offset: u64, len: u64, advice: u32) -> Call<()> {
    does!(fd_advise(fd, offset, len, advice))
}
pub fn fd_allocate(fd: Fd, offset: u64, len: u64) -> Call<()> { does!(fd_allocate(fd, offset, len)) }
pub fn fd_close(fd: Fd) -> Call<()> { does!(fd_close(fd)) }
pub fn fd_fdstat_get(fd: Fd) -> Call<Fdstat> { gives!(Fdstat::default(), fd_fdstat_get(fd)) }
pub fn fd_fdstat_set_flags(fd: Fd, flags: u16) -> Call<()> { does!(fd_fdstat_set_flags(fd, flags as u32)) }
pub fn fd_fdstat_set_rights(fd: Fd, base: u64, inheriting: u64) -> Call<()> {
    does!(fd_fdstat_set_rights(fd, base, inheriting))
}
pub fn fd_filestat_get(fd: Fd) -> Call<Filestat> { gives!(Filestat::default(), fd_filestat_get(fd)) }
pub fn fd_filestat_set_size(fd: Fd, size: u64) -> Call<()> { does!(fd_filestat_set_size(fd, size)) }
pub fn fd_filestat_set_times(fd: Fd, atim: u64, mtim: u64, which: u16) -> Call<()> {
    does!(fd_filestat_set_times(fd, atim, mtim, which as u32))
}
pub fn fd_pread(fd: Fd, parts: &mut [&mut [u8]], offset: u64) -> Call<usize> {
    let v = vectors_mut(parts);
    gives!(0, fd_pread(fd, v.as_ptr(), v.len(), offset))
}
pub fn fd_pwrite(fd: Fd, parts: &[&[u8]], offset: u64) -> Call<usize> {
    let v = vectors(parts);
    gives!(0, fd_pwrite(fd, v.as_ptr(), v.len(), offset))
}
pub fn fd_read(fd: Fd, to: &mut [u8]) -> Call<usize> {
    let v = vectors_mut(&mut [to]);
    gives!(0, fd_read(fd, v.as_ptr(), 1))
}
pub fn fd_write(fd: Fd, from: &[u8]) -> Call<usize> {
    let v = vectors(&[from]);
    gives!(0, fd_write(fd, v.as_ptr(), 1))
}
pub fn fd_readdir(fd: Fd, to: &mut [u8], cookie: u64) -> Call<usize> {
    gives!(0, fd_readdir(fd, to.as_mut_ptr(), to.len(), cookie))
}
pub fn fd_renumber(from: Fd, to: Fd) -> Call<()> { does!(fd_renumber(from, to)) }
pub fn fd_seek(fd: Fd, offset: i64, whence: u8) -> Call<u64> { gives!(0, fd_seek(fd, offset, whence as u32)) }
pub fn fd_tell(fd: Fd) -> Call<u64> { gives!(0, fd_tell(fd)) }
/// The kind of a grant (0: a directory) and the length of its name.
pub fn fd_prestat_get(fd: Fd) -> Call<(u8, usize)> {
    gives!([0, 0], fd_prestat_get(fd)).map(|[kind, len]| (kind as u8, len as usize))
}
pub fn fd_prestat_dir_name(fd: Fd, to: &mut [u8]) -> Call<()> {
    does!(fd_prestat_dir_name(fd, to.as_mut_ptr(), to.len()))
}
pub fn mkdir(fd: Fd, path: &str) -> Call<()> { does!(path_create_directory(fd, path.as_ptr(), path.len())) }
pub fn rmdir(fd: Fd, path: &str) -> Call<()> { does!(path_remove_directory(fd, path.as_ptr(), path.len())) }
pub fn unlink(fd: Fd, path: &str) -> Call<()> { does!(path_unlink_file(fd, path.as_ptr(), path.len())) }
pub fn stat(fd: Fd, lookup: u32, path: &str) -> Call<Filestat> {
    gives!(Filestat::default(), path_filestat_get(fd, lookup, path.as_ptr(), path.len()))
}
pub fn set_times(fd: Fd, lookup: u32, path: &str, atim: u64, mtim: u64, which: u16) -> Call<()> {
    does!(path_filestat_set_times(fd, lookup, path.as_ptr(), path.len(), atim, mtim, which as u32))
}
pub fn link(from: Fd, lookup: u32, path: &str, to: Fd, name: &str) -> Call<()> {
    does!(path_link(from, lookup, path.as_ptr(), path.len(), to, name.as_ptr(), name.len()))
}
pub fn rename(from: Fd, path: &str, to: Fd, name: &str) -> Call<()> {
    does!(path_rename(from, path.as_ptr(), path.len(), to, name.as_ptr(), name.len()))
}
pub fn symlink(text: &str, fd: Fd, path: &str) -> Call<()> {
    does!(path_symlink(text.as_ptr(), text.len(), fd, path.as_ptr(), path.len()))
}
pub fn readlink(fd: Fd, path: &str, to: &mut [u8]) -> Call<usize> {
    gives!(0, path_readlink(fd, path.as_ptr(), path.len(), to.as_mut_ptr(), to.len()))
}
pub fn path_open(fd: Fd, lookup: u32, path: &str, oflags: u16, base: u64, inheriting: u64, fdflags: u16) -> Call<Fd> {
    gives!(Fd::MAX, path_open(fd, lookup, path.as_ptr(), path.len(), oflags as u32, base, inheriting, fdflags as u32))
}
/// path_open that follows no link and asks for rights to the file alone.
pub fn open(fd: Fd, path: &str, oflags: u16, base: u64) -> Call<Fd> { path_open(fd, 0, path, oflags, base, 0, 0) }
pub fn poll_oneoff(subs: &[Subscription]) -> Call<Vec<Event>> {
    let mut events = vec![Event::default(); subs.len()];
    let count = gives!(0, poll_oneoff(subs.as_ptr(), events.as_mut_ptr(), subs.len()))?;
    events.truncate(count);
    Ok(events)
}
pub fn random_get(to: &mut [u8]) -> Call<()> { does!(random_get(to.as_mut_ptr(), to.len())) }
pub fn sched_yield() -> Call<()> { does!(sched_yield()) }

/// The call failed, with one of these.
#[track_caller]
pub fn refused<T>(result: Call<T>, with: &[Errno]) {
    match result {
        Ok(_) => panic!("succeeds, and must fail with one of {with:?}"),
        Err(errno) => assert!(with.contains(&errno), "fails with {errno}, not with one of {with:?}"),
    }
}

/// The descriptor that was granted as "/".
pub fn grant() -> Fd {
    for fd in 3.. {
        let (kind, len) = fd_prestat_get(fd).expect("a grant called /");
        let mut name = vec![0; len];
        if kind == 0 && fd_prestat_dir_name(fd, &mut name).is_ok() && name == b"/" {
            return fd;
        }
    }
    unreachable!()
}

/// "/" opened anew, with the rights of the grant.
pub fn root() -> Fd {
    let grant = grant();
    let Fdstat { base, inheriting, .. } = fd_fdstat_get(grant).unwrap();
    path_open(grant, 0, ".", DIRECTORY, base, inheriting, 0).unwrap()
}

pub fn make_file(dir: Fd, name: &str) {
    let fd = open(dir, name, CREAT, 0).unwrap();
    assert!(fd > 2);
    fd_close(fd).unwrap();
}

/// What is opened and closed again at once: it can be, and not as a standard stream.
#[track_caller]
pub fn opens(result: Call<Fd>) {
    let fd = result.unwrap();
    assert!(fd > 2);
    fd_close(fd).unwrap();
}

/// What a program that knows what it will do asks for: to its own directory, and to what it will open there.
pub const OWN_BASE: u64 = right::FD_FILESTAT_GET | right::FD_READDIR | right::PATH_CREATE_FILE
    | right::PATH_CREATE_DIRECTORY | right::PATH_REMOVE_DIRECTORY | right::PATH_OPEN | right::PATH_UNLINK_FILE
    | right::PATH_LINK_SOURCE | right::PATH_LINK_TARGET | right::PATH_READLINK | right::PATH_RENAME_SOURCE
    | right::PATH_RENAME_TARGET | right::PATH_FILESTAT_GET | right::PATH_FILESTAT_SET_SIZE
    | right::PATH_FILESTAT_SET_TIMES | right::PATH_SYMLINK;
pub const OWN_INHERITING: u64 = right::FD_READ | right::FD_WRITE | right::FD_READDIR | right::FD_FILESTAT_GET
    | right::FD_SEEK | right::PATH_LINK_SOURCE | right::PATH_LINK_TARGET | right::PATH_OPEN
    | right::PATH_UNLINK_FILE | right::PATH_FILESTAT_GET | right::FD_FDSTAT_SET_FLAGS | right::FD_SYNC
    | right::FD_TELL | right::FD_ADVISE | right::FD_ALLOCATE | right::FD_FILESTAT_SET_SIZE
    | right::FD_FILESTAT_SET_TIMES;

/// Runs `test` on a fresh directory, which must be empty again afterwards, and goes then.
pub fn in_own_directory(test: fn(Fd)) {
    let root = root();
    mkdir(root, "own").unwrap();
    let own = path_open(root, 0, "own", DIRECTORY, OWN_BASE, OWN_INHERITING, 0).unwrap();
    assert!(own > 3);
    test(own);
    // A test may have put something else in its place or closed it.
    let _ = fd_close(own);
    rmdir(root, "own").expect("the test leaves nothing behind");
}

/// Entries of a listing: next cookie, inode, type, name; as many as are whole.
pub fn entries(mut bytes: &[u8]) -> Vec<(u64, u64, u8, String)> {
    let mut found = Vec::new();
    while bytes.len() >= 24 {
        let word = |at| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let len = word(16) as u32 as usize;
        let Some(name) = bytes.get(24..24 + len) else { break };
        found.push((word(0), word(8), bytes[20], String::from_utf8(name.to_vec()).unwrap()));
        bytes = &bytes[24 + len..];
    }
    found
}
