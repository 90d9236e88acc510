//! Appending is for as long as its flag is set.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let rights = right::FD_READ | right::FD_WRITE | right::FD_SEEK | right::FD_TELL | right::FD_FDSTAT_SET_FLAGS;
        let fd = path_open(dir, 0, "file", CREAT, rights, 0, APPEND).unwrap();
        // Written from position 0 each time; what must then stand at `at`.
        let write = |byte: u8, at: i64| {
            fd_seek(fd, 0, SET).unwrap();
            assert_eq!(fd_write(fd, &[byte; 100]), Ok(100));
            let mut back = [0xff; 100];
            fd_seek(fd, at, SET).unwrap();
            assert_eq!(fd_read(fd, &mut back), Ok(100));
            assert_eq!(back, [byte; 100]);
        };
        write(0, 0);
        write(1, 100);
        assert_eq!(fd_fdstat_get(fd).unwrap().flags, APPEND);
        fd_fdstat_set_flags(fd, 0).unwrap();
        assert_eq!(fd_fdstat_get(fd).unwrap().flags, 0);
        write(2, 0);
        fd_close(fd).unwrap();
        assert_eq!(stat(dir, 0, "file").unwrap().size, 200);
        unlink(dir, "file").unwrap();
    });
}
