//! Renaming: onto nothing, onto what may be replaced, and not onto what may not.
use preview1::*;

/// "source" is gone, and "target" opens.
fn moved(dir: Fd, oflags: u16) {
    refused(open(dir, "source", oflags, 0), &[NOENT]);
    opens(open(dir, "target", oflags, 0));
}

fn directories(dir: Fd) {
    mkdir(dir, "source").unwrap();
    rename(dir, "source", dir, "target").unwrap();
    moved(dir, DIRECTORY);
    mkdir(dir, "source").unwrap(); // "target" is empty, and so replaced
    rename(dir, "source", dir, "target").unwrap();
    moved(dir, DIRECTORY);

    mkdir(dir, "source").unwrap();
    make_file(dir, "target/file");
    refused(rename(dir, "source", dir, "target"), &[NOTEMPTY]);
    refused(rename(dir, "source", dir, "target/file"), &[NOTDIR]);
    refused(rename(dir, "source", dir, "source/inside"), &[INVAL]);
    unlink(dir, "target/file").unwrap();
    rmdir(dir, "source").unwrap();
    rmdir(dir, "target").unwrap();
}

fn files(dir: Fd) {
    make_file(dir, "source");
    rename(dir, "source", dir, "target").unwrap();
    moved(dir, 0);
    make_file(dir, "source");
    rename(dir, "source", dir, "target").unwrap();
    moved(dir, 0);
    unlink(dir, "target").unwrap();

    make_file(dir, "source");
    mkdir(dir, "target").unwrap();
    refused(rename(dir, "source", dir, "target"), &[ISDIR]);
    rmdir(dir, "target").unwrap();
    unlink(dir, "source").unwrap();
}

fn main() {
    in_own_directory(directories);
    in_own_directory(files);
}
