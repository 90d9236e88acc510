//! A file that is opened to be cut is empty.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let fd = open(dir, "file", CREAT, right::FD_WRITE).unwrap();
        assert_eq!(fd_write(fd, b"to be cut off"), Ok(13));
        fd_close(fd).unwrap();
        let fd = open(dir, "file", CREAT | TRUNC, right::FD_READ | right::FD_WRITE).unwrap();
        assert_eq!(fd_read(fd, &mut [0; 100]), Ok(0));
        fd_close(fd).unwrap();
        assert_eq!(stat(dir, 0, "file").unwrap().size, 0);
        unlink(dir, "file").unwrap();
    });
}
