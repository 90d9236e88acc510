//! The new name of a link may not end in a slash, and may not be taken.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        refused(symlink("source", dir, "target/"), &[NOENT]);
        symlink("source", dir, "target").unwrap();
        unlink(dir, "target").unwrap();

        mkdir(dir, "target").unwrap();
        refused(symlink("source", dir, "target/"), &[EXIST]);
        refused(symlink("source", dir, "target"), &[EXIST]);
        rmdir(dir, "target").unwrap();

        make_file(dir, "target");
        refused(symlink("source", dir, "target/"), &[NOTDIR, EXIST]);
        refused(symlink("source", dir, "target"), &[EXIST]);
        unlink(dir, "target").unwrap();
    });
}
