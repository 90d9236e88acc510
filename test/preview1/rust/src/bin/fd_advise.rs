//! Advice changes nothing; sizes change by what is for that.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let rights = right::FD_READ | right::FD_WRITE | right::FD_ADVISE | right::FD_FILESTAT_GET
            | right::FD_FILESTAT_SET_SIZE | right::FD_ALLOCATE;
        let fd = open(dir, "file", CREAT, rights).unwrap();
        let size = || fd_filestat_get(fd).unwrap().size;
        assert_eq!(size(), 0);
        fd_filestat_set_size(fd, 100).unwrap();
        assert_eq!(size(), 100);
        for advice in 0..=5 {
            fd_advise(fd, 10, 50, advice).unwrap();
        }
        refused(fd_advise(fd, 10, 50, 6), &[INVAL]);
        assert_eq!(size(), 100);
        match fd_allocate(fd, 100, 100) {
            Ok(()) => assert_eq!(size(), 200),
            Err(errno) => assert_eq!(errno, NOTSUP),
        }
        fd_close(fd).unwrap();
        unlink(dir, "file").unwrap();
    });
}
