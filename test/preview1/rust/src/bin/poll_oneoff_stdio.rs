//! Waiting for standard streams: for input no longer than the clock, and both outputs are ready at once.
use preview1::*;

const NAP: u64 = 200_000_000;
const CLOCK: u8 = 0;
const READ: u8 = 1;
const WRITE: u8 = 2;

fn clock(userdata: u64) -> Subscription {
    Subscription { userdata, tag: CLOCK, body: [MONOTONIC as u64, NAP, 0, 0] }
}

fn stream(userdata: u64, tag: u8, fd: Fd) -> Subscription {
    Subscription { userdata, tag, body: [fd as u64, 0, 0, 0] }
}

fn main() {
    let events = poll_oneoff(&[clock(71), stream(72, READ, 0)]).unwrap();
    assert!(!events.is_empty());
    for event in events {
        assert_eq!(event.error, 0);
        assert_eq!(event.userdata, match event.tag { CLOCK => 71, READ => 72, _ => panic!("{event:?}") });
    }

    let mut waits = vec![1, 2];
    while !waits.is_empty() {
        let mut subs: Vec<_> = waits.iter().map(|fd| stream(*fd as u64, WRITE, *fd)).collect();
        subs.push(clock(73));
        for event in poll_oneoff(&subs).unwrap() {
            assert_eq!((event.tag, event.error), (WRITE, 0), "{waits:?}");
            waits.retain(|fd| *fd as u64 != event.userdata);
        }
    }
}
