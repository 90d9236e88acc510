//! A directory is removed with a slash behind its name and without; a file is not, either way.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        for name in ["dir", "dir/", "dir///"] {
            mkdir(dir, "dir").unwrap();
            rmdir(dir, name).unwrap();
            refused(stat(dir, 0, "dir"), &[NOENT]);
        }
        make_file(dir, "file");
        refused(rmdir(dir, "file"), &[NOTDIR]);
        refused(rmdir(dir, "file/"), &[NOTDIR]);
        unlink(dir, "file").unwrap();
    });
}
