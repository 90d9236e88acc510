//! A directory has no position, and no right to one even where it is asked for.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        mkdir(dir, "sub").unwrap();
        let sub = open(dir, "sub", DIRECTORY, right::FD_SEEK).unwrap();
        assert!(sub > 2);
        refused(fd_seek(sub, 0, CUR), &[ISDIR, NOTCAPABLE, BADF]);
        let stat = fd_fdstat_get(sub).unwrap();
        assert_eq!(stat.filetype, IS_DIRECTORY);
        assert_eq!(stat.base & right::FD_SEEK, 0);
        fd_close(sub).unwrap();
        rmdir(dir, "sub").unwrap();
    });
}
