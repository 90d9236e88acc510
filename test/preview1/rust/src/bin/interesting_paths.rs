//! Paths with "..", ".", repeated and trailing slashes, a NUL, from the root, and out of the directory.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        mkdir(dir, "dir").unwrap();
        mkdir(dir, "dir/nested").unwrap();
        make_file(dir, "dir/nested/file");
        let outside = [PERM, NOTCAPABLE];
        refused(open(dir, "/dir/nested/file", 0, 0), &outside);
        opens(open(dir, "dir/.//nested/../../dir/nested/../nested///./file", 0, 0));
        refused(open(dir, "dir/nested/file\0", 0, 0), &[INVAL, ILSEQ, NOENT]);
        refused(open(dir, "dir/nested/file/", 0, 0), &[NOTDIR, NOENT]);
        refused(open(dir, "dir/nested/file///", 0, 0), &[NOTDIR, NOENT]);
        opens(open(dir, "dir/nested/", 0, 0));
        opens(open(dir, "dir/nested///", 0, 0));
        refused(open(dir, "dir/nested/../../../own/dir/nested/file", 0, 0), &outside);
        refused(open(dir, "..", 0, 0), &outside);
        unlink(dir, "dir/nested/file").unwrap();
        rmdir(dir, "dir/nested").unwrap();
        rmdir(dir, "dir").unwrap();
    });
}
