// stdtext runs fmt, bufio, strings, strconv, unicode, text/tabwriter and text/scanner.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"text/scanner"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

type point struct {
	X, Y int
	name string
}
type shy struct{}

func (shy) String() string { panic("no") }

type grand int

func (g grand) Format(s fmt.State, verb rune) {
	w, ok := s.Width()
	fmt.Fprintf(s, "grand(%c %d %v %v)", verb, w, ok, s.Flag('+'))
}

func formats() {
	p := &point{1, -2, "p"}
	fmt.Printf("%v %+v %#v %T %v\n", *p, *p, *p, p, p.name)
	fmt.Printf("%d %5d|%-5d|%05d %+d %x %X %o %#o %b %c %q %U %#U\n", 42, 42, 42, 42, 42, 3054, 3054, 8, 8, 5, 0x4e16, 'x', 0x1f600, 0x1f600)
	fmt.Printf("%s %q %x % x %10s|%-10s|%.2s %#q\n", "text", "a\n\"b\"", "hex", "hex", "right", "left", "cut", "back`tick")
	fmt.Printf("%f %.2f %8.3f|%-8.2f|%e %g %G %08.3f %+.1e\n", 3.14159, 2.5, 1.0, 1.0, 123456.789, 1e21, 1e-7, -3.14159, 12345.678)
	fmt.Printf("%v %v %v %v %t\n", []string{"a", "b"}, map[string]int{"z": 1, "a": 2}, [3]bool{true}, struct{}{}, true)
	fmt.Printf("%#v %#v %#v %#v\n", []byte("hi"), map[int]string{1: "x"}, any(nil), struct{ A any }{1})
	fmt.Printf("%d %s %!|%z %d\n", "wrong", 5, 1)
	fmt.Printf("%[2]d %[1]d %*d %-*d| %.*f %[5]v\n", 1, 2, 5, 3, 4, 7, 2, 3.14159)
	fmt.Printf("%v %s\n", shy{}, shy{})
	fmt.Printf("%+5d %v\n", grand(3), grand(4))
	fmt.Printf("%v %v %6.2f%%\n", 1+2i, complex64(-1-0.5i), 99.5)
	fmt.Printf("%08b %o %x %X\n", -5, -8, -255, []byte{0xde, 0xad})
	fmt.Printf("%t %v %p\n", false, &[]int{1}, nil)
	fmt.Println(fmt.Sprint("a", 1, 2, "b", "c", 3.0), fmt.Sprintln("x", 1))
	fmt.Println(math.MaxInt64, uint64(math.MaxUint64), math.MinInt64, float32(0.1), 1e6, 1e20, 1e21, 100000000.0)
	var a, b int
	var s string
	var f float64
	n, err := fmt.Sscanf("12 abc 3.5 0x1f", "%d %s %g %v", &a, &s, &f, &b)
	fmt.Println(n, err, a, s, f, b)
	n, err = fmt.Sscan("7 8 9", &a, &b, &s)
	fmt.Println(n, err, a, b, s)
	n, err = fmt.Sscanf("x", "%d", &a)
	fmt.Println(n, err)
}

func stringsAndBytes() {
	t := "The quick brown fox, the lazy dog; ünïcödé ΑΒΓ ß ǅ 世界 \U0001f600"
	fmt.Println(strings.ToUpper(t), strings.ToLower(t), strings.ToTitle(t))
	fmt.Println(strings.Fields(" a  b\tc\n"), strings.Split("a,b,,c", ","), strings.SplitN("a,b,c", ",", 2), strings.SplitAfter("a;b;", ";"))
	fmt.Println(strings.Index(t, "fox"), strings.LastIndex(t, "the"), strings.IndexAny(t, ";,"), strings.IndexRune(t, '界'), strings.Count(t, "o"), strings.Count("abc", ""))
	fmt.Println(strings.Contains(t, "lazy"), strings.HasPrefix(t, "The"), strings.HasSuffix(t, "x"), strings.EqualFold("Straße", "STRAßE"), strings.Compare("a", "b"))
	fmt.Println(strings.Replace("aaaa", "a", "b", 2), strings.ReplaceAll("aaaa", "aa", "b"), strings.Repeat("ab", 5), strings.TrimSpace("  x "), strings.Trim("xxhixx", "x"), strings.TrimFunc("12ab34", unicode.IsDigit))
	fmt.Println(strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return -1
		}
		return r + 1
	}, "aBcD"), strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace("<a>b</a>"))
	before, after, ok := strings.Cut("key=value=x", "=")
	fmt.Println(before, after, ok, strings.Join([]string{"x", "y", "z"}, "-"))
	long := strings.Repeat("abcdefghij", 1000)
	for _, n := range []int{1, 2, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65, 200} {
		needle := long[3 : 3+n]
		fmt.Print(strings.Index(long, needle), " ", strings.LastIndex(long, needle), " ", strings.Index(long, needle+"!"), " ", bytes.Equal([]byte(needle), []byte(long[13:13+n])), "; ")
	}
	fmt.Println(strings.IndexByte(long+"z", 'z'), bytes.IndexByte([]byte(long), 0), strings.Compare(long, long+"a"), long < long[:9999], bytes.Compare([]byte("ab"), []byte("abc")))
	var b strings.Builder
	for i := 0; i < 1000; i++ {
		b.WriteString(strconv.Itoa(i))
		b.WriteByte(' ')
		b.WriteRune('é')
	}
	fmt.Println(b.Len(), b.String()[:40])
}

