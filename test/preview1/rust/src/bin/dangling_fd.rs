//! A name is free again once it is removed, also while what it named is open.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        make_file(dir, "file");
        let held = open(dir, "file", 0, 0).unwrap();
        unlink(dir, "file").unwrap();
        make_file(dir, "file");
        unlink(dir, "file").unwrap();
        fd_close(held).unwrap();

        mkdir(dir, "sub").unwrap();
        let held = open(dir, "sub", DIRECTORY, 0).unwrap();
        assert!(held > 2);
        rmdir(dir, "sub").unwrap();
        mkdir(dir, "sub").unwrap();
        rmdir(dir, "sub").unwrap();
        fd_close(held).unwrap();
    });
}
