"""Sequences that Go's compiler emits all the time, as a table, and their instances with random operands.

Rows are those that make up nine tenths of the statements of a program built by Go 1.26, counted. Words:

    sp         the copy of the stack pointer    x            an i64 local           =x :=x  one is set, teed
    p          a local that holds an address    i  =i        a local that holds a small number
    g          a global that holds an address   G  =G        another i64 global
    c c32      a constant, of i64 and i32       k n          a slot's number, a count of a shift
    m          a constant address               f  =f        an f64 local
    ld st      i64.load, i64.store with some offset; ld@ st@ the same offset within a row; ld32 is i32.load
    w e        i32.wrap_i64, i64.extend_i32_u   z z32        i64.eqz, i32.eqz
    if         a branch on what is on the stack, mostly a jump to another segment
"""
from goshape_code import EXTEND_U, F64, I32, I64, WRAP

ADDRESS = "sp e k add w"
ROWS = [row.replace("ADDRESS", ADDRESS).split() for row in """
sp c st
sp x st
sp p st
sp ld =x
sp sp ld st
c =x
x =x
x =x nop
ADDRESS c st
ADDRESS x st
ADDRESS ld =x
ADDRESS sp ld st
ADDRESS c st8
ADDRESS c st32
ADDRESS c st16
ADDRESS x st8
ADDRESS x st32
ADDRESS sp ld8u st8
ADDRESS sp ld32s st32
ADDRESS sp e k add st
ADDRESS ADDRESS ld st
ADDRESS ld8u =x
ADDRESS ld32u =x
ADDRESS ld32s =x
ADDRESS ld8u w z32 if
ADDRESS ld8u w if
ADDRESS ld :=x z if
ADDRESS ld :=x z e z z32 if
ADDRESS f fst
ADDRESS fld =f
sp f fst
sp fld =f
sp ld z if
sp ld z e =x
sp ld z e z z32 if
sp ld k add =x
sp ld c and =x
sp ld n shr_u =x
sp ld c eq z32 if
sp ld x lt_u z32 if
sp ld x add =x
sp ld8u =x
sp ld8u :=x w if
sp ld32u =x
sp ld32s =x
sp x st8
sp x st16
sp x st32
sp sp ld k add st
sp x x add st
sp G st
sp ld =G
sp e k add =p
sp x k add st
sp p st@ sp ld@ w ld =x
sp p st@ sp ld@ w x st
sp p st@ sp ld@ w c st
sp p st@ sp ld@ w sp ld st
sp p st@ sp ld@ w ld :=x z if
sp p st@ sp ld@ w ld8u w z32 if
sp p st@ sp p st@ sp ld@ w ld sp ld@ w ld eq z32 if
p w ld =x
p w ld32u =x
p w ld32s =x
p w ld8u =x
p w ld8u w if
p w ld :=x n shr_u :=x z if
p w ld :=x z if
p w x st
p w c st
p w c st8
p w x st32
p w x st8
p w sp ld st
p w p w ld st
p w fld f fmul =f
p i add w ld8u =x
p i n3 shl add w ld =x
p i n3 shl add w x st
p i k add add w c st8
p k add w ld =x
m w ld =x
m w ld32u z e =x
m w ld32u z e z z32 if
m w ld8u w if
m w x st
m w c st
g w ld =x
g :=x w ld =x
g w ld8u w z32 if
g w ld :=x z if
g w c st
G z if
G x and =x
sp g w ld32 le_u32 if
sp g w ld32 c32 add32 le_u32 if
sp c32 add32 g w ld32 le_u32 if
x k add =x
x c and =x
x c xor =x
x n shl =x
x n shr_u =x
x n shr_s =x
x c mul =x
x x add =x
x x sub =x
x x and =x
c x sub =x
i one add =i
i one sub 255 and =i
c i c and shl x or =x
x x shl 0 x 64 lt_u select =x
x x shr_u 0 x 64 lt_u select =x
x 63 x x 64 lt_u select shr_s =x
c ext32 =x
x ext32 =x
x ext8 =x
x z z32 if
x z if
x z e =x
x z e z if
x z e z z32 if
x :=x z if
x w z32 if
x w if
x c eq if
x c eq z32 if
x c lt_u z32 if
x c le_u z32 if
x c lt_s z32 if
x c lt_s if
i k lt_s z32 if
x x lt_u z32 if
x x lt_s z32 if
x x le_u z32 if
x x lt_u if
x x lt_s if
c x lt_s z32 if
c x le_u z32 if
f f fmul f fadd =f
f 0f flt if
x fconv =f
ADDRESS c32_0 c32_n fill
p w p w c32_n copy
""".split("\n") if row]
ROWS += [row for row in ROWS if row[:5] == ADDRESS.split()] * 2
PLAIN = {"add": 0x7c, "sub": 0x7d, "mul": 0x7e, "and": 0x83, "or": 0x84, "xor": 0x85, "shl": 0x86, "shr_s": 0x87,
         "shr_u": 0x88, "eq": 0x51, "lt_s": 0x53, "lt_u": 0x54, "le_s": 0x57, "le_u": 0x58, "z": 0x50, "z32": 0x45,
         "w": WRAP, "e": EXTEND_U, "select": 0x1b, "nop": 0x01, "ext8": 0xc2, "ext32": 0xc4, "add32": 0x6a,
         "le_u32": 0x4d, "flt": 0x63, "fconv": 0xb9}
