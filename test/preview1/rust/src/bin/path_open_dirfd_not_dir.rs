//! Nothing is opened beneath a file.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        let file = open(dir, "file", CREAT, 0).unwrap();
        refused(open(file, "x", CREAT, 0), &[NOTDIR, NOTCAPABLE]);
        refused(open(file, ".", 0, 0), &[NOTDIR, NOTCAPABLE]);
        fd_close(file).unwrap();
        unlink(dir, "file").unwrap();
    });
}
