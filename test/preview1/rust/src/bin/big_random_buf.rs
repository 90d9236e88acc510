//! Randomness comes in any amount: 1 KiB of it is not all zeros, and no two such buffers are alike.
use preview1::*;

fn main() {
    let mut two = [[0u8; 1024]; 2];
    for buf in &mut two {
        random_get(buf).unwrap();
        assert!(buf.iter().any(|b| *b != 0));
    }
    assert_ne!(two[0], two[1]);
}
