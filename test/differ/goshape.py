#!/usr/bin/env python3
"""Random valid modules shaped like those of Go's compiler (GOOS=wasip1), and like what is nearly that.

usage: test/differ/goshape.py SEED FILE [IMPORTED-FILE]     # one module, to look at

The same seed gives the same module. README.md says what is in them; goshape_body.py makes the functions of
Go's signature, goshape_code.py the expressions. Globals are those of Go: 0 is the stack pointer, others
hold i64; behind them stand the fuel and the budget of calls that make everything end. The exports that
wind them up, `e0`..., `p0`..., `drive` and `run`, are called by whoever compares.
"""
import random
import sys

from goshape_body import Body, Go
from goshape_code import (EXTEND_U, F32, F64, I32, I64, LARGE_OFFSETS, LOADS, SP_GLOBAL, STORES, WRAP, Code, sleb,
                          uleb)

PAGE = 65536
CALLS = 150         # budget of calls of an entry
FUNC, TABLE, MEMORY, GLOBAL = range(4)  # kinds of imports and exports
HELPERS = (([I64, I64], [I64]), ([I32], [I64]), ([I64], [I32]), ([F64, I64], [F64]), ([F32], [F32]),
           ([I32, F64], [I32]), ([], [I64]), ([F64], [F32]))


def name(text):
    return uleb(len(text)) + text.encode()


def section(number, items):
    body = uleb(len(items)) + b"".join(items)
    return bytes([number]) + uleb(len(body)) + body if items else b""


def constant(kind, value):
    return {I32: b"\x41", I64: b"\x42"}[kind] + sleb(value) + b"\x0b"


class Types:
    """The type section as it is asked for. Some types stand there twice: they are the same type."""

    def __init__(self, r):
        self.items, self.index, self.r = [], {}, r

    def find(self, params, results):
        key = bytes(params), bytes(results)
        known = self.index.setdefault(key, [])
        if not known or len(known) < 3 and self.r.random() < 0.02:
            known.append(len(self.items))
            self.items.append(b"\x60" + name_of(params) + name_of(results))
        return self.r.choice(known)


def name_of(kinds):
    return uleb(len(kinds)) + bytes(kinds)


class Helper(Body):
    """A function with another signature; it calls only helpers of higher rank."""

    def __init__(self, shape, rank, index, params, results):
        super().__init__(shape, params, results)
        self.rank, self.index = rank, index
        for local, kind in enumerate(params):
            self.pool[kind].append(local)

    def build(self):
        r = self.m.r
        self.add_locals(r.choice([1, 3, 8]), r.choice([0, 2]), r.choice([0, 2]), r.choice([0, 2]))
        self.room = r.choice([1, 3, 8])
        self.statements(r.choice([0, 1, 3]))
        for kind in self.results:
            self.expr(kind, 3)
        return self


class Probe(Go):
    """A few statements with nothing before them, the stack pointer anywhere: what traps here has trapped nowhere
    else before, so that each way to be just inside or just outside is met."""

    def __init__(self, shape):
        super().__init__(shape, len(shape.ranked) - 1)
        self.count = self.frame = 0

    def build(self):
        r = self.m.r
        self.m.wind_up(self, 20, 5)
        end = self.m.bytes
        self.const(I32, r.choice([0x6000, 0, 8, 16, 24, end - 8, end - 16, end - 24, end - 48, end]))
        self.global_set(SP_GLOBAL)
        self.resync()
        for local in self.pool[I64] + self.pool[F64]:
            self.get(0)
            self.const(I32, 0x3fff)
            self.op(0x71)
            self.access(LOADS, self.kinds[local], r.randrange(0x3000))
            self.set(local)
        for _ in range(r.choice([2, 4])):
            r.choice([self.idiom, self.idiom, self.idiom, self.overlap, self.edge, self.wild_access])()
        self.finish()
        self.const(I32, 0)
        return self

    def rarely(self):
        if self.chance(0.3):
            super().rarely()
        else:
            self.const(I32, 1)


