//! Only a name without a slash that is no directory's is unlinked.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        mkdir(dir, "dir").unwrap();
        refused(unlink(dir, "dir"), &[ISDIR]);
        refused(unlink(dir, "dir/"), &[ISDIR]);
        rmdir(dir, "dir").unwrap();
        make_file(dir, "file");
        refused(unlink(dir, "file/"), &[NOTDIR]);
        unlink(dir, "file").unwrap();
    });
}
