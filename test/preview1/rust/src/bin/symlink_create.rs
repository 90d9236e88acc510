//! Links to files and directories lead there; a link to the host's root is not made.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        make_file(dir, "target");
        symlink("target", dir, "link").unwrap();
        opens(path_open(dir, FOLLOW, "link", 0, 0, 0, 0));
        unlink(dir, "link").unwrap();
        unlink(dir, "target").unwrap();

        mkdir(dir, "target").unwrap();
        symlink("target", dir, "link").unwrap();
        opens(path_open(dir, FOLLOW, "link", DIRECTORY, 0, 0, 0));
        unlink(dir, "link").unwrap();
        rmdir(dir, "target").unwrap();

        assert!(symlink("/", dir, "link").is_err());
        refused(stat(dir, 0, "link"), &[NOENT]);
    });
}
