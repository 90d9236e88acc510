// client asks a server over and over and compares what it gets with what it sent.
//
//	client ADDRESS REQUESTS AT-ONCE keep|close PATH
//
// ADDRESS is HOST:PORT or unix:PATH. It prints `N answers` and exits 0 when every answer was right.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func must(n int, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return n
}

// want is what the server is to answer to request i.
func ask(path string, i int) (*http.Request, []byte) {
	text := []byte(strings.Repeat(fmt.Sprintf("request %d ", i), 1+i%17))
	switch path {
	case "/sleep":
		q := fmt.Sprintf("n=%d", i)
		r, _ := http.NewRequest("GET", "http://server/sleep?"+q, nil)
		return r, []byte(q)
	case "/big":
		block := make([]byte, 1<<16)
		for k := range block {
			block[k] = byte(k * 7 >> 3)
		}
		r, _ := http.NewRequest("GET", "http://server/big", nil)
		return r, bytes.Repeat(block, 128)
	}
	r, _ := http.NewRequest("POST", "http://server/echo", bytes.NewReader(text))
	return r, text
}

func main() {
	address, keep, path := os.Args[1], os.Args[4] == "keep", os.Args[5]
	total, atOnce := must(strconv.Atoi(os.Args[2])), must(strconv.Atoi(os.Args[3]))
	network := "tcp"
	if p, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", p
	}
	transport := &http.Transport{
		DisableKeepAlives:   !keep,
		MaxIdleConnsPerHost: atOnce,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}
	client := &http.Client{Transport: transport, Timeout: 2 * time.Minute}
	var next, right atomic.Int64
	var wg sync.WaitGroup
	for w := 0; w < atOnce; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := int(next.Add(1)); i <= total; i = int(next.Add(1)) {
				r, want := ask(path, i)
				answer, err := client.Do(r)
				if err != nil {
					fmt.Fprintln(os.Stderr, i, err)
					continue
				}
				got, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil || !bytes.Equal(got, want) {
					fmt.Fprintln(os.Stderr, i, err, len(got), "bytes are not", len(want))
					continue
				}
				right.Add(1)
			}
		}()
	}
	wg.Wait()
	fmt.Println(right.Load(), "answers")
	if right.Load() != int64(total) {
		os.Exit(1)
	}
}
