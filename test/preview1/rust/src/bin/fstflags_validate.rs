//! A time cannot be the given one and now at once, and bits nobody defined are none.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let fd = open(dir, "file", CREAT, right::FD_READ | right::FD_FILESTAT_SET_TIMES).unwrap();
        for which in [MTIM | MTIM_NOW, ATIM | ATIM_NOW, 15, 16] {
            refused(fd_filestat_set_times(fd, 100, 200, which), &[INVAL]);
            refused(set_times(dir, 0, "file", 100, 200, which), &[INVAL]);
        }
        fd_close(fd).unwrap();
        unlink(dir, "file").unwrap();
    });
}
