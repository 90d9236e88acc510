//! Cutting a file in opening it needs a right to the directory and none to the file.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        make_file(dir, "file");
        let stat = fd_fdstat_get(dir).unwrap();
        assert_eq!((stat.filetype, stat.flags), (IS_DIRECTORY, 0));
        assert_eq!(stat.base & right::FD_FILESTAT_SET_SIZE, 0);
        assert_ne!(stat.base & right::PATH_FILESTAT_SET_SIZE, 0);
        opens(open(dir, "file", TRUNC, 0));

        assert_ne!(stat.inheriting & right::FD_FILESTAT_SET_SIZE, 0);
        let inheriting = stat.inheriting & !right::FD_FILESTAT_SET_SIZE;
        fd_fdstat_set_rights(dir, stat.base, inheriting).unwrap();
        opens(open(dir, "file", TRUNC, 0));

        let base = stat.base & !right::PATH_FILESTAT_SET_SIZE;
        fd_fdstat_set_rights(dir, base, inheriting).unwrap();
        assert_eq!(fd_fdstat_get(dir).unwrap().base, base);
        refused(open(dir, "file", TRUNC, 0), &[PERM, NOTCAPABLE]);
        opens(open(dir, "file", 0, 0));
        unlink(dir, "file").unwrap();
    });
}
