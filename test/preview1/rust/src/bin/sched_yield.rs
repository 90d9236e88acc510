//! Giving up the processor always succeeds.
use preview1::*;

fn main() {
    for _ in 0..100 {
        sched_yield().unwrap();
    }
}
