//! The text of a link, whole or as much as fits; nothing behind it is touched.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        make_file(dir, "target");
        symlink("target", dir, "link").unwrap();
        let mut buf = [0; 10];
        assert_eq!(readlink(dir, "link", &mut buf), Ok(6));
        assert_eq!(&buf, b"target\0\0\0\0");
        let mut buf = [0; 4];
        assert_eq!(readlink(dir, "link", &mut buf), Ok(4));
        assert_eq!(&buf, b"targ");
        refused(readlink(dir, "target", &mut buf), &[INVAL]);
        unlink(dir, "target").unwrap();
        unlink(dir, "link").unwrap();
    });
}
