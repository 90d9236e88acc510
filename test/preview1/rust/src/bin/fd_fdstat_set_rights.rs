//! Rights can be given up and do not come back.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let all = right::FD_READ | right::FD_WRITE | right::FD_SEEK | right::FD_TELL;
        let fd = open(dir, "file", CREAT, all).unwrap();
        let mut back = [9; 4];
        fd_write(fd, &[0, 1, 2, 3]).unwrap();
        fd_seek(fd, 0, SET).unwrap();
        assert_eq!(fd_read(fd, &mut back), Ok(4));
        assert_eq!(back, [0, 1, 2, 3]);

        let before = fd_fdstat_get(fd).unwrap();
        assert_eq!((before.base, before.inheriting), (all, 0));
        fd_fdstat_set_rights(fd, before.base, before.inheriting).unwrap();
        fd_fdstat_set_rights(fd, right::FD_SEEK | right::FD_TELL, 0).unwrap();
        assert_eq!(fd_fdstat_get(fd).unwrap().base, right::FD_SEEK | right::FD_TELL);
        fd_seek(fd, 0, SET).unwrap();
        refused(fd_read(fd, &mut back), &[BADF, NOTCAPABLE]);
        refused(fd_write(fd, &back), &[BADF, NOTCAPABLE]);
        refused(fd_fdstat_set_rights(fd, all, 0), &[NOTCAPABLE]);
        refused(fd_fdstat_set_rights(fd, right::FD_SEEK, right::FD_READ), &[NOTCAPABLE]);
        assert_eq!(fd_fdstat_get(fd).unwrap().base, right::FD_SEEK | right::FD_TELL);
        fd_close(fd).unwrap();
        unlink(dir, "file").unwrap();
    });
}
