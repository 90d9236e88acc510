"""Typed WebAssembly code at random: expressions, memory accesses, and the bytes of a body.

A body is emitted from front to back and valid by construction: each method leaves on the operand stack
exactly what its name says. Everything is drawn from one random.Random, so that a seed gives the same
bytes again.

Floats come in two kinds. A clean one has bits that the specification fixes (a load, a constant, a
conversion, a sign changed); a dirty one came out of arithmetic and may be any NaN. Only clean ones are
stored, reinterpreted or returned: `canonical` makes one of a dirty one. So NaNs differ nowhere, and most
arithmetic has the shape that a compiler sees.
"""
import struct

I32, I64, F32, F64 = 0x7f, 0x7e, 0x7d, 0x7c
VOID = 0x40
BITS = {I32: 32, I64: 64, F32: 32, F64: 64}
INTERESTING = [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 4095, 32767, 65535,
               65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
               0x8000000000000000, -1, -2, -8, -16]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, -2.5, 1e10, -1e300, 1e-310, 2147483648.0, -2147483649.0, 9.3e18, 1.9e19,
          float("inf"), float("-inf")]
# The last numbers that a truncation takes, and the first that it does not.
EDGES = {(I32, F32): ((-2147483648.0, 2147483520.0), (-2147483904.0, 2147483648.0)),
         (I32, F64): ((-2147483648.9, 2147483647.9), (-2147483649.0, 2147483648.0)),
         (I64, F32): ((-2.0 ** 63, 2.0 ** 63 - 2.0 ** 39), (-2.0 ** 63 - 2.0 ** 40, 2.0 ** 63)),
         (I64, F64): ((-2.0 ** 63, 2.0 ** 63 - 1024), (-2.0 ** 63 - 2048, 2.0 ** 63))}
EDGES_U = {(I32, F32): ((-0.99, 4294967040.0), (-1.0, 4294967296.0)),
           (I32, F64): ((-0.9999, 4294967295.9), (-1.0, 4294967296.0)),
           (I64, F32): ((-0.99, 2.0 ** 64 - 2.0 ** 40), (-1.0, 2.0 ** 64)),
           (I64, F64): ((-0.9999, 2.0 ** 64 - 2048), (-1.0, 2.0 ** 64))}
# Opcodes by type: what takes two and gives one of the type, and so on.
BINARY = {I32: [0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73], I64: [0x7c, 0x7d, 0x7e, 0x83, 0x84, 0x85],
          F32: range(0x92, 0x98), F64: range(0xa0, 0xa6)}
SHIFTS = {I32: range(0x74, 0x79), I64: range(0x86, 0x8b)}
DIVISIONS = {I32: range(0x6d, 0x71), I64: range(0x7f, 0x83)}
UNARY = {I32: [0x67, 0x68, 0x69, 0xc0, 0xc1], I64: [0x79, 0x7a, 0x7b, 0xc2, 0xc3, 0xc4],
         F32: range(0x8d, 0x92), F64: range(0x9b, 0xa0)}
COMPARISONS = {I32: range(0x46, 0x50), I64: range(0x51, 0x5b), F32: range(0x5b, 0x61), F64: range(0x61, 0x67)}
EQZ = {I32: 0x45, I64: 0x50}
CONSTANTS = {I32: 0x41, I64: 0x42, F32: 0x43, F64: 0x44}
FROM_INT = {F32: {I32: (0xb2, 0xb3), I64: (0xb4, 0xb5)}, F64: {I32: (0xb7, 0xb8), I64: (0xb9, 0xba)}}
TRUNC = {I32: {F32: (0xa8, 0xa9), F64: (0xaa, 0xab)}, I64: {F32: (0xae, 0xaf), F64: (0xb0, 0xb1)}}
TRUNC_SAT = {I32: {F32: (0, 1), F64: (2, 3)}, I64: {F32: (4, 5), F64: (6, 7)}}
REINTERPRET = {I32: (0xbc, F32), I64: (0xbd, F64), F32: (0xbe, I32), F64: (0xbf, I64)}
COPYSIGN = {F32: 0x98, F64: 0xa6}
NEG_ABS = {F32: (0x8b, 0x8c), F64: (0x99, 0x9a)}
# (opcode, bytes)
LOADS = {I32: [(0x28, 4), (0x2c, 1), (0x2d, 1), (0x2e, 2), (0x2f, 2)],
         I64: [(0x29, 8), (0x29, 8), (0x29, 8), (0x30, 1), (0x31, 1), (0x32, 2), (0x33, 2), (0x34, 4), (0x35, 4)],
         F32: [(0x2a, 4)], F64: [(0x2b, 8)]}
