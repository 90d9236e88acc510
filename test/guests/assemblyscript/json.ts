// json-as: reads records from standard input, prints what they add up to and the records again.
import { JSON } from "json-as";

@json
class Record {
  id: i64 = 0;
  name: string = "";
  score: f64 = 0;
  alive: bool = false;
  tags: string[] = [];
  next: Record | null = null;
}

function readAll(): string {
  let all = new Uint8Array(0);
  const buffer = new ArrayBuffer(65536);
  for (let n = process.stdin.read(buffer); n > 0; n = process.stdin.read(buffer)) {
    const grown = new Uint8Array(all.length + n);
    grown.set(all);
    grown.set(Uint8Array.wrap(buffer, 0, n), all.length);
    all = grown;
  }
  return String.UTF8.decode(all.buffer);
}

const records = JSON.parse<Record[]>(readAll());
let count = 0, ids: i64 = 0, quarters: f64 = 0, alive = 0;
const tags = new Set<string>();
for (let i = 0; i < records.length; i++) {
  let record: Record | null = records[i];
  while (record !== null) {
    count++;
    ids += record.id;
    quarters += record.score * 4;
    alive += record.alive ? 1 : 0;
    for (let k = 0; k < record.tags.length; k++) tags.add(record.tags[k]);
    record = record.next;
  }
}
console.log(`${count} records, ids ${ids}, quarters ${<i64>quarters}, alive ${alive}`);
console.log(tags.values().sort().join(" "));
for (let i = 0; i < records.length; i++) {
  console.log(JSON.stringify(records[i].name));
  console.log(JSON.stringify(records[i].tags));
}
