//! A descriptor moved onto another: the number is free, the other one closed, and nothing else differs.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let rights = right::FD_READ | right::FD_WRITE;
        let from = open(dir, "file1", CREAT, rights).unwrap();
        let to = open(dir, "file2", CREAT, rights | right::FD_SEEK).unwrap();
        let before = fd_fdstat_get(from).unwrap();
        fd_renumber(from, to).unwrap();
        refused(fd_close(from), &[BADF]);
        assert_eq!(fd_fdstat_get(to).unwrap(), before);
        assert_eq!(fd_write(to, b"x"), Ok(1));
        assert_eq!(stat(dir, 0, "file1").unwrap().size, 1);
        refused(fd_renumber(to, from), &[BADF]);
        refused(fd_renumber(from, to), &[BADF]);
        fd_renumber(to, to).unwrap();
        fd_close(to).unwrap();
        unlink(dir, "file1").unwrap();
        unlink(dir, "file2").unwrap();
    });
}
