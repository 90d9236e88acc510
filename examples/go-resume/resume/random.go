//go:build wasip1

package resume

import "unsafe"

// Go's runtime seeds itself once, when it starts, and has no function that does it again. Its state stands in the
// m that runs everything on wasm: the struct below, and a word for cheaprand behind it. Where in the m it stands is
// not taken for granted but found, by what it does: a place is right when it foretells what the
// generator gives next, twice, and changes as it must. Where no place does, in a version of Go that keeps its
// state in another way, resume panics, and the instance is refused.

// GO: internal/chacha8rand.State (1.24 to 1.26).
type chacha8 struct {
	buf     [32]uint64
	seed    [4]uint64
	i, n, c uint32
}

const mBytes = 4096 // more than an m has before its random state

//go:linkname getm runtime.getm
func getm() uintptr

//go:linkname rand runtime.rand
func rand() uint64

//go:linkname cheaprand runtime.cheaprand
func cheaprand() uint32

//go:wasmimport wasi_snapshot_preview1 random_get
func random_get(buf unsafe.Pointer, size uint32) uint32

func renewRandom() {
	m := at(getm())
	state := find(m)
	if state == nil {
		panic("resume: this version of Go keeps its random state elsewhere")
	}
	cheap := (*[2]uint32)(unsafe.Add(unsafe.Pointer(state), unsafe.Sizeof(*state)))
	if !isCheap(cheap) || !isCheap(cheap) {
		panic("resume: this version of Go keeps the state of select elsewhere")
	}
	var fresh struct {
		buf   [32]uint64
		seed  [4]uint64
		cheap uint64
	}
	if random_get(unsafe.Pointer(&fresh), uint32(unsafe.Sizeof(fresh))) != 0 {
		panic("resume: the host gives no random numbers")
	}
	*state = chacha8{buf: fresh.buf, seed: fresh.seed, n: uint32(len(fresh.buf))}
	*(*uint64)(unsafe.Pointer(cheap)) = fresh.cheap | 1 // it must not be 0
}

// at is the m, which is not on Go's heap and never moves.
func at(address uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&address))
}

func find(m unsafe.Pointer) *chacha8 {
	for range 4 { // the generator may be about to fill its buffer anew, which cannot be foretold
		rand()
		for offset := uintptr(0); offset < mBytes; offset += 8 {
			s := (*chacha8)(unsafe.Add(m, offset))
			if s.foretells() && s.foretells() {
				return s
			}
		}
	}
	return nil
}

func (s *chacha8) foretells() bool {
	i, n := s.i, s.n
	if n > uint32(len(s.buf)) || i >= n || s.c%4 != 0 || s.c >= 16 {
		return false
	}
	next := s.buf[i]
	return rand() == next && s.i == i+1 && s.n == n
}

// GO: runtime/rand.go cheaprand (1.24 to 1.26), as on wasm.
func isCheap(t *[2]uint32) bool {
	s1, s0 := t[0], t[1]
	s1 ^= s1 << 17
	s1 = s1 ^ s0 ^ s1>>7 ^ s0>>16
	return cheaprand() == s0+s1 && t[0] == s0 && t[1] == s1
}
