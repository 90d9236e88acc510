"""The bodies of goshape: statements, calls as Go makes them, dispatch loops and what only looks like one.

A statement leaves the operand stack as it found it. Everything ends: `fuel` stands before each jump that
may lead backwards, and a function that is entered with 0 counts against a budget of calls; a call with
anything else leads to a function of higher rank, so that there is no way around.
"""
from goshape_code import (BINARY, DIVISIONS, EDGES, EDGES_U, EXTEND_U, F32, F64, I32, I64, LOADS, SP_GLOBAL, STORES,
                          TRUNC, WRAP, Code)
from goshape_idioms import Idioms

# How a dispatch may look. Only the first group's constant jumps have a target that is known here.
PLAIN = ("plain",) * 12 + ("insn", "insn", "insn", "insn", "nops", "double", "set-other")
ODD = ("add", "mask", "tee", "other", "if", "between", "value-below")
JUMPS = ("plain",) * 11 + ("tee", "other", "other", "behind-store", "behind-set", "br_if", "merged", "merged-value",
                           "select", "wrapped", "table", "if-around", "call-between", "read-after", "naked",
                           "changing", "block-around")


class Dispatch:
    """A loop with its br_table: what a jump needs to know."""

    def __init__(self, loop, var, targets, known):
        self.loop, self.var, self.targets, self.known = loop, var, targets, known
        self.current = 0

    def is_forward(self, k):
        return self.known and self.targets[min(k, len(self.targets) - 1)] > self.current


