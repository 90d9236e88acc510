//! What a name stands for, with links followed and not.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        mkdir(dir, "sub").unwrap();
        make_file(dir, "sub/file");
        symlink("sub/file", dir, "to-file").unwrap();
        symlink("sub", dir, "to-dir").unwrap();
        for (name, itself, followed) in [
            ("sub", IS_DIRECTORY, IS_DIRECTORY),
            ("sub/file", IS_REGULAR, IS_REGULAR),
            ("to-file", IS_LINK, IS_REGULAR),
            ("to-dir", IS_LINK, IS_DIRECTORY),
        ] {
            assert_eq!(stat(dir, 0, name).unwrap().filetype, itself);
            assert_eq!(stat(dir, FOLLOW, name).unwrap().filetype, followed);
        }
        refused(stat(dir, 0, "none"), &[NOENT]);
        for name in ["to-file", "to-dir", "sub/file"] {
            unlink(dir, name).unwrap();
        }
        rmdir(dir, "sub").unwrap();
    });
}
