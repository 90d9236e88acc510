//! A file is no terminal: not by its type, and not to the standard library, which goes by type and rights.
use preview1::*;
use std::io::IsTerminal;
use std::os::fd::{AsRawFd, BorrowedFd};

fn main() {
    in_own_directory(|dir| {
        let fd = open(dir, "file", CREAT, 0).unwrap();
        assert_eq!(fd_fdstat_get(fd).unwrap().filetype, IS_REGULAR);
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd as _) };
        assert_eq!(borrowed.as_raw_fd() as Fd, fd);
        assert!(!borrowed.is_terminal());
        fd_close(fd).unwrap();
        unlink(dir, "file").unwrap();
    });
}