ACCESS = {"ld": (0x29, 3), "st": (0x37, 3), "ld8u": (0x31, 0), "ld32s": (0x34, 2), "ld32u": (0x35, 2),
          "st8": (0x3c, 0), "st16": (0x3d, 1), "st32": (0x3e, 2), "ld32": (0x28, 2), "fld": (0x2b, 3),
          "fst": (0x39, 3)}
SLOTS = [0, 8, 8, 8, 16, 16, 24, 32, 40, 48, 64]


class Idioms:
    """Mixed into a function that has a stack pointer."""

    def idiom(self):
        row = self.r.choice(ROWS)
        if not self.has_all(row):
            self.assign()
            return
        same = self.r.choice(SLOTS)
        for word in row:
            self.word(word, same)

    def idioms(self):
        for _ in range(self.r.choice([2, 3, 5])):
            self.idiom()

    def has_all(self, row):
        """Whether there are locals and globals of each sort that the row names."""
        sorts = {"x": self.pool[I64], "p": self.pointers, "i": self.indices, "f": self.pool[F64], "G": self.m.ints}
        return all(sorts[s] for word in row for s in [word.lstrip(":=")] if s in sorts)

    def word(self, word, same):
        r = self.r
        if word in PLAIN:
            self.op(PLAIN[word])
        elif word.rstrip("@") in ACCESS:
            code, align = ACCESS[word.rstrip("@")]
            self.op(code, r.choice([align, align, 0]), same if word.endswith("@") else r.choice(SLOTS))
        elif word.lstrip(":=") in ("x", "p", "i", "f"):
            locals_ = {"x": self.pool[I64], "p": self.pointers, "i": self.indices, "f": self.pool[F64]}[word[-1]]
            {"=": self.set, ":": self.tee}.get(word[0], self.get)(r.choice(locals_))
        elif word in ("G", "=G"):
            (self.global_get if word == "G" else self.global_set)(r.choice(self.m.ints))
        elif word == "if":
            self.taken()
        else:
            self.other_word(word)

    def other_word(self, word):
        r = self.r
        slot = r.choice(SLOTS) + (r.randrange(10) == 0) * self.turn()
        constants = {"c": r.choice([0, 1, 2, 8, 100, 255, -1, 0x7fffffff, 1 << 40, r.getrandbits(63)]),
                     "k": slot, "n": r.choice([1, 3, 4, 8, 31, 32, 60, 63, 64, 66]), "n3": r.choice([0, 1, 2, 3]),
                     "m": r.choice([0, 0x100, 0x1000, 0x2ff8, self.m.bytes - 128]), "one": 1}
        if word in constants:
            self.const(I64, constants[word])
        elif word.isdigit():
            self.const(I64, int(word))
        elif word in ("c32", "c32_0", "c32_n"):
            self.const(I32, {"c32": r.choice([8, 100, 0x1000, -1]), "c32_0": 0}.get(word, r.choice([0, 1, 8, 40])))
        elif word == "sp":
            self.get(self.sp)
        elif word == "g":
            self.global_get(self.m.g)
        elif word in ("fmul", "fadd"):
            self.op(0xa2 if word == "fmul" else 0xa0)
            self.canonical(F64)
        elif word == "0f":
            self.const(F64, 0.0)
        else:
            self.op(0xfc, *{"copy": (10, 0, 0), "fill": (11, 0)}[word])

    def turn(self):
        """What goes when an address is wrapped; SP near 0 wraps with less."""
        return self.r.choice([1 << 32, 3 << 32, -(1 << 32), -16])

    def taken(self):
        self.open(0x04)
        pick = self.r.random()
        if self.loops and pick < 0.7:
            self.jump()
        elif pick < 0.85:
            self.call()
        else:
            self.assign()
        self.end()
