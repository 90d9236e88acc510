//! Both clocks, and sleeping. The argument is a time in the last hour, in seconds since 1970.
use std::time::{Duration, Instant, SystemTime};

fn main() {
    let given: f64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let begin = Instant::now();
    std::thread::sleep(Duration::from_millis(50));
    let right = wall >= given && wall < given + 3600.0;
    let long = begin.elapsed() >= Duration::from_millis(50);
    println!("wall clock {}", if right { "right" } else { "wrong" });
    println!("slept {}", if long { "long enough" } else { "too short" });
}
