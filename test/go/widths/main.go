// widths loads and stores every width at every alignment, signed and unsigned, by all the ways there are.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"
)

type record struct {
	A int8
	B uint16
	C int32
	D uint64
	E float32
	F float64
	G [3]uint8
	H bool
}

//go:noinline
func load(p unsafe.Pointer) (int64, int64, int64, int64, uint64, uint64, uint64, uint64, float32, float64) {
	return int64(*(*int8)(p)), int64(*(*int16)(p)), int64(*(*int32)(p)), *(*int64)(p),
		uint64(*(*uint8)(p)), uint64(*(*uint16)(p)), uint64(*(*uint32)(p)), *(*uint64)(p), *(*float32)(p), *(*float64)(p)
}

//go:noinline
func store(p unsafe.Pointer, w int, v uint64) {
	switch w {
	case 1:
		*(*uint8)(p) = uint8(v)
	case 2:
		*(*uint16)(p) = uint16(v)
	case 4:
		*(*uint32)(p) = uint32(v)
	case 8:
		*(*uint64)(p) = v
	case -4:
		*(*float32)(p) = math.Float32frombits(uint32(v))
	case -8:
		*(*float64)(p) = math.Float64frombits(v)
	}
}

func main() {
	var buf [64]byte
	for i := range buf {
		buf[i] = byte(i*37 + 0x79)
	}
	for off := 0; off < 16; off++ {
		a, b, c, d, e, f, g, h, x, y := load(unsafe.Pointer(&buf[off]))
		fmt.Println(off, a, b, c, d, e, f, g, h, math.Float32bits(x), math.Float64bits(y))
	}
	for _, w := range []int{1, 2, 4, 8, -4, -8} {
		for off := 0; off < 9; off++ {
			clear(buf[:])
			store(unsafe.Pointer(&buf[off]), w, 0xf1e2d3c4b5a69788)
			fmt.Printf("%d %d %x\n", w, off, buf[:24])
		}
	}
	for off := 0; off < 8; off++ {
		b := buf[off:]
		binary.LittleEndian.PutUint64(b, 0x0102030405060708)
		fmt.Println(binary.BigEndian.Uint64(b), binary.LittleEndian.Uint32(b[1:]), binary.BigEndian.Uint16(b[3:]))
		binary.BigEndian.PutUint32(b, 0xdeadbeef)
		fmt.Println(binary.LittleEndian.Uint64(b), binary.NativeEndian.Uint32(b))
	}
	in := record{-5, 0xbeef, -70000, 1<<63 + 5, 1.5, -math.Pi, [3]uint8{7, 8, 9}, true}
	var w bytes.Buffer
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		w.Reset()
		fmt.Println(binary.Write(&w, order, in), w.Len())
		fmt.Printf("%x\n", w.Bytes())
		var back record
		fmt.Println(binary.Read(&w, order, &back), back == in, back)
	}
	var u []byte
	for _, v := range []int64{0, 1, -1, 63, -64, 64, 1 << 40, math.MinInt64, math.MaxInt64} {
		u = binary.AppendVarint(u[:0], v)
		back, n := binary.Varint(u)
		fmt.Printf("%x %d %d\n", u, back, n)
	}
	fmt.Println(unsafe.Sizeof(in), unsafe.Offsetof(in.D), unsafe.Alignof(in.B))

	// Copies that overlap, both ways and of all lengths.
	for n := 0; n < 40; n++ {
		var a [96]byte
		for i := range a {
			a[i] = byte(i)
		}
		copy(a[5:5+n], a[:n])
		copy(a[40:40+n], a[47:47+n])
		h := uint32(1)
		for _, b := range a {
			h = h*31 + uint32(b)
		}
		fmt.Print(h, " ")
	}
	fmt.Println()

	var i32 atomic.Int32
	var u64 atomic.Uint64
	var p atomic.Pointer[record]
	fmt.Println(i32.Add(5), i32.CompareAndSwap(5, 9), i32.CompareAndSwap(5, 1), i32.Swap(-1), i32.Load(), i32.And(6), i32.Or(17), i32.Load())
	fmt.Println(u64.Add(1<<40), u64.Swap(3), u64.CompareAndSwap(3, 1<<63), u64.Load())
	fmt.Println(p.Load() == nil, p.CompareAndSwap(nil, &in), p.Load().B)
}
