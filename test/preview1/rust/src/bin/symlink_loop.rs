//! A link to itself is an error, followed or not.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        symlink("link", dir, "link").unwrap();
        refused(open(dir, "link", 0, 0), &[LOOP]);
        refused(path_open(dir, FOLLOW, "link", 0, 0, 0, 0), &[LOOP]);
        refused(open(dir, "link/x", 0, 0), &[LOOP]);
        unlink(dir, "link").unwrap();
    });
}