class Shape:
    """One module: the features that its functions share, and its sections."""

    def __init__(self, seed):
        self.seed, self.r = seed, random.Random(seed)
        r = self.r
        self.types = Types(r)
        self.wild = r.choice([0, 0, 0, 0, 0.01, 0.02, 0.1, 0.3])
        self.large = r.choice([[0x10000, 0x2000000, 0x40000024], LARGE_OFFSETS])
        self.odd = r.choice([0, 0.1, 0.4])  # of the dispatches: those that are not Go's
        self.many = r.choice([12, 16, 24, 45, 90])
        self.pages = r.choice([1, 1, 2, 3])
        self.pages_max = r.choice([None, self.pages, self.pages + 1, self.pages + 4])
        self.bytes = self.pages * PAGE
        self.reach = 0x8000
        self.stacks = self.stack_pointers()
        self.plan_globals()
        self.plan_functions()

    def stack_pointers(self):
        """Where SP may begin: mostly in the middle, else where 8 less or 64 more is outside."""
        middle = self.r.choice([0x6000, 0x2f00])
        if self.r.random() < 0.75:
            return [middle]
        if self.r.random() < 0.5:
            return [middle, self.bytes - self.r.choice([0, 8, 16, 24, 32, 64, 128])]
        return [middle, self.r.choice([0, 4, 8, 16, 24, 40])]

    def plan_globals(self):
        r = self.r
        self.globals = [I32] + [I64] * r.choice([2, 3, 6])
        self.g = 1  # holds an address
        self.ints = list(range(2, len(self.globals)))
        self.fuel_kind = r.choice([I32, I64])
        self.globals += [self.fuel_kind, I32, I32]
        self.turn = len(self.globals) - 1
        self.fuel, self.budget = self.turn - 2, self.turn - 1
        self.global_imports = r.choice([0, 0, 0, 0, 1, 2, len(self.globals)])
        share = r.choice([0, 0, 0.3, 1])
        self.global_exports = [i for i in range(len(self.globals)) if r.random() < share]
        self.imports_memory = r.random() < (0.5 if self.global_imports else 0.1)

    def plan_functions(self):
        r = self.r
        self.imports = list(range(r.choice([0, 0, 0, 1, 2])))
        count = r.choice([3, 4, 6, 8, 10])
        first = len(self.imports)
        self.ranked = list(range(first, first + count))
        self.helpers = []
        at = first + count
        for rank, (params, results) in enumerate(r.sample(HELPERS, r.choice([0, 0, 2, 5]))):
            self.helpers.append(Helper(self, rank + count, at + rank, params, results))
        slots = self.ranked * r.choice([1, 1, 2])
        r.shuffle(slots)
        if r.random() < 0.4:  # not all of one type, not all there
            others = [None, *self.imports, *(h.index for h in self.helpers)]
            for _ in range(r.choice([1, 3])):
                slots.insert(r.randrange(len(slots) + 1), r.choice(others))
        self.table = slots
        self.go_slots = [i for i, f in enumerate(slots) if f in self.ranked]
        self.exports_table = r.random() < 0.2

    # ---- Asked by the functions while they are made

    def type(self, params, results):
        return self.types.find(params, results)

    def helper(self, rank, kind, r):
        fitting = [h for h in self.helpers if h.rank > rank and h.results == [kind]]
        return r.choice(fitting) if fitting else None

    def is_imported(self, global_):
        return global_ < self.global_imports

    def slot_of(self, rank):
        """Go's PC_F: where a function stands in the table."""
        return self.table.index(self.ranked[rank])

    # ---- Functions that begin everything

    def wind_up(self, c, fuel, calls, pick=None):
        """SP, fuel and budget as at the beginning. `pick`: a local that chooses where the stack is."""
        c.const(I32, self.stacks[0])
        if pick is not None and len(self.stacks) > 1:
            c.const(I32, self.stacks[1])
            c.get(pick)
            c.const(I32, 3)
            c.op(0x71)
            c.op(0x1b)
        c.global_set(SP_GLOBAL)
        c.const(self.fuel_kind, fuel)
        c.global_set(self.fuel)
        c.const(I32, calls)
        c.global_set(self.budget)

    def entry(self):
        """Calls the next function at each turn: at 0, at a place that the turn gives, or where the host says."""
        c = Code(self, [I32], [I32])
        turn, place = c.local(I32), c.local(I32)
        c.global_get(self.turn)
        c.tee(turn)
        c.const(I32, 1)
        c.op(0x6a)
        c.global_set(self.turn)
        self.wind_up(c, self.r.choice([10, 200, 1000, 3000]), CALLS, 0)
        c.get(turn)
        c.const(I32, len(self.ranked))
        c.op(0x6e)
        c.set(place)
        c.get(0)
        c.get(place)
        c.const(I32, self.r.choice([1, 3, 7]))
        c.op(0x6c)
        c.const(I32, 15)
        c.op(0x71)
        self.chosen(c, place, 2)
        c.const(I32, 0)
        self.chosen(c, place, 1)
        c.set(place)
        for number, callee in enumerate(self.ranked):
            c.get(turn)
            c.const(I32, len(self.ranked))
            c.op(0x70)
            c.const(I32, number)
            c.op(0x46)
            c.open(0x04)
            c.get(place)
            c.op(0x10, callee)
            c.op(0x0f)
            c.end()
        c.const(I32, 0)
        return c

    def chosen(self, c, local, bit):
        """Of two values the first one where the local has the bit."""
        c.get(local)
        c.const(I32, bit)
        c.op(0x71)
        c.op(0x1b)

    def driver(self):
        """Go's wasm_pc_f_loop: takes function and place from the stack and goes on there."""
        c = Code(self, [I32], [I32])
        left = c.local(I32)
        self.wind_up(c, 500, CALLS, 0)
        c.const(I32, self.r.choice([5, 30]))
        c.set(left)
        c.const(I32, 0)
        c.op(0x10, self.r.choice(self.ranked))
        c.op(0x1a)
        out = c.block()
        again = c.open(0x03)
        c.get(left)
        c.const(I32, 1)
        c.op(0x6b)
        c.tee(left)
        c.op(0x45)
        c.br_if(out)
        for width, below in ((0x2f, 0), (0x2f, 2)):
            c.global_get(SP_GLOBAL)
            c.const(I32, self.r.choice([0, 8]))
            c.op(0x6b)
            c.op(width, 1, below)
        c.const(I32, len(self.table) - 1 if not self.wild else len(self.table) + 1)
        c.op(0x70 if len(self.table) > 1 else 0x71)
        c.op(0x11, self.type([I32], [I32]), 0)
        c.op(0x1a)
        c.br(again)
        c.end()
        c.end()
        c.get(left)
        return c

    def runner(self):
        """Calls functions over and over, and adds up what they say and leave."""
        c = Code(self, [I32], [I64])
        i, sum_ = c.local(I32), c.local(I64)
        rounds = self.r.choice([40, 150, 300])
        again = c.open(0x03)
        callees = [self.r.choice(self.ranked) for _ in range(self.r.choice([1, 2, 4]))]
        for callee in callees:
            self.wind_up(c, self.r.choice([5, 30, 100, 5000 // rounds]), self.r.choice([2, 10, 4000 // rounds]))
            for g in self.ints:
                if self.r.random() < 0.3:
                    c.get(i)
                    c.op(EXTEND_U)
                    c.const(I64, self.r.choice([1, 3, -1, 0x9e3779b97f4a7c15]))
                    c.op(0x7e)
                    c.global_set(g)
            if self.r.random() < 0.6:
                c.const(I32, 0)
            else:
                c.get(i)
                c.const(I32, self.r.choice([3, 7, 15]))
                c.op(0x71)
            c.op(0x10, callee)
            c.op(EXTEND_U)
            c.get(sum_)
            c.const(I64, 7)
            c.op(0x89)
            c.op(0x7c)
            c.const(I32, self.stacks[0])
            c.access(LOADS, I64, self.r.choice([0, 8, 16]))
            c.op(0x85)
            c.set(sum_)
        c.get(i)
        c.const(I32, 1)
        c.op(0x6a)
        c.tee(i)
        c.const(I32, rounds)
        c.op(0x48)
        c.br_if(again)
        c.end()
        c.get(sum_)
        return c

    # ---- Sections

    def bodies(self):
        """(function, exported names) in the order of their indices, imports left out."""
        r = self.r
        made = [(Go(self, rank).build(), [f"f{rank}"] if r.random() < 0.6 else [])
                for rank in range(len(self.ranked))]
        made += [(h.build(), [f"h{h.rank}"] if r.random() < 0.3 else []) for h in self.helpers]
        made.append((self.entry(), [f"e{i}" for i in range(2 * len(self.ranked))]))
        made += [(Probe(self).build(), [f"p{i}"]) for i in range(r.choice([1, 2, 3]))]
        made += [(self.driver(), ["drive"]), (self.runner(), ["run"])]
        return made

    def global_type(self, i):
        return bytes([self.globals[i], 1])

    def memory_type(self):
        if self.pages_max is None:
            return b"\x00" + uleb(self.pages)
        return b"\x01" + uleb(self.pages) + uleb(self.pages_max)

    def global_value(self, i):
        if i in self.ints:
            return self.r.choice([0, 1, -1, 0x3000, 1 << 40])
        return {SP_GLOBAL: self.stacks[0], self.g: self.r.choice([0, 0x2f00, 0x3ff0])}.get(i, 100)

    def initial(self):
        """An active segment where pointers and stack are."""
        out = []
        for at in self.r.sample([0, 0x100, 0x1000, 0x2f00, 0x3ff0, 0x5fc0, 0x6000, self.bytes - 512], 4):
            data = self.r.getrandbits(8 * 512).to_bytes(512, "little")
            out.append(b"\x00" + constant(I32, at) + uleb(len(data)) + data)
        return out

    def elements(self):
        """One segment for each run of slots that hold something."""
        out, at = [], 0
        while at < len(self.table):
            end = at
            while end < len(self.table) and self.table[end] is not None:
                end += 1
            if end > at:
                out.append(b"\x00" + constant(I32, at) + uleb(end - at) + b"".join(map(uleb, self.table[at:end])))
            at = end + 1
        return out

    def module(self):
        home = f"env{self.seed}"
        imports = [name(home) + name(f"f{i}") + b"\x00" + uleb(self.type([I32], [I32])) for i in self.imports]
        imports += [name(home) + name(f"g{i}") + b"\x03" + self.global_type(i)
                    for i in range(self.global_imports)]
        if self.imports_memory:
            imports.append(name(home) + name("mem") + b"\x02" + self.memory_type())
        made = self.bodies()
        exports = [name(f"g{i}") + bytes([GLOBAL]) + uleb(i) for i in self.global_exports]
        for at, (_, names) in enumerate(made):
            exports += [name(n) + bytes([FUNC]) + uleb(at + len(self.imports)) for n in names]
        self.r.shuffle(exports)
        exports.append(name("memory") + bytes([MEMORY]) + uleb(0))
        if self.exports_table:
            exports.append(name("table") + bytes([TABLE]) + uleb(0))
        funcs = [uleb(self.type(c.params, c.results)) for c, _ in made]
        size = uleb(len(self.table))
        return b"\0asm\x01\0\0\0" + b"".join((
            section(1, self.types.items), section(2, imports), section(3, funcs),
            section(4, [b"\x70\x01" + size + size]),
            section(5, [] if self.imports_memory else [self.memory_type()]),
            section(6, [self.global_type(i) + constant(self.globals[i], self.global_value(i))
                        for i in range(self.global_imports, len(self.globals))]),
            section(7, exports), section(9, self.elements()), section(10, [c.encoded() for c, _ in made]),
            section(11, self.initial())))

    def imported(self):
        """The module that has what is imported, None where nothing is."""
        if not (self.imports or self.global_imports or self.imports_memory):
            return None
        own, self.types = self.types, Types(self.r)
        funcs = [self.host(i) for i in self.imports]
        exports = [name(f"f{i}") + bytes([FUNC]) + uleb(i) for i in self.imports]
        exports += [name(f"g{i}") + bytes([GLOBAL]) + uleb(i) for i in range(self.global_imports)]
        exports.append(name("mem") + bytes([MEMORY]) + uleb(0))
        kinds = [uleb(self.type(c.params, c.results)) for c in funcs]
        wasm = b"\0asm\x01\0\0\0" + b"".join((
            section(1, self.types.items), section(3, kinds), section(5, [self.memory_type()]),
            section(6, [self.global_type(i) + constant(self.globals[i], self.global_value(i))
                        for i in range(len(self.globals))]),
            section(7, exports), section(10, [c.encoded() for c in funcs])))
        self.types = own
        return wasm

    def host(self, number):
        """What the guest calls outside: it reads and writes globals and memory that may be the guest's."""
        c = Code(self, [I32], [I32])
        if self.is_imported(SP_GLOBAL):
            c.global_get(SP_GLOBAL)
            c.const(I32, 8)
            c.op(0x6a)
            c.global_set(SP_GLOBAL)
        c.global_get(SP_GLOBAL)
        c.const(I32, 0x7ff8)
        c.op(0x71)
        c.get(0)
        c.op(EXTEND_U)
        c.access(STORES, I64, 8 * number)
        for g in self.ints:
            c.global_get(g)
            c.const(I64, 5)
            c.op(0x89)
            c.const(I64, g)
            c.op(0x7c)
            c.global_set(g)
        c.global_get(self.ints[0])
        c.op(WRAP)
        c.const(I32, self.r.choice([1, 3]))
        c.op(0x71)
        c.op(0x45)
        return c


def modules(seed):
    """The module of a seed, and the one that it imports from or None."""
    shape = Shape(seed)
    wasm = shape.module()
    return wasm, shape.imported()


def main():
    wasm, imported = modules(int(sys.argv[1]))
    for path, data in zip(sys.argv[2:], (wasm, imported)):
        if data is not None:
            with open(path, "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
