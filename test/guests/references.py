"""What programs of several languages must make of their input, computed by Python's own libraries.

MADE gives the standard input of cases with `stdin_made`; JUDGES look at the output of cases with
`judge` and return lines on what is wrong.
"""
import json
import os
import random
import sqlite3
import zlib

import runner


def text():
    """Just below a mebibyte, in which every byte value occurs, that compresses, in runs and with matches far back."""
    return b"".join([runner.block(0)[:600000], bytes(range(256)) * 256, b"\0" * 100000,
                     random.Random(4).randbytes(100000), runner.block(1)[:100000]])


def record(numbers, depth):
    names = ["Ada", "Grüße", "日本語", "emoji 🙂", "quote \" and \\", "line\nbreak\ttab", "", "a/b", "x" * 300]
    return {
        "id": numbers.randint(-2**53, 2**53), "name": numbers.choice(names),
        "score": numbers.randint(-4000000, 4000000) / 4, "alive": numbers.random() < 0.5,
        "tags": [f"tag{numbers.randint(0, 40)}" for _ in range(numbers.randint(0, 5))],
        "next": record(numbers, depth - 1) if depth else None,
    }


def records():
    numbers = random.Random(1)
    return [record(numbers, numbers.randint(0, 6)) for _ in range(400)]


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def records_summed_up(given):
    """The output of the programs `json`."""
    everything = []
    for first in given:
        while first:
            everything.append(first)
            first = first["next"]
    tags = sorted({tag for r in everything for tag in r["tags"]})
    lines = [f"{len(everything)} records, ids {sum(r['id'] for r in everything)}, quarters "
             f"{sum(int(r['score'] * 4) for r in everything)}, alive {sum(r['alive'] for r in everything)}",
             " ".join(tags)]
    for first in given:
        lines += [compact(first["name"]), compact(first["tags"])]
    return "\n".join(lines) + "\n"


STATEMENTS = """
create table words(id integer primary key, word text not null, length integer, seen real);
create index by_length on words(length, word);
begin;
with recursive n(i) as (values(1) union all select i + 1 from n where i < 5000)
  insert into words(word, length, seen)
  select printf('word-%x', i * 2654435761 % 65521), i % 17, i / 4.0 from n;
commit;
delete from words where id % 3 = 0;
update words set word = upper(word) where length = 5;
select count(*), sum(length), min(word), max(word), total(seen) from words;
select length, count(*) as n, group_concat(id % 7) from
  (select * from words where id < 300 order by id) group by length having n > 5 order by n desc, length;
select substr(word, 6), replace(word, '-', '+'), hex(word), round(seen * 3, 2) from words
  where length = 5 order by word limit 20;
create table copy as select word, row_number() over (order by seen desc) as place from words;
select * from copy where place in (1, 2, 3333);
savepoint one;
delete from words;
rollback to one;
release one;
drop table copy;
vacuum;
pragma integrity_check;
select count(*) from words;
"""


def statements_run(path):
    """What SQLite's rows look like, printed as the program prints them."""
    lines = []
    database = sqlite3.connect(path, isolation_level=None)
    for statement in STATEMENTS.strip().split(";\n"):
        rows = database.execute(statement.rstrip(";\n"))
        lines += ["|".join("NULL" if v is None else str(v) for v in row) for row in rows]
    database.close()
    return "\n".join(lines) + "\n"


def differs(what, want, got):
    return [] if want == got else runner.diff(what, want, got) or [f"{what} differs"]


def judge_upper(given, out, work):
    return differs("stdout", given.upper(), out)


def judge_deflated(given, out, work):
    try:
        return differs("decompressed stdout", given, zlib.decompress(out))
    except zlib.error as error:
        return [f"stdout is no zlib stream: {error}"]


def judge_inflated(given, out, work):
    return differs("stdout", zlib.decompress(given), out)


def judge_json(given, out, work):
    return differs("stdout", records_summed_up(json.loads(given)).encode(), out)


def judge_sqlite(given, out, work):
    """The output is that of another SQLite, which can also read the file left behind."""
    bad = differs("stdout", statements_run(":memory:").encode(), out)
    database = sqlite3.connect(os.path.join(work, "data", "words.db"))
    for question in ("pragma integrity_check", "select * from words order by id"):
        rows = database.execute(question).fetchall()
        if question.startswith("pragma") and rows != [("ok",)]:
            bad.append(f"the database left behind is not sound: {rows[:5]}")
        elif question.startswith("select") and len(rows) != 3334:
            bad.append(f"the database left behind has {len(rows)} rows")
    database.close()
    return bad


MADE = {
    "text": text,
    "nothing": lambda: b"",
    "deflated": lambda: zlib.compress(text(), 9),
    "stored": lambda: zlib.compress(text(), 0),
    "damaged": lambda: zlib.compress(text())[:-1] + b"!",
    "cut": lambda: zlib.compress(text())[:5000],
    "records": lambda: json.dumps(records()).encode(),
    "records-utf8": lambda: json.dumps(records(), ensure_ascii=False, indent=1).encode(),
    "records-cut": lambda: json.dumps(records()).encode()[:-100],
    "statements": STATEMENTS.encode,
}

JUDGES = {
    "upper": judge_upper, "deflated": judge_deflated, "inflated": judge_inflated, "json": judge_json,
    "sqlite": judge_sqlite,
}