class Body(Code):
    """Statements; `Go` below adds what needs a stack pointer."""

    def __init__(self, module, params, results):
        super().__init__(module, params, results)
        self.unwind = None
        self.loops = []
        self.room = 40
        self.frame = 0

    def add_locals(self, ints, doubles, floats, words):
        for kind, count in ((I64, ints), (F64, doubles), (F32, floats), (I32, words)):
            for i in range(count):
                local = self.local(kind)
                if kind in (F32, F64) and i % 2:
                    self.dirty[kind].append(local)
                elif kind == I64 and i % 6 == 1:
                    self.pointers.append(local)
                elif kind == I64 and i % 6 == 3:
                    self.indices.append(local)
                else:
                    self.pool[kind].append(local)

    def exit(self):
        """Leave the function from anywhere."""
        if self.unwind in self.labels and self.chance(0.5):
            self.br(self.unwind)
        else:
            self.leave(self.r.randrange(2))

    def fuel(self):
        fuel, kind = self.m.fuel, self.m.fuel_kind
        if self.chance(0.5):
            self.global_get(fuel)
            self.const(kind, 1)
            self.op(BINARY[kind][1])
            self.global_set(fuel)
            self.global_get(fuel)
            self.const(kind, 0)
            self.op(0x48 if kind == I32 else 0x53)
        else:
            self.global_get(fuel)
            self.const(kind, 0)
            self.op(0x4c if kind == I32 else 0x57)
            self.global_get(fuel)
            self.const(kind, -1)
            self.op(BINARY[kind][0])
            self.global_set(fuel)
        self.open(0x04)
        self.exit()
        self.end()

    # ---- Statements

    def statements(self, count, depth=0):
        for _ in range(count):
            self.statement(depth)

    def statement(self, depth):
        self.room -= 1
        ways = self.SIMPLE
        if depth < 3 and self.room > 0:
            ways = self.SIMPLE + self.NESTED + self.NESTED
        way = self.r.choice(ways)
        if way in self.NESTED:
            getattr(self, way)(depth)
        else:
            getattr(self, way)()

    def assign(self):
        kind = self.r.choice([I64] * 6 + [I32, F64, F32])
        if not self.pool[kind]:
            return
        self.expr(kind)
        self.set(self.r.choice(self.pool[kind]))

    def assign_dirty(self):
        kind = self.r.choice([F64, F64, F32])
        if self.dirty[kind]:
            self.arithmetic(kind, self.r.choice([1, 2, 3]))
            self.set(self.r.choice(self.dirty[kind]))

    def assign_pointer(self):
        """Or a small number. Pointers into the stack are other names of [SP+k]."""
        if self.indices and self.chance(0.4):
            self.expr(I64, 1)
            self.const(I64, self.r.choice([7, 63, 255]))
            self.op(0x83)
            self.set(self.r.choice(self.indices))
            return
        if not self.pointers:
            return
        if self.sp is not None and self.chance(0.3):
            self.get(self.sp)
            self.op(EXTEND_U)
            self.const(I64, self.r.choice([0, 8, 8, 16, 24]))
            self.op(0x7c)
        else:
            self.expr(I64, 2)
            self.const(I64, self.r.choice([0x3fff, 0x3ff8, 0x1000]))
            self.op(0x83)
        self.set(self.r.choice(self.pointers))

    def assign_global(self):
        if self.m.ints:
            self.expr(I64)
            self.global_set(self.r.choice(self.m.ints))

    def put(self):
        self.store(self.r.choice([I64, I64, I64, I32, F64, F32]))

    def overlap(self):
        """A store and loads of a part of it, or of more than it."""
        kind = self.r.choice([I64, I64, I32, F64, F32])
        slot = self.r.choice([8, 16, 24, 32])
        for step in range(self.r.choice([2, 3, 4])):
            loaded = self.r.choice([I64, I64, I32, F64])
            offset = slot + self.r.choice([0, 0, 0, 1, 2, 4, 7, -1, -4])
            if self.sp is None:
                self.const(I32, 0x1000)
            else:
                self.get(self.sp)
            if self.chance(0.4):
                self.op(EXTEND_U)
                self.const(I64, offset)
                self.op(0x7c)
                self.op(WRAP)
                offset = 0
            if step % 2 == 0:
                self.expr(kind)
                self.access(STORES, kind, offset)
            elif self.pool[loaded]:
                self.access(LOADS, loaded, offset)
                self.set(self.r.choice(self.pool[loaded]))
            else:
                self.access(LOADS, loaded, offset)
                self.op(0x1a)

    def dropped(self):
        """Values that are not used; what traps must do so nevertheless."""
        kind = self.r.choice([I64, I32, F64])
        if self.chance(0.5):
            self.load(kind)
        else:
            self.expr(kind)
        self.op(0x1a)

    def bulk(self):
        self.condition(0)
        self.open(0x04)
        for _ in range(2):
            self.integer(I64, 1)
            self.const(I64, 0x1ff8)
            self.op(0x83)
            self.op(WRAP)
        if self.chance(self.m.wild):
            self.expr(I32)
        else:
            self.integer(I32, 1)
            self.const(I32, self.r.choice([15, 63, 255]))
            self.op(0x71)
        if self.chance(0.6):
            self.op(0xfc, 10, 0, 0)
        else:
            self.op(0xfc, 11, 0)
        self.end()

    def grow(self):
        self.rarely()
        self.open(0x04, (), [I32])
        if self.chance(0.5):
            self.const(I32, self.r.choice([0, 1, 1, 2, 65536, -1]))
        else:
            self.integer(I32, 1)
            self.const(I32, 3)
            self.op(0x71)
        self.op(0x40, 0)
        self.other()
        self.op(0x3f, 0)
        self.end()
        self.take(I32)

    def wild_access(self):
        """Far outside, mostly not executed."""
        self.rarely()
        self.open(0x04)
        for _ in range(self.r.choice([1, 2])):
            kind = self.r.choice([I64, I32, F64])
            is_load = self.chance(0.5)
            if self.sp is not None and self.chance(0.4):
                self.get(self.sp)
            else:
                self.integer(I32, 1)
            offset = self.r.choice(self.m.large)
            if is_load:
                self.access(LOADS, kind, offset)
                self.take(kind)
            else:
                self.expr(kind, 0)
                self.access(STORES, kind, offset)
        self.end()

    def edge(self):
        """What just does not trap, or just does: then mostly not executed."""
        kind, source, side = self.r.choice([I32, I64]), self.r.choice([F32, F64]), self.r.randrange(2)
        pick, table = self.r.randrange(6), self.r.choice([LOADS, STORES])
        if pick < 2:
            self.at_the_end(table, kind, False)
            if table is LOADS:
                self.take(kind)
            return
        self.rarely()
        self.open(0x04)
        if pick == 2:
            self.at_the_end(table, kind, True)
            if table is STORES:
                self.expr(kind, 0)
        elif pick == 3:
            self.const(source, self.r.choice((EDGES, EDGES_U)[side][kind, source][1]))
            self.op(TRUNC[kind][source][side])
        else:
            self.expr(kind, 1)
            if self.chance(0.5):
                self.expr(kind, 1)
            else:
                self.const(kind, self.r.choice([0, -1]))
            self.op(self.r.choice(DIVISIONS[kind]))
        self.take(kind)
        self.end()

    def crash(self):
        self.rarely()
        self.rarely()
        self.op(0x71)
        self.open(0x04)
        if self.chance(0.5 if self.m.wild else 0):
            self.op(0x00)
        else:
            self.leave(0)
            if self.chance(0.5):
                self.op(0x00)
        self.end()

    def take(self, kind):
        """Use up the value on the stack."""
        if kind in (I32, I64) and self.pool[kind] and self.chance(0.6):
            self.expr(kind, self.r.choice([0, 0, 1]))
            self.op(self.r.choice(BINARY[kind]))
            self.set(self.r.choice(self.pool[kind]))
        elif kind in (F32, F64) and self.dirty[kind] and self.chance(0.4):
            self.number(kind, 1)
            self.op(self.r.choice(BINARY[kind]))
            self.set(self.r.choice(self.dirty[kind]))
        elif self.pool[kind]:
            self.set(self.r.choice(self.pool[kind]))
        else:
            self.op(0x1a)

    def branch(self, depth):
        self.condition()
        self.open(0x04)
        self.statements(self.r.choice([1, 2]), depth + 1)
        if self.chance(0.3):
            self.other()
            self.statements(1, depth + 1)
        self.end()

    def skip(self, depth):
        """A block that is left early."""
        label = self.block()
        self.statements(self.r.choice([0, 1]), depth + 1)
        self.condition()
        if self.chance(0.6):
            self.br_if(label)
        else:
            self.open(0x04)
            self.br(label)
            self.end()
        self.statements(self.r.choice([1, 2]), depth + 1)
        if self.chance(0.1):
            self.br(label)
            self.statements(1, depth + 1)  # nothing leads here
        self.end()

    def repeat(self, depth):
        """A loop that is none of Go's."""
        label = self.open(0x03)
        self.statements(self.r.choice([1, 2]), depth + 1)
        self.fuel()
        self.condition()
        self.br_if(label)
        self.end()

    def carried(self, depth):
        """A loop with parameters, which its branches bring."""
        kinds = [self.r.choice([I64, I32, F64]) for _ in range(self.r.choice([1, 2, 3]))]
        for kind in kinds:
            self.expr(kind, 1)
        label = self.open(0x03, kinds, kinds)
        for kind in reversed(kinds):
            self.take(kind)
        self.statements(1, depth + 1)
        self.fuel()
        for kind in kinds:
            self.expr(kind, 0)
        self.condition()
        self.br_if(label)
        self.end()
        for kind in reversed(kinds):
            self.take(kind)

    def multi(self, depth):
        """A block with several results."""
        kinds = [self.r.choice([I64, I64, I32, F64, F32]) for _ in range(self.r.choice([2, 3]))]
        label = self.block(*kinds)
        if self.chance(0.5):
            self.expr(I64, 0)  # goes when the branch is taken
        for kind in kinds:
            self.expr(kind, 1)
        self.condition()
        self.br_if(label)
        for kind in reversed(kinds):
            self.take(kind)
        self.statements(1, depth + 1)
        for kind in kinds:
            self.expr(kind, 0)
        if self.chance(0.5):
            self.br(label)
        else:
            self.integer(I32, 0)
            self.br_table([label, label, label])
        self.end()
        for kind in reversed(kinds):
            self.take(kind)

    def pending(self, depth):
        """Values that wait on the stack while locals and memory change."""
        kinds = [self.r.choice([I64, I64, I64, I32, F64, F32]) for _ in range(self.r.choice([1, 2, 3]))]
        for kind in kinds:
            if self.pool[kind] and self.chance(0.6):
                self.get(self.r.choice(self.pool[kind]))
            elif self.chance(0.5):
                self.load(kind)
            else:
                self.expr(kind, 1)
        for kind in kinds:
            if self.pool[kind] and self.chance(0.5):
                self.expr(kind, 1)
                self.set(self.r.choice(self.pool[kind]))
        self.statements(self.r.choice([1, 2]), depth + 1)
        for kind in reversed(kinds):
            self.take(kind)

    def switch(self, depth):
        labels = [self.block() for _ in range(self.r.choice([2, 3, 5]))]
        self.integer(I32, 1)
        if self.chance(0.7):
            self.const(I32, 7)
            self.op(0x71)
        targets = [self.r.choice(labels) for _ in range(self.r.choice([1, 3, 8]))]
        self.br_table(targets)
        for _ in labels[1:]:
            self.end()
            self.statements(1, depth + 1)
            if self.chance(0.4):
                self.br(labels[0])
        self.end()

    def inner_dispatch(self, depth):
        if depth > 1 or self.room < 4:
            self.assign()
            return
        var = self.r.choice(self.pool[I32] + [0]) if self.sp is not None else self.local(I32)
        self.dispatch(var, self.r.choice([2, 3]), depth + 1, self.form())

    # ---- Dispatch loops

    def jump(self, depth=2):
        if not self.loops:
            return
        d = self.loops[-1] if self.chance(0.85) else self.r.choice(self.loops)
        count = len(d.targets) - 1
        k = self.r.choice([self.r.randrange(count + 1), self.r.randrange(count + 1),
                           min(d.current + self.r.choice([1, 1, 2]), count)])
        if self.chance(0.1):
            k = self.r.choice([count, count + 1, 1 << 20, 0x7fffffff, 0x80000000, 0xffffffff])
        form = self.r.choice(JUMPS)
        if form not in ("plain", "tee") or not d.is_forward(k) or self.chance(0.2):
            self.fuel()
        if form in ("plain", "tee"):
            self.const(I32, k)
            if form == "tee":
                self.tee(d.var)
                self.op(0x1a)
            else:
                self.set(d.var)
            self.br(d.loop)
        elif form in ("naked", "changing", "select", "wrapped", "merged-value"):
            self.computed_jump(d, form, k, count)
        elif form in ("br_if", "table", "if-around", "block-around"):
            self.conditional_jump(d, form, k)
        else:
            self.interrupted_jump(d, form, k, count, depth)
            self.br(d.loop)

    def computed_jump(self, d, form, k, count):
        """K is not one constant."""
        if form == "changing":
            self.computed(count)
        elif form == "select":
            self.const(I32, k)
            self.const(I32, self.r.randrange(count + 1))
            self.condition(0)
            self.op(0x1b)
        elif form == "wrapped":
            self.const(I64, (self.r.randrange(3) << 32) + k)
            self.op(WRAP)
        elif form == "merged-value":
            self.condition()
            self.open(0x04, (), [I32])
            self.const(I32, k)
            self.other()
            self.const(I32, self.r.randrange(count + 1))
            self.end()
        if form != "naked":
            self.set(d.var)
        self.br(d.loop)

    def computed(self, count):
        self.integer(I32, 2)
        if self.chance(0.8):
            self.const(I32, count + 1)
            self.op(0x70)

    def conditional_jump(self, d, form, k):
        """The jump is not the branch that follows the store, or not that alone."""
        if form == "if-around":
            self.condition()
            self.open(0x04)
            self.const(I32, k)
            self.set(d.var)
            self.end()
            self.br(d.loop)
            return
        if form == "block-around":
            out = self.block()
            self.condition()
            self.br_if(out)
            self.const(I32, k)
            self.set(d.var)
            self.end()
            self.br(d.loop)
            return
        self.const(I32, k)
        self.set(d.var)
        if form == "br_if":
            self.condition()
            self.br_if(d.loop)
            return
        out = self.block()
        self.integer(I32, 1)
        self.br_table([self.r.choice([d.loop, d.loop, out]) for _ in range(self.r.choice([2, 4]))])
        self.end()

    def interrupted_jump(self, d, form, k, count, depth):
        """Something stands between the store of K and the branch."""
        if form == "merged":
            self.condition()
            self.open(0x04)
            self.const(I32, k)
            self.set(d.var)
            self.other()
            self.const(I32, self.r.randrange(count + 1))
            self.set(d.var)
            self.end()
            return
        if form == "other":  # the store beside the branch is of another local
            if self.chance(0.5):
                self.computed(count)
                self.set(d.var)
            self.const(I32, k)
            others = self.pool[I32] + [0] * (2 if self.sp is not None else 0)
            self.set(self.r.choice([i for i in others if i != d.var] or [self.local(I32)]))
            return
        self.const(I32, k)
        self.set(d.var)
        if form == "behind-store":
            self.put()
        elif form == "behind-set":
            self.assign()
        elif form == "call-between":
            self.called_between()
        elif form == "read-after" and self.pool[I32]:
            self.get(d.var)
            self.take(I32)
        elif self.room > 0:
            self.statement(depth)

    def called_between(self):
        self.assign_global()

    def form(self):
        return self.r.choice(ODD if self.chance(self.m.odd) else PLAIN)

    def dispatch(self, var, count, depth, form):
        """`count` segments of code and the loop that leads to each of them."""
        below = [self.r.choice([I64, I32]) for _ in range(2)] if form == "value-below" else []
        for kind in below:
            self.expr(kind, 0)
        order = self.targets(count)
        loop = self.open(0x03)
        known = form in PLAIN and (form != "insn" or var not in self.pool[I32]) or form == "value-below"
        d = Dispatch(loop, var, order, known)
        inner = None
        if form == "insn":
            self.r.choice([self.assign, self.put, self.resync, self.counted] + [self.fetched] * 3)()
        elif form == "nops":
            self.op(0x01)
        elif form == "set-other" and self.pool[I32]:
            self.const(I32, self.r.randrange(9))
            self.set(self.r.choice([i for i in self.pool[I32] if i != var] or [self.local(I32)]))
        elif form == "double":
            inner = self.open(0x03)
            d.loop = self.r.choice([loop, inner])
        self.blocks(form, count)
        blocks = self.labels[-count:][::-1]
        self.index(form, var, count)
        self.br_table([blocks[t] for t in order])
        self.loops.append(d)
        for i in range(count):
            self.end()
            d.current = i
            self.segment(d, i + 1 == count, depth)
        self.loops.pop()
        if inner is not None:
            self.end()
        self.end()
        for kind in reversed(below):
            self.take(kind)

    def targets(self, count):
        """The segment of each entry of the table; the last one is the default."""
        if self.chance(0.7):  # as Go does: in order, some twice
            order = [0] if self.chance(0.8) else []
            for i in range(count):
                order += [i] * self.r.choice([1, 1, 1, 2, 0 if i else 1])
            return order or [0]
        return [self.r.randrange(count) for _ in range(self.r.choice([1, count, count + 2, 2 * count]))]

    def blocks(self, form, count):
        odd = self.r.randrange(count)
        for i in range(count):
            if form == "if" and i == odd:
                self.condition(1)
                self.open(0x04)
            else:
                self.block()
            if form == "between" and i == odd:
                self.r.choice([self.dropped, self.assign, self.put])()

    def index(self, form, var, count):
        if form == "other":
            self.get(var)
            var = self.local(I32)
            self.set(var)
        self.get(var)
        if form == "add":
            self.const(I32, self.r.choice([1, -1, 2]))
            self.op(0x6a)
        elif form == "mask":
            self.const(I32, self.r.choice([1, 3, 7, count]))
            self.op(0x71)
        elif form == "tee":
            self.tee(self.local(I32))

    def segment(self, d, is_last, depth):
        if self.chance(0.92):
            self.statements(self.r.choice([1, 1, 2, 3]), depth)
        pick = self.r.random()
        if pick < 0.5:
            self.jump(depth + 1)
        elif pick < (0.75 if is_last else 0.53):
            self.finish()
        elif pick < 0.57 and self.m.wild:
            self.op(0x00)
        elif pick < 0.62 and self.loops[:-1]:
            self.fuel()
            self.br(self.loops[0].loop)
        if self.chance(0.02):
            self.statements(1, 3)

    def fetched(self):
        """Like `resync`, of another global, which may change on the way to the next jump."""
        kind, source = self.m.fuel_kind, self.m.fuel
        if not self.pool[kind] or self.chance(0.3):
            kind, source = I64, self.r.choice(self.m.ints)
        if self.pool[kind]:
            self.global_get(source)
            self.set(self.r.choice(self.pool[kind]))

    def counted(self):
        """Seen in memory: how often it was executed."""
        self.const(I32, 0x2000)
        self.const(I32, 0x2000)
        self.op(0x29, 3, 0)
        self.const(I64, 3)
        self.op(0x7c)
        self.op(0x37, 3, 0)

    def resync(self):
        """Global 0 to local 1, where there is a local 1 for it."""
        if self.sp is not None:
            self.global_get(SP_GLOBAL)
            self.set(self.sp)

    def jump_if(self):
        if not self.loops:
            self.assign()
            return
        self.condition()
        self.open(0x04)
        self.jump()
        self.end()

    def finish(self):
        """Return with a value."""
        for kind in self.results:
            self.expr(kind, 1)
        self.op(0x0f)

    SIMPLE = ("assign",) * 6 + ("assign_dirty", "assign_pointer", "assign_global", "put", "put", "put", "overlap",
                                "dropped", "wild_access", "edge", "crash", "jump_if")
    NESTED = ("branch", "skip", "repeat", "carried", "multi", "pending", "pending", "switch")


