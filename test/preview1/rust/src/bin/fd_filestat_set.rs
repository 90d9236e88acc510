//! Size and times of an open file: what is not named stays as it is.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let rights = right::FD_READ | right::FD_WRITE | right::FD_FILESTAT_GET | right::FD_FILESTAT_SET_SIZE
            | right::FD_FILESTAT_SET_TIMES;
        let fd = open(dir, "file", CREAT, rights).unwrap();
        assert_eq!(fd_filestat_get(fd).unwrap().size, 0);
        fd_filestat_set_size(fd, 100).unwrap();
        let old = fd_filestat_get(fd).unwrap();
        assert_eq!(old.size, 100);
        fd_filestat_set_times(fd, old.mtim - 100, old.mtim - 100, MTIM).unwrap();
        let new = fd_filestat_get(fd).unwrap();
        assert_eq!((new.size, new.mtim, new.atim), (100, old.mtim - 100, old.atim));
        fd_close(fd).unwrap();
        unlink(dir, "file").unwrap();
    });
}
