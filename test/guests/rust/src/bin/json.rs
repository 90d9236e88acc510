//! serde_json: reads records from standard input, prints what they add up to and the records again.
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Serialize, Deserialize)]
struct Record {
    id: i64,
    name: String,
    score: f64,
    alive: bool,
    tags: Vec<String>,
    next: Option<Box<Record>>,
}

fn main() {
    let records: Vec<Record> = match serde_json::from_reader(std::io::stdin().lock()) {
        Ok(records) => records,
        Err(_) => {
            println!("malformed");
            std::process::exit(1);
        }
    };
    let (mut count, mut ids, mut quarters, mut alive) = (0, 0i64, 0f64, 0);
    let mut tags = BTreeSet::new();
    for first in &records {
        let mut record = Some(first);
        while let Some(r) = record {
            count += 1;
            ids += r.id;
            quarters += r.score * 4.0;
            alive += i32::from(r.alive);
            tags.extend(r.tags.iter());
            record = r.next.as_deref();
        }
    }
    println!("{count} records, ids {ids}, quarters {quarters}, alive {alive}");
    println!("{}", tags.into_iter().map(String::as_str).collect::<Vec<_>>().join(" "));
    for r in &records {
        println!("{}", serde_json::to_string(&r.name).unwrap());
        println!("{}", serde_json::to_string(&r.tags).unwrap());
    }
}
