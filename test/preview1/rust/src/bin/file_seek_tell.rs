//! The position: moved by writes, reads and seeks, beyond the end but not before the beginning.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let rights = right::FD_READ | right::FD_WRITE | right::FD_SEEK | right::FD_TELL;
        let fd = open(dir, "file", CREAT, rights).unwrap();
        assert_eq!(fd_tell(fd), Ok(0));
        assert_eq!(fd_write(fd, &[0; 100]), Ok(100));
        assert_eq!(fd_tell(fd), Ok(100));
        assert_eq!(fd_seek(fd, -50, CUR), Ok(50));
        assert_eq!(fd_seek(fd, 0, SET), Ok(0));
        assert_eq!(fd_seek(fd, -1, END), Ok(99));
        assert_eq!(fd_seek(fd, 1000, CUR), Ok(1099));
        refused(fd_seek(fd, -2000, CUR), &[INVAL]);
        assert_eq!(fd_tell(fd), Ok(1099));
        fd_seek(fd, 0, SET).unwrap();
        assert_eq!(fd_read(fd, &mut [0; 100]), Ok(100));
        assert_eq!(fd_tell(fd), Ok(100));
        fd_close(fd).unwrap();
        unlink(dir, "file").unwrap();
    });
}
