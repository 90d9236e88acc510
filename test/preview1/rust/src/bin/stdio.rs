//! Standard streams are descriptors like others: moved elsewhere, their numbers are free.
use preview1::*;

fn main() {
    in_own_directory(|dir| {
        for stream in 0..3 {
            let place = open(dir, "file", CREAT, 0).unwrap();
            let before = fd_fdstat_get(stream).unwrap();
            fd_renumber(stream, place).unwrap();
            assert_eq!(fd_fdstat_get(place).unwrap(), before);
            refused(fd_fdstat_get(stream), &[BADF]);
            unlink(dir, "file").unwrap();
        }
    });
}
