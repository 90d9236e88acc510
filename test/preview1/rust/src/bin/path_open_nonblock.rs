//! A directory can be opened with NONBLOCK, which means nothing to it.
use preview1::*;

fn main() {
    let root = root();
    opens(path_open(root, 0, ".", 0, 0, 0, NONBLOCK));
    opens(path_open(root, 0, ".", DIRECTORY, 0, 0, NONBLOCK));
}
