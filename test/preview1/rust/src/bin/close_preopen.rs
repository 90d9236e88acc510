//! A grant can be closed like any descriptor; what was opened through it stays open.
use preview1::*;

fn main() {
    let (grant, root) = (grant(), root());
    assert!(root > grant);
    fd_close(grant).unwrap();
    assert_eq!(fd_fdstat_get(root).unwrap().filetype, IS_DIRECTORY);
    refused(fd_fdstat_get(grant), &[BADF]);
    refused(fd_prestat_get(grant), &[BADF]);
    refused(fd_close(grant), &[BADF]);
}
