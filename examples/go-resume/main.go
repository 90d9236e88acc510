// A reactor that a host makes a snapshot of, once `_initialize` has run: it shows what is new in each instance
// that begins with it, and what the program has to renew by itself.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o reactor.wasm .
package main

import (
	crand "crypto/rand"
	"fmt"
	"maps"
	"math/rand"
	randv2 "math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"example.com/go-resume/resume"
)

// What is worth having once for all instances: 20,000 entries that take longer than everything else.
var table = map[string]int{}

var (
	began  = time.Now()
	secret = rand.Uint64()
	own    = randv2.New(randv2.NewPCG(rand.Uint64(), rand.Uint64()))
	calls  int
)

func init() {
	for i := range 20000 {
		table[fmt.Sprintf("word %d", i)] = i
	}
	resume.Do(func() {
		began = time.Now()
		secret = rand.Uint64()
		own = randv2.New(randv2.NewPCG(rand.Uint64(), rand.Uint64()))
	})
}

func keys(m map[string]int) string {
	return strings.Join(slices.Collect(maps.Keys(m)), " ")
}

func choices() string {
	var b strings.Builder
	one, two := make(chan int, 1), make(chan int, 1)
	for range 64 {
		one <- 0
		two <- 0
		select {
		case <-one:
			b.WriteByte('1')
			<-two
		case <-two:
			b.WriteByte('2')
			<-one
		}
	}
	return b.String()
}

//go:wasmexport ready
func ready() int32 { return int32(len(table)) }

//go:wasmexport show
func show() {
	m := map[string]int{}
	for _, name := range strings.Fields("a b c d e f g h i j k l m n o p q r s t u v w x y z") {
		m[name] = 0
	}
	var crypto [8]byte
	if _, err := crand.Read(crypto[:]); err != nil {
		panic(err)
	}
	calls++
	fmt.Println("words", len(table), table["word 12345"])
	fmt.Println("calls", calls)
	fmt.Println("order", keys(m))
	fmt.Println("rand", rand.Uint64())
	fmt.Println("rand/v2", randv2.Uint64())
	fmt.Println("crypto", crypto)
	fmt.Println("select", choices())
	fmt.Println("secret", secret)
	fmt.Println("own", own.Uint64())
	fmt.Println("args", strings.Join(os.Args, "|"))
	fmt.Println("env", strings.Join(os.Environ(), "|"))
	fmt.Println("began", began.UnixNano())
	fmt.Println("now", time.Now().UnixNano())
}

func main() {}
