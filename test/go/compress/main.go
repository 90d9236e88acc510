// compress packs and unpacks by every packer of the library; the sizes and checksums must be native Go's.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/lzw"
	"compress/zlib"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"
)

func text(n int) []byte {
	var b bytes.Buffer
	x := uint32(1)
	words := strings.Fields("the of and to in is you that it he was for on are as with his they be at one have this from")
	for b.Len() < n {
		x = x*1664525 + 1013904223
		b.WriteString(words[x>>27%uint32(len(words))%uint32(len(words))])
		if x>>20&15 == 0 {
			b.WriteByte(byte(x >> 8))
		}
		b.WriteByte(' ')
	}
	return b.Bytes()[:n]
}

func check(name string, packed *bytes.Buffer, r io.Reader, err error, want []byte) {
	size, sum := packed.Len(), crc32.ChecksumIEEE(packed.Bytes())
	if err != nil {
		fmt.Println(name, err)
		return
	}
	got, err := io.ReadAll(r)
	fmt.Printf("%s %d %08x %v %v\n", name, size, sum, bytes.Equal(got, want), err)
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	data := text(n)
	fmt.Printf("%d %08x\n", len(data), crc32.ChecksumIEEE(data))
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, 5, flate.BestCompression} {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, level)
		w.Write(data)
		w.Close()
		packed := bytes.NewBuffer(bytes.Clone(b.Bytes()))
		check(fmt.Sprint("flate ", level), packed, flate.NewReader(&b), nil, data)
	}
	part := data[:min(len(data), 200000)]
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	g.Name, g.Comment = "name", "comment"
	g.Write(part)
	g.Close()
	packed := bytes.NewBuffer(bytes.Clone(b.Bytes()))
	r, err := gzip.NewReader(&b)
	check("gzip "+r.Name, packed, r, err, part)
	damaged := bytes.Clone(packed.Bytes())
	damaged[len(damaged)-5] ^= 1
	if r, err = gzip.NewReader(bytes.NewReader(damaged)); err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	fmt.Println(err)

	b.Reset()
	z, _ := zlib.NewWriterLevelDict(&b, 6, []byte("the of and to in"))
	z.Write(part)
	z.Close()
	packed = bytes.NewBuffer(bytes.Clone(b.Bytes()))
	zr, err := zlib.NewReaderDict(&b, []byte("the of and to in"))
	check("zlib", packed, zr, err, part)

	b.Reset()
	l := lzw.NewWriter(&b, lzw.LSB, 8)
	l.Write(part)
	l.Close()
	packed = bytes.NewBuffer(bytes.Clone(b.Bytes()))
	check("lzw", packed, lzw.NewReader(&b, lzw.LSB, 8), nil, part)

	var archive bytes.Buffer
	zw := zip.NewWriter(&archive)
	for i := range 20 {
		f, _ := zw.Create(fmt.Sprintf("dir/file-%d", i))
		f.Write(part[i*100 : i*300])
	}
	zw.Close()
	zip1, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	fmt.Println("zip", archive.Len(), err)
	for _, f := range zip1.File[:5] {
		rc, _ := f.Open()
		body, err := io.ReadAll(rc)
		fmt.Println(f.Name, f.CompressedSize64, f.CRC32, len(body), err)
	}
	archive.Reset()
	tw := tar.NewWriter(&archive)
	for i := range 10 {
		tw.WriteHeader(&tar.Header{Name: fmt.Sprint("t", i, strings.Repeat("/long", i*4)), Size: int64(i * 100), Mode: 0o600})
		tw.Write(part[:i*100])
	}
	tw.Close()
	tr := tar.NewReader(&archive)
	for {
		h, err := tr.Next()
		if err != nil {
			fmt.Println(err)
			break
		}
		n, _ := io.Copy(io.Discard, tr)
		fmt.Println(len(h.Name), n)
	}
}
