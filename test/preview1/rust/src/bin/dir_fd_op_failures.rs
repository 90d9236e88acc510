//! What is for files fails on a directory; a grant's name is not cut where it does not fit.
use preview1::*;

fn main() {
    let (grant, dir) = (grant(), root());
    assert_eq!(fd_filestat_get(dir).unwrap().filetype, IS_DIRECTORY);
    let (_, len) = fd_prestat_get(grant).unwrap();
    refused(fd_prestat_dir_name(grant, &mut []), &[INVAL, NAMETOOLONG]);
    fd_prestat_dir_name(grant, &mut vec![0; len + 1]).unwrap();

    let not_a_file = [ISDIR, BADF, NOTCAPABLE];
    let mut buf = [0; 128];
    refused(fd_read(dir, &mut buf), &not_a_file);
    refused(fd_pread(dir, &mut [&mut buf], 0), &not_a_file);
    refused(fd_write(dir, &buf), &not_a_file);
    refused(fd_pwrite(dir, &[&buf], 0), &not_a_file);
    for whence in [CUR, SET, END] {
        refused(fd_seek(dir, 0, whence), &not_a_file);
    }
    refused(fd_tell(dir), &not_a_file);
    refused(fd_allocate(dir, 0, 1), &not_a_file);
    refused(fd_filestat_set_size(dir, 0), &[ISDIR, INVAL, BADF, NOTCAPABLE]);
}
