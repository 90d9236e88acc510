//! What is not there is not opened, nor made by that.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        refused(open(dir, "file", 0, 0), &[NOENT]);
        refused(open(dir, "file", EXCL, 0), &[NOENT]);
        refused(open(dir, "none/file", CREAT, 0), &[NOENT]);
        refused(stat(dir, 0, "file"), &[NOENT]);
    });
}
