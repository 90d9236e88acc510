//! A link that leads nowhere is not opened where links are not followed, and is missing where they are.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        symlink("nowhere", dir, "link").unwrap();
        refused(open(dir, "link", DIRECTORY, 0), &[NOTDIR, LOOP]);
        refused(open(dir, "link", 0, 0), &[LOOP]);
        refused(path_open(dir, FOLLOW, "link", 0, 0, 0, 0), &[NOENT]);
        refused(stat(dir, FOLLOW, "link"), &[NOENT]);
        assert_eq!(stat(dir, 0, "link").unwrap().filetype, IS_LINK);
        unlink(dir, "link").unwrap();
    });
}
