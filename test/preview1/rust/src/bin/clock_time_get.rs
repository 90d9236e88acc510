//! The steady clock does not go back, whatever precision is asked for; the other one is past 2020.
use preview1::*;

fn main() {
    let mut last = clock_time_get(MONOTONIC, 1).unwrap();
    for precision in [0, 1, 1_000, u64::MAX] {
        let now = clock_time_get(MONOTONIC, precision).unwrap();
        assert!(now >= last);
        last = now;
    }
    assert!(clock_time_get(REALTIME, 0).unwrap() > 1_577_836_800_000_000_000);
}
