//! A grant has the rights of a directory and hands on those of files; it is opened anew with all of them, with
//! none, and for reading, but a directory is not opened for writing.
use preview1::*;

fn main() {
    let grant = grant();
    let stat = fd_fdstat_get(grant).unwrap();
    let base = OWN_BASE & !right::PATH_FILESTAT_SET_SIZE | right::FD_FILESTAT_SET_TIMES;
    let files = right::FD_DATASYNC | right::FD_READ | right::FD_SEEK | right::FD_FDSTAT_SET_FLAGS | right::FD_SYNC
        | right::FD_TELL | right::FD_WRITE | right::FD_ADVISE | right::FD_ALLOCATE | right::FD_FILESTAT_GET
        | right::FD_FILESTAT_SET_SIZE | right::FD_FILESTAT_SET_TIMES | right::POLL_FD_READWRITE;
    assert_eq!(stat.filetype, IS_DIRECTORY);
    assert_eq!(stat.base & base, base, "{:x}", stat.base);
    assert_eq!(stat.inheriting & (base | files), base | files, "{:x}", stat.inheriting);
    assert_eq!(stat.base & (right::FD_SEEK | right::FD_FILESTAT_SET_SIZE), 0);

    opens(path_open(grant, 0, ".", 0, stat.base, stat.inheriting, 0));
    opens(path_open(grant, 0, ".", 0, 0, 0, 0));
    opens(path_open(grant, 0, ".", DIRECTORY, 0, 0, 0));
    opens(path_open(grant, 0, ".", DIRECTORY, right::FD_READ, 0, 0));
    refused(path_open(grant, 0, ".", DIRECTORY, right::FD_READ | right::FD_WRITE, 0, 0), &[ISDIR]);
    refused(path_open(grant, 0, ".", 0, right::FD_WRITE, 0, 0), &[ISDIR]);
}