class Go(Idioms, Body):
    """A function as Go makes them: (i32) -> i32, local 0 the way in, local 1 a copy of the stack pointer."""

    SIMPLE = Body.SIMPLE + ("call",) * 4 + ("idioms",) * 8 + ("jump_if",) * 2 + (
        "call_slot", "adjust", "scratch", "bulk", "grow", "sync_back", "idiom")
    NESTED = Body.NESTED + ("inner_dispatch",) * 2

    def __init__(self, module, rank):
        super().__init__(module, [I32], [I32])
        self.rank = rank
        self.sp = self.local(I32)
        r = module.r
        self.add_locals(r.choice([2, 4, 8, 10, 16, 16, module.many]), r.choice([0, 2, 4, 16]),
                        r.choice([0, 0, 2, 16]), r.choice([0, 1, 2, 4]))
        self.frame = r.choice([0, 0, 8, 16, 24, 32, 64])
        self.count = r.choice([0, 2, 3, 4, 5, 6, 9, 14])
        self.room = r.choice([15, 30, 50])
        self.is_early = False  # what must be executed at each entry stands before the dispatch
        # As in Go's own code SP and its copy are only written together, and copied anew behind each call.
        self.is_pure = self.chance(0.6)

    def build(self):
        form = self.form()
        if self.chance(0.15):
            self.before_copy()
        if self.chance(0.05):
            self.condition()
            self.open(0x04)
            self.resync()
            self.end()
        elif self.chance(0.95):
            self.resync()
        before = None
        if self.chance(0.1):
            before = self.r.choice([self.assign, self.put, self.dropped, self.changed_entry])
        self.is_early = not self.count or form not in PLAIN or before == self.changed_entry
        if self.is_early:
            self.prologue()
        if before:
            before()
        if self.chance(0.9):
            self.unwind = self.block()
        if self.count:
            self.dispatch(0, self.count, 0, form)
        else:
            self.statements(self.r.choice([1, 3, 6]))
        if self.chance(0.7):
            self.finish()
        elif self.chance(0.05):
            self.op(0x00)
        if self.unwind is not None:
            self.end()
        self.const(I32, 1 if self.chance(0.8) else 0)
        return self

    def before_copy(self):
        """The local that will copy SP, read or written while it is none yet."""
        for _ in range(self.r.choice([1, 1, 2])):
            pick = self.r.randrange(4)
            if pick == 0:
                self.const(I32, self.r.choice([0, 8, 100]))
                self.set(self.sp)
                continue
            self.get(self.sp)
            if pick == 1 and self.pool[I32]:
                self.set(self.r.choice(self.pool[I32]))
            elif pick == 2 and self.pool[I64]:
                self.op(0xad)
                self.set(self.r.choice(self.pool[I64]))
            else:
                self.take(I32)

    def changed_entry(self):
        """Local 0 written before the dispatch."""
        self.get(0)
        self.const(I32, self.r.choice([7, 1, 0]))
        self.op(self.r.choice([0x71, 0x72]))
        self.set(0)

    def segment(self, d, is_last, depth):
        if len(self.loops) == 1 and d.current == d.targets[0] and not self.is_early:
            self.prologue()
        super().segment(d, is_last, depth)

    def prologue(self):
        """What Go's stack check is, and the frame. A budget of calls takes the place of the stack's bound."""
        self.global_get(self.m.budget)
        self.const(I32, 1)
        self.op(0x6b)
        self.global_set(self.m.budget)
        self.global_get(self.m.budget)
        self.const(I32, 0)
        self.op(0x48)
        self.open(0x04)
        self.pop(8)
        self.leave(0)
        self.end()
        if self.frame:
            self.move(-self.frame)
        for kind in (I64, F64, F32):
            if self.chance(0.7):
                for local in self.pool[kind]:
                    self.stack_load(kind, local)

    def stack_load(self, kind, local):
        self.get(self.sp)
        self.access(LOADS, kind, self.r.choice([8, 16, 24, 32, 40, 100]))
        self.set(local)

    def move(self, by):
        """SP and its copy moved, as Go spells it."""
        self.get(self.sp)
        self.const(I32, abs(by))
        self.op(0x6a if by > 0 else 0x6b)
        self.tee(self.sp)
        self.global_set(SP_GLOBAL)

    def pop(self, by):
        if self.is_pure:
            self.move(by)
            return
        self.global_get(SP_GLOBAL)
        self.const(I32, by)
        self.op(0x6a)
        self.global_set(SP_GLOBAL)

    def finish(self):
        """Results to the stack, the frame away, return."""
        kinds = [k for k in (I64, I64, I32, F64, F32) if self.pool[k]]
        for kind in self.r.sample(kinds, min(len(kinds), self.r.choice([0, 1, 2, 3]))):
            self.get(self.sp)
            self.get(self.r.choice(self.pool[kind]))
            self.access(STORES, kind, self.frame + self.r.choice([8, 16, 24]))
        if self.chance(0.95):
            if self.frame:
                self.move(self.frame)
            self.move(8)
        if self.chance(0.85):
            self.const(I32, 0)
        else:
            self.condition()
        self.op(0x0f)

    def adjust(self):
        by = self.r.choice([8, 8, 16, -8, -16])
        self.move(by)
        if self.chance(0.8):
            self.r.choice([self.put, self.overlap, self.assign])()
            self.move(-by)

    def sync_back(self):
        """SP read anew, or copied, while a value of the old one waits."""
        self.get(self.sp)
        if self.is_pure:
            self.resync()
            self.get(self.sp)
        else:
            self.global_get(SP_GLOBAL)
            self.const(I32, self.r.choice([0, 8]))
            self.op(0x6b)
            self.tee(self.sp)
        self.op(0x6b)
        self.take(I32)
        self.resync()

    def scratch(self):
        """Local 0 for something else than the way in."""
        self.integer(I32, 1)
        self.set(0)
        if self.pool[I32] and self.chance(0.5):
            self.get(0)
            self.set(self.r.choice(self.pool[I32]))

    # ---- Calls

    def push(self, slot):
        """The return address: function and where to go on in it."""
        if self.is_pure or self.chance(0.85):
            self.move(-8)
            self.get(self.sp)
        else:
            self.global_get(SP_GLOBAL)
            self.const(I32, 8)
            self.op(0x6b)
            self.global_set(SP_GLOBAL)
            self.global_get(SP_GLOBAL)
        self.const(I64, slot << 16 | self.r.randrange(self.count + 2))
        self.op(0x37, 3, 0)

    def arguments(self):
        for _ in range(self.r.choice([0, 0, 1, 2])):
            kind = self.r.choice([I64, I64, F64, I32])
            self.get(self.sp)
            self.expr(kind)
            self.access(STORES, kind, self.r.choice([0, 8, 16, 24]))

    def after_call(self):
        """The callee's result on the stack, looked at."""
        pick = self.r.random()
        if pick < 0.8 and self.unwind in self.labels:
            if self.is_pure or self.chance(0.95):
                self.resync()
            self.br_if(self.unwind)
        elif pick < 0.9:
            self.resync()
            self.open(0x04)
            self.leave(1)
            self.end()
        elif pick < 0.95:
            self.resync()
            self.op(0x1a)
        else:
            self.take(I32)
            if self.is_pure and self.chance(0.9):
                self.resync()
        for _ in range(self.r.choice([0, 1, 2])):
            kind = self.r.choice([I64, I64, F64, I32])
            if self.pool[kind]:
                self.stack_load(kind, self.r.choice(self.pool[kind]))

    def called_between(self):
        self.call()

    def call(self):
        if self.m.imports and self.chance(0.15):
            callee = self.r.choice(self.m.imports)
            self.arguments()
            if self.m.is_imported(SP_GLOBAL):
                self.push(self.m.slot_of(self.rank))
            self.integer(I32, 0)
            self.op(0x10, callee)
            self.after_call()
            return
        higher = self.m.ranked[self.rank + 1:]
        resumed = bool(higher) and self.chance(0.12)
        callee = self.r.choice(higher if higher and (resumed or self.chance(0.7)) else self.m.ranked)
        self.arguments()
        self.push(self.m.slot_of(self.rank))
        if not resumed:
            self.const(I32, 0)
        elif self.chance(0.5):
            self.const(I32, self.r.choice([1, 2, 3, 5, 100, -1]))
        else:
            self.integer(I32, 1)
        self.op(0x10, callee)
        self.after_call()

    def call_slot(self):
        """call_indirect, the index in local 0 or on the stack."""
        slots = self.m.go_slots
        self.arguments()
        self.push(self.m.slot_of(self.rank))
        by_local = self.chance(0.5)
        if not by_local:
            self.const(I32, 0)
        if self.chance(self.m.wild):
            self.integer(I32, 1)
        elif len(slots) == len(self.m.table) and self.chance(0.7):
            self.integer(I64, 1)
            self.op(WRAP)
            self.const(I32, len(slots))
            self.op(0x70)
        else:
            self.const(I32, self.r.choice(slots))
        if by_local:
            self.set(0)
            self.const(I32, 0)
            self.get(0)
        self.op(0x11, self.m.type([I32], [I32]), 0)
        self.after_call()
