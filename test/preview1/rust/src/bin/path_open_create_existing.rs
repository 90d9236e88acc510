//! A file is not created exclusively where there is one, and otherwise is.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        make_file(dir, "file");
        refused(open(dir, "file", CREAT | EXCL, 0), &[EXIST]);
        opens(open(dir, "file", CREAT, 0));
        unlink(dir, "file").unwrap();
        opens(open(dir, "file", CREAT | EXCL, 0));
        unlink(dir, "file").unwrap();
    });
}
