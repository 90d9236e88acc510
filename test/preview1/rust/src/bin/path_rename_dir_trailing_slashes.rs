//! A directory is renamed with a slash behind either name, or both; a file with none.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        mkdir(dir, "source").unwrap();
        rename(dir, "source/", dir, "target").unwrap();
        rename(dir, "target", dir, "source/").unwrap();
        rename(dir, "source/", dir, "target/").unwrap();
        rename(dir, "target", dir, "source").unwrap();
        rmdir(dir, "source").unwrap();

        make_file(dir, "file");
        refused(rename(dir, "file/", dir, "other"), &[NOTDIR]);
        refused(rename(dir, "file", dir, "other/"), &[NOTDIR]);
        unlink(dir, "file").unwrap();
    });
}
