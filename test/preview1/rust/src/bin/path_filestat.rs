//! Metadata by path, and the flags that a file was opened with.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        assert_ne!(fd_fdstat_get(dir).unwrap().base & right::PATH_FILESTAT_GET, 0);
        let rights = right::FD_READ | right::FD_WRITE | right::PATH_FILESTAT_GET;
        let fd = path_open(dir, 0, "file", CREAT, rights, 0, APPEND | SYNC).unwrap();
        assert!(fd > 2);
        assert_eq!(fd_fdstat_get(fd).unwrap().flags, APPEND | SYNC);
        let old = stat(dir, 0, "file").unwrap();
        assert_eq!(old.size, 0);
        set_times(dir, 0, "file", 0, old.mtim - 100, MTIM).unwrap();
        assert_eq!(stat(dir, 0, "file").unwrap().mtim, old.mtim - 100);
        refused(set_times(dir, 0, "file", 0, old.mtim, MTIM | MTIM_NOW), &[INVAL]);
        refused(set_times(dir, 0, "file", 0, 0, ATIM | ATIM_NOW), &[INVAL]);
        assert_eq!(stat(dir, 0, "file").unwrap().mtim, old.mtim - 100);
        fd_close(fd).unwrap();
        unlink(dir, "file").unwrap();
    });
}
