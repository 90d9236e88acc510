//! Allocating makes a file longer where it must be, and never shorter.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let rights = right::FD_READ | right::FD_WRITE | right::FD_ALLOCATE | right::FD_FILESTAT_GET;
        let fd = open(dir, "file", CREAT, rights).unwrap();
        let size = || fd_filestat_get(fd).unwrap().size;
        assert_eq!(size(), 0);
        match fd_allocate(fd, 0, 100) {
            Err(errno) => assert_eq!(errno, NOTSUP),
            Ok(()) => {
                assert_eq!(size(), 100);
                fd_allocate(fd, 10, 10).unwrap();
                assert_eq!(size(), 100);
                fd_allocate(fd, 90, 20).unwrap();
                assert_eq!(size(), 110);
            }
        }
        fd_close(fd).unwrap();
        unlink(dir, "file").unwrap();
    });
}
