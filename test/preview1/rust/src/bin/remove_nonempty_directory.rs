//! A directory that holds something stays.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        mkdir(dir, "dir").unwrap();
        mkdir(dir, "dir/nested").unwrap();
        refused(rmdir(dir, "dir"), &[NOTEMPTY]);
        rmdir(dir, "dir/nested").unwrap();
        rmdir(dir, "dir").unwrap();
    });
}
