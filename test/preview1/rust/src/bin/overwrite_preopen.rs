//! A descriptor can be moved over a grant, which is closed by that; the place is no grant any more.
use preview1::*;

fn main() {
    let (grant, dir) = (grant(), root());
    assert!(dir > grant);
    mkdir(dir, "own").unwrap();
    let own = open(dir, "own", DIRECTORY, OWN_BASE).unwrap();
    let old = fd_filestat_get(own).unwrap();
    assert_ne!(old.ino, fd_filestat_get(grant).unwrap().ino);
    fd_renumber(own, grant).unwrap();
    let new = fd_filestat_get(grant).unwrap();
    assert_eq!((new.dev, new.ino), (old.dev, old.ino));
    refused(fd_fdstat_get(own), &[BADF]);
    refused(fd_prestat_get(grant), &[BADF]);
    fd_close(grant).unwrap();
    rmdir(dir, "own").unwrap();
}
