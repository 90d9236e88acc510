//! Links in last place are opened only where they may be followed, to directories and to files.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        mkdir(dir, "target").unwrap();
        symlink("target", dir, "link").unwrap();
        refused(open(dir, "link", DIRECTORY, 0), &[LOOP, NOTDIR]);
        refused(open(dir, "link", 0, 0), &[LOOP]);
        opens(path_open(dir, FOLLOW, "link", DIRECTORY, 0, 0, 0));
        rmdir(dir, "target").unwrap();

        make_file(dir, "target");
        refused(open(dir, "link", DIRECTORY, 0), &[LOOP, NOTDIR]);
        refused(open(dir, "link", 0, 0), &[LOOP]);
        refused(path_open(dir, FOLLOW, "link", DIRECTORY, 0, 0, 0), &[NOTDIR]);
        opens(path_open(dir, FOLLOW, "link", 0, 0, 0, 0));
        unlink(dir, "target").unwrap();
        unlink(dir, "link").unwrap();
    });
}