func runes() {
	s := "a\xffé\xc3(世\xed\xa0\x80\U0001f600\xf4\x90\x80\x80"
	for i, r := range s {
		fmt.Print(i, ":", strconv.QuoteRune(r), " ")
	}
	fmt.Println(utf8.ValidString(s), utf8.RuneCountInString(s), []rune(s), string([]rune{-1, 0x110000, 0xd800, 'x'}), strings.ToValidUTF8(s, "?"))
	fmt.Println(utf16.Encode([]rune("a\U0001f600")), string(utf16.Decode([]uint16{0xd83d, 0xde00, 0xd800})))
	for _, r := range "aZ5 \t世é,Ⅷ½\u00ad\u0301ǅ\u200b" {
		fmt.Print(unicode.IsLetter(r), unicode.IsUpper(r), unicode.IsLower(r), unicode.IsDigit(r), unicode.IsNumber(r), unicode.IsSpace(r), unicode.IsPunct(r), unicode.IsPrint(r), unicode.IsGraphic(r),
			unicode.Is(unicode.Han, r), unicode.In(r, unicode.Latin, unicode.Mn), unicode.ToUpper(r), unicode.ToTitle(r), unicode.SimpleFold(r), "\n")
	}
}

func numbers() {
	for _, s := range []string{"0", "-1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "0x7f", "0b101", "0o17", "1_000", "", "12a", " 1", "18446744073709551615", "18446744073709551616"} {
		a, e1 := strconv.ParseInt(s, 0, 64)
		b, e2 := strconv.ParseUint(s, 10, 64)
		c, e3 := strconv.ParseInt(s, 36, 16)
		fmt.Println(a, e1, b, e2, c, e3)
	}
	for _, s := range []string{"1e400", "-1e-400", "1e23", "0x1p-1074", "inf", "nan", "1.7976931348623159e308", "2.2250738585072011e-308", "123456789012345678901234567890", ".5e+1", "1e", "0.1e1_0",
		"179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880"} {
		v, err := strconv.ParseFloat(s, 64)
		w, err2 := strconv.ParseFloat(s, 32)
		fmt.Println(v, err, w, err2)
	}
	x := uint64(88172645463325252)
	bad := 0
	for i := 0; i < 3000; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		v := math.Float64frombits(x)
		if v != v {
			continue
		}
		s := strconv.FormatFloat(v, 'e', -1, 64)
		if back, err := strconv.ParseFloat(s, 64); err != nil || math.Float64bits(back) != x {
			bad++
		}
		f := math.Float32frombits(uint32(x))
		if back, _ := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 32); f == f && float32(back) != f {
			bad++
		}
		if i%500 == 0 {
			fmt.Print(s, " ", strconv.FormatFloat(v, 'f', 3, 64)[:1], " ", strconv.FormatInt(int64(x), 2+i/500*5), " ")
		}
	}
	fmt.Println("bad round trips:", bad)
	fmt.Println(strconv.Quote("tab\t\x00\u00e9\U0001f600\xff"), strconv.QuoteToASCII("é世"), strconv.AppendBool(nil, true))
	u, err := strconv.Unquote(`"a\tb\u00e9\x41"`)
	fmt.Println(u, err)
}

func readers() {
	r := bufio.NewReaderSize(strings.NewReader("line one\nline two is longer than the buffer\n\nlast"), 16)
	for {
		line, more, err := r.ReadLine()
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%q %v; ", line, more)
	}
	s := bufio.NewScanner(strings.NewReader("alpha beta  gamma\ndelta"))
	s.Split(bufio.ScanWords)
	for s.Scan() {
		fmt.Print(s.Text(), "|")
	}
	pr, pw := io.Pipe()
	go func() {
		w := bufio.NewWriter(pw)
		for i := range 5 {
			fmt.Fprintf(w, "%d;", i)
		}
		w.Flush()
		pw.CloseWithError(io.ErrUnexpectedEOF)
	}()
	b, err := io.ReadAll(io.TeeReader(io.LimitReader(pr, 8), io.Discard))
	fmt.Println(string(b), err)
	var sc scanner.Scanner
	sc.Init(strings.NewReader(`x := 3.5 + "s" // c`))
	for t := sc.Scan(); t != scanner.EOF; t = sc.Scan() {
		fmt.Print(sc.Position, " ", sc.TokenText(), " ")
	}
	fmt.Println()
	tw := tabwriter.NewWriter(os.Stdout, 5, 0, 2, '.', tabwriter.AlignRight|tabwriter.Debug)
	fmt.Fprintln(tw, "a\tbbb\tc")
	fmt.Fprintln(tw, "aaaa\tb\tccccccc")
	tw.Flush()
}

func main() {
	formats()
	stringsAndBytes()
	runes()
	numbers()
	readers()
}