STORES = {I32: [(0x36, 4), (0x3a, 1), (0x3b, 2)],
          I64: [(0x37, 8), (0x37, 8), (0x37, 8), (0x3c, 1), (0x3d, 2), (0x3e, 4)], F32: [(0x38, 4)],
          F64: [(0x39, 8)]}
LARGE_OFFSETS = [0x10000, 0x20000, 0x2000000, 0x40000024, 0x7fff0000, 0x7fff0001, 0x7ffffff8, 0x7fffffff, 0x80000000,
                 0xfffffff0, 0xffffffff]
WRAP, EXTEND_S, EXTEND_U = 0xa7, 0xac, 0xad
SP_GLOBAL = 0


def uleb(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def sleb(n):
    out = bytearray()
    while not -64 <= n < 64:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n & 127)
    return bytes(out)


def signed(n, bits):
    n &= (1 << bits) - 1
    return n - (1 << bits) if n >> (bits - 1) else n


class Label:
    """What a branch may lead to, and the types that it takes there."""

    def __init__(self, types=()):
        self.types = list(types)


class Code:
    """The body of one function of `module`, whose features (module.wild and so on) it follows."""

    def __init__(self, module, params, results):
        self.m, self.r = module, module.r
        self.params, self.results = list(params), list(results)
        self.kinds = list(params)
        self.out = bytearray()
        self.labels = []
        self.body = Label(results)
        self.pool = {I32: [], I64: [], F32: [], F64: []}   # read and written; floats: clean
        self.dirty = {F32: [], F64: []}
        self.pointers = []  # i64, always inside the memory
        self.indices = []   # i64, small
        self.spare = {}   # of canonical()
        self.sp = None      # the copy of the stack pointer, where there is one
        self.rank = 0       # calls lead to functions of higher rank

    # ---- Bytes

    def op(self, code, *immediates):
        self.out.append(code)
        for n in immediates:
            self.out += uleb(n)

    def const(self, kind, value):
        self.out.append(CONSTANTS[kind])
        if kind in (I32, I64):
            self.out += sleb(signed(value, BITS[kind]))
        else:
            self.out += struct.pack("<f" if kind == F32 else "<d", value)

    def bits(self, kind, value):
        """A float constant by its bits, signalling NaNs too."""
        self.out.append(CONSTANTS[kind])
        self.out += value.to_bytes(BITS[kind] // 8, "little")

    def get(self, idx):
        self.op(0x20, idx)

    def set(self, idx):
        self.op(0x21, idx)

    def tee(self, idx):
        self.op(0x22, idx)

    def global_get(self, idx):
        self.op(0x23, idx)

    def global_set(self, idx):
        self.op(0x24, idx)

    def local(self, kind):
        self.kinds.append(kind)
        return len(self.kinds) - 1

    def open(self, code, params=(), results=()):
        """block 02, loop 03, if 04; the label that branches to it have."""
        self.out.append(code)
        if params or len(results) > 1:
            self.out += sleb(self.m.type(params, results))
        else:
            self.out.append(results[0] if results else VOID)
        self.labels.append(Label(params if code == 3 else results))
        return self.labels[-1]

    def block(self, *results):
        return self.open(0x02, (), results)

    def other(self):
        self.op(0x05)

    def end(self):
        self.labels.pop()
        self.op(0x0b)

    def depth(self, label):
        return len(self.labels) - 1 - self.labels.index(label)

    def br(self, label):
        self.op(0x0c, self.depth(label))

    def br_if(self, label):
        self.op(0x0d, self.depth(label))

    def br_table(self, labels):
        self.op(0x0e, len(labels) - 1, *(self.depth(label) for label in labels))

    def leave(self, value=0):
        """Return with a constant."""
        for kind in self.results:
            self.const(kind, value)
        self.op(0x0f)

    def encoded(self):
        runs = []
        for kind in self.kinds[len(self.params):]:
            if runs and runs[-1][1] == kind:
                runs[-1][0] += 1
            else:
                runs.append([1, kind])
        body = uleb(len(runs)) + b"".join(uleb(n) + bytes([k]) for n, k in runs) + bytes(self.out) + b"\x0b"
        return uleb(len(body)) + body

    # ---- Expressions

    def chance(self, share):
        return self.r.random() < share

    def expr(self, kind, depth=None):
        """A value; a float is clean."""
        if depth is None:
            depth = self.r.choice([0, 1, 1, 2, 2, 3, 4])
        if kind in (F32, F64):
            self.clean(kind, depth)
        else:
            self.integer(kind, depth)

    def small(self, kind):
        """An integer that is a constant or a local."""
        if self.pool[kind] and self.chance(0.75):
            self.get(self.r.choice(self.pool[kind] + (self.pointers + self.indices if kind == I64 else [])))
        elif self.chance(0.5):
            self.const(kind, self.r.choice(INTERESTING))
        elif kind == I64 and self.m.ints and self.chance(0.4):
            self.global_get(self.r.choice(self.m.ints))
        elif kind == I32 and self.sp is not None and self.chance(0.4):
            self.r.choice([lambda: self.get(0), lambda: self.get(self.sp), lambda: self.global_get(SP_GLOBAL)])()
        else:
            self.const(kind, self.r.getrandbits(self.r.choice([3, 8, 16, 31, 62])))

    def integer(self, kind, depth):
        if depth <= 0:
            if self.chance(0.2):
                self.load(kind)
            else:
                self.small(kind)
            return
        pick = self.r.random()
        if pick < 0.34:
            self.integer(kind, depth - 1)
            self.integer(kind, self.r.randrange(depth))
            self.op(self.r.choice(BINARY[kind]))
        else:
            ways = (self.shift, self.shift, self.go_shift, self.division, self.division, self.unary, self.unary,
                    self.chosen, self.chosen, self.branched, self.teed, self.narrowed, self.narrowed, self.load_at,
                    self.load_at, self.compared, self.compared, self.truncated, self.truncated, self.reinterpreted,
                    self.valued_block, self.called)
            self.r.choice(ways)(kind, depth)

    def shift(self, kind, depth):
        self.integer(kind, depth - 1)
        if self.chance(0.5):
            self.const(kind, self.r.choice([0, 1, 3, 8, 16, 31, 32, 33, 63, 64, 65, 127, 128, -1]))
        else:
            self.integer(kind, self.r.randrange(depth))
        self.op(self.r.choice(SHIFTS[kind]))

    def go_shift(self, kind, depth):
        """Go's shift: 0 for counts that are too large."""
        self.integer(kind, depth - 1)
        count = self.r.choice(self.pool[kind]) if self.pool[kind] else None
        put = (lambda: self.get(count)) if count is not None else lambda: self.const(kind, 65)
        put()
        self.op(self.r.choice(SHIFTS[kind]))
        self.const(kind, 0)
        put()
        self.const(kind, BITS[kind])
        self.op(0x49 if kind == I32 else 0x54)
        self.op(0x1b)

    def division(self, kind, depth):
        self.integer(kind, depth - 1)
        op = self.r.choice(DIVISIONS[kind])
        if op == DIVISIONS[kind][2] and self.chance(0.3):  # a remainder by -1 is 0, of the least number too
            if self.chance(0.5):
                self.op(0x1a)
                self.const(kind, 1 << (BITS[kind] - 1))
            self.const(kind, -1)
        elif self.chance(self.m.wild):
            self.integer(kind, self.r.randrange(depth))
        elif self.chance(0.5):
            self.const(kind, self.r.choice([1, 2, 3, 7, 8, 10, 255, 1000, 0x7fffffff, -3, -8]))
        else:
            self.integer(kind, self.r.randrange(depth))
            self.const(kind, 1)
            self.op(BINARY[kind][4])
            if op == DIVISIONS[kind][0] and not self.m.wild:  # not -1: the least number divided by it traps
                self.const(kind, 0x7ffffffd)
                self.op(BINARY[kind][3])
        self.op(op)

    def unary(self, kind, depth):
        self.integer(kind, depth - 1)
        self.op(self.r.choice(UNARY[kind]))

    def chosen(self, kind, depth):
        self.expr(kind, depth - 1)
        self.expr(kind, self.r.randrange(depth))
        self.condition(self.r.randrange(depth))
        if self.chance(0.3):
            self.op(0x1c, 1)
            self.out.append(kind)
        else:
            self.op(0x1b)

    def branched(self, kind, depth):
        self.condition(self.r.randrange(depth))
        self.open(0x04, (), [kind])
        self.expr(kind, depth - 1)
        self.other()
        self.expr(kind, self.r.randrange(depth))
        self.end()

    def valued_block(self, kind, depth):
        """A block left with a value by br_if or br_table, or at its end."""
        label = self.block(kind)
        outer = self.block(kind)
        self.expr(kind, depth - 1)
        if self.chance(0.5):
            self.condition(self.r.randrange(depth))
            self.br_if(label)
        else:
            self.integer(I32, self.r.randrange(depth))
            self.br_table([self.r.choice([label, outer]) for _ in range(self.r.choice([1, 2, 5]))])
            self.expr(kind, 0)
        self.end()
        if self.pool[kind]:
            self.tee(self.r.choice(self.pool[kind]))
        self.end()

    def teed(self, kind, depth):
        """Locals read and then written before the value is used."""
        if not self.pool[kind]:
            self.integer(kind, depth - 1)
            return
        local = self.r.choice(self.pool[kind])
        self.get(local)
        self.expr(kind, depth - 1)
        self.tee(local)
        self.op(self.r.choice(BINARY[kind]))

    def narrowed(self, kind, depth):
        if kind == I64:
            self.integer(I32, depth - 1)
            self.op(self.r.choice([EXTEND_S, EXTEND_U]))
        else:
            self.integer(I64, depth - 1)
            self.op(WRAP)

    def compared(self, kind, depth):
        self.condition(depth - 1)
        if kind == I64:
            self.op(self.r.choice([EXTEND_U, EXTEND_S]))

    def condition(self, depth=None):
        """An i32 that mostly is a comparison's."""
        depth = self.r.choice([0, 0, 1, 2]) if depth is None else depth
        pick = self.r.random()
        if pick < 0.1:
            self.integer(I32, depth)
        elif pick < 0.25:
            kind = self.r.choice([I32, I64])
            self.integer(kind, depth)
            self.op(EQZ[kind])
        else:
            kind = self.r.choice([I32, I64, I64, I64, I64, F32, F64])
            for _ in range(2):
                if kind in (F32, F64):
                    self.number(kind, depth)
                else:
                    self.integer(kind, depth)
            self.op(self.r.choice(COMPARISONS[kind]))
        while self.chance(0.2):
            self.op(EQZ[I32])

    def rarely(self):
        """An i32 that seldom is not zero and depends on what is computed."""
        self.small(I64)
        mask = self.r.choice([15, 63, 255])
        self.const(I64, mask)
        self.op(0x83)
        self.const(I64, self.r.randrange(mask))
        self.op(0x51)

    def truncated(self, kind, depth):
        source = self.r.choice([F32, F64])
        side = self.r.randrange(2)
        if self.chance(self.m.wild):
            self.number(source, depth - 1)
            self.op(TRUNC[kind][source][side])
        elif self.chance(0.2):
            self.const(source, self.r.choice((EDGES, EDGES_U)[side][kind, source][0]))
            self.op(TRUNC[kind][source][side])
        elif self.chance(0.4):  # in range: of a number with 30 bits
            self.integer(I32, depth - 1)
            self.const(I32, 2)
            self.op(0x76)
            self.op(FROM_INT[source][I32][0])
            self.op(TRUNC[kind][source][side])
        else:
            self.number(source, depth - 1)
            self.op(0xfc, TRUNC_SAT[kind][source][side])

    def reinterpreted(self, kind, depth):
        code, source = REINTERPRET[kind]
        self.expr(source, depth - 1)
        self.op(code)

    def called(self, kind, depth):
        """By a function with another signature: arguments and result on the operand stack."""
        callee = self.m.helper(self.rank, kind, self.r)
        if callee is None:
            self.expr(kind, depth - 1)
            return
        for param in callee.params:
            self.expr(param, self.r.randrange(depth))
        self.op(0x10, callee.index)

    # ---- Floats

    def number(self, kind, depth):
        """A float, clean or dirty."""
        if self.chance(0.3):
            self.clean(kind, depth)
        else:
            self.arithmetic(kind, depth)

    def canonical(self, kind):
        """The dirty value on the stack made clean."""
        if kind not in self.spare:
            self.spare[kind] = self.local(kind)
        self.tee(self.spare[kind])
        self.bits(kind, 0x7fc00000 if kind == F32 else 0x7ff8000000000000)
        self.get(self.spare[kind])
        self.get(self.spare[kind])
        self.op(COMPARISONS[kind][0])
        self.op(0x1b)

    def clean(self, kind, depth):
        pick = self.r.random()
        if depth <= 0:
            if self.pool[kind] and pick < 0.5:
                self.get(self.r.choice(self.pool[kind]))
            elif pick < 0.6:
                self.bits(kind, self.r.choice([self.r.getrandbits(BITS[kind]), 0x7f800001 if kind == F32 else
                                               0x7ff0000000000001]))
            elif pick < 0.85:
                self.const(kind, self.r.choice(FLOATS) if kind == F64 else struct.unpack("<f", struct.pack(
                    "<f", self.r.choice([f for f in FLOATS if abs(f) < 1e30])))[0])
            else:
                self.load(kind)
        elif pick < 0.35:
            self.arithmetic(kind, depth)
            self.canonical(kind)
        elif pick < 0.5:
            source = self.r.choice([I32, I64])
            self.integer(source, depth - 1)
            self.op(self.r.choice(FROM_INT[kind][source]))
        elif pick < 0.6:
            self.clean(kind, depth - 1)
            self.op(self.r.choice(NEG_ABS[kind]))
        elif pick < 0.7:
            self.clean(kind, depth - 1)
            self.clean(kind, self.r.randrange(depth))
            self.op(COPYSIGN[kind])
        else:
            self.r.choice((self.chosen, self.branched, self.load_at, self.reinterpreted, self.valued_block,
                           self.called))(kind, depth)

    def arithmetic(self, kind, depth):
        """Dirty."""
        if depth <= 0:
            if self.dirty[kind] and self.chance(0.7):
                self.get(self.r.choice(self.dirty[kind]))
            else:
                self.clean(kind, 0)
            return
        pick = self.r.random()
        if pick < 0.6:
            self.number(kind, depth - 1)
            self.number(kind, self.r.randrange(depth))
            self.op(self.r.choice(BINARY[kind]))
        elif pick < 0.75:
            self.number(kind, depth - 1)
            self.op(self.r.choice(UNARY[kind]))
        elif pick < 0.85:
            self.number(F64 if kind == F32 else F32, depth - 1)
            self.op(0xb6 if kind == F32 else 0xbb)
        elif self.dirty[kind]:
            local = self.r.choice(self.dirty[kind])
            self.get(local)
            self.number(kind, depth - 1)
            self.tee(local)
            self.op(self.r.choice(BINARY[kind]))
        else:
            self.number(kind, depth - 1)

    # ---- Memory

    def address(self):
        """An i32 on the stack; the static offset that goes with it."""
        pick = self.r.random()
        if self.sp is not None and pick < 0.5:
            return self.stack_address()
        if self.pointers and pick < 0.85:
            self.get(self.r.choice(self.pointers))
            if self.chance(0.15):  # what the upper half holds does not count
                self.const(I64, self.r.choice([1 << 32, 0xffffffff << 32, 1 << 63]))
                self.op(self.r.choice([0x7c, 0x84, 0x85]))
            self.op(WRAP)
            return self.r.choice([0, 0, 1, 7, 8, 16, 24, 100, 4095, self.m.reach - 16])
        if pick < 0.9:
            self.integer(I64, 1)
            self.const(I64, self.r.choice([0xfff, 0xff8, 0x3ff0]))
            self.op(0x83)
            self.op(WRAP)
            return self.r.choice([0, 8, 12, 1000])
        if not self.chance(self.m.wild):
            self.const(I32, self.m.bytes - self.r.choice([8, 8, 9, 16, 64, 4096]))
            return 0
        if self.chance(0.5):
            end = self.m.bytes - self.r.randrange(9)
            self.const(I32, self.r.choice([end, -1, -8, 0, 0x7ffffff8, 0x80000000]))
        else:
            self.integer(I32, 1)
        return self.r.choice([0, 4, 8, self.r.choice(LARGE_OFFSETS)])

    def stack_address(self):
        """[SP+k] in the ways that Go spells it, and in some that it does not."""
        pick = self.r.random()
        slot = self.r.choice([0, 0, 8, 8, 8, 16, 16, 24, 32, 40, 48, 56, 64, 4, 12, 9, 1, 2, 7, 15])
        if pick < 0.65:
            self.get(self.sp)
            return slot
        if pick < 0.7:
            self.global_get(SP_GLOBAL)
            return slot
        if pick < 0.93:
            self.get(self.sp)
            self.op(EXTEND_U)
            far = self.r.choice([-8, -16, (1 << 32) + slot, (5 << 32) - 8])
            self.const(I64, slot if self.chance(0.85) else far)
            self.op(0x7c)
            self.op(WRAP)
            return self.r.choice([0, 0, 0, 8])
        self.get(self.sp)
        self.const(I32, self.r.choice([-8, 8, 16, -16]))
        self.op(0x6a)
        return slot

    def at_the_end(self, table, kind, beyond):
        """The last access that is inside the memory as it is, or one of which a part is `beyond`."""
        code, width = self.r.choice(table[kind])
        offset = self.r.choice([0, 0, 8, 24, 4096])
        self.op(0x3f, 0)
        self.const(I32, 16)
        self.op(0x74)
        self.const(I32, width + offset + self.r.choice([-1, 1 - width] if beyond else [0, 0, 1]))
        self.op(0x6b)
        if table is STORES:
            self.expr(kind, 0)
        self.out.append(code)
        self.out += uleb(0) + uleb(offset)

    def access(self, table, kind, offset):
        code, width = self.r.choice(table[kind])
        self.out.append(code)
        self.out += uleb(self.r.choice([0, 0, width.bit_length() - 1])) + uleb(offset)

    def load(self, kind):
        self.access(LOADS, kind, self.address())

    def load_at(self, kind, depth):
        """From an address that is computed."""
        if depth < 2 or self.chance(0.5):
            self.load(kind)
            return
        self.integer(I64, depth - 1)
        self.const(I64, self.r.choice([0x7f8, 0xfff, 0xff8]))
        self.op(0x83)
        if self.pointers:
            self.get(self.r.choice(self.pointers))
            self.const(I64, 0x1fff)
            self.op(0x83)
            self.op(0x7c)
        self.op(WRAP)
        self.access(LOADS, kind, self.r.choice([0, 8, 16, 1]))

    def store(self, kind):
        offset = self.address()
        self.expr(kind)
        self.access(STORES, kind, offset)
