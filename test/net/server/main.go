// server is plain net/http on the first socket that it finds, as Go's own tests look for it.
//
//	server            serves until its listener fails, and then says why and exits 1
//	server busy       goes on accepting whatever the listener says
//	server check      says which of its descriptors are sockets, and ends
//	server fake       listens as it would natively, and reaches nobody
//	server talk       echoes lines on descriptor 3, which is connected
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"errors"
)

// GO: internal/runtime/wasitest/testdata/tcpecho.go findListener (1.26)
func findListener() (net.Listener, error) {
	for fd := uintptr(3); ; fd++ {
		f := os.NewFile(fd, "")
		l, err := net.FileListener(f)
		f.Close()
		var errno syscall.Errno
		if errors.As(err, &errno) && errno == syscall.ENOTSOCK {
			continue
		}
		return l, err
	}
}

type stubborn struct{ net.Listener }

func (s stubborn) Accept() (net.Conn, error) {
	for {
		if c, err := s.Listener.Accept(); err == nil {
			return c, nil
		}
		time.Sleep(time.Millisecond)
	}
}

func check() {
	for fd := uintptr(3); ; fd++ {
		f := os.NewFile(fd, "")
		l, err := net.FileListener(f)
		if errors.Is(err, syscall.EBADF) {
			return
		}
		fmt.Println(fd, l != nil, errors.Is(err, syscall.ENOTSOCK))
	}
}

func talk() {
	c, err := net.FileConn(os.NewFile(3, ""))
	if err != nil {
		log.Fatal(err)
	}
	n, err := io.Copy(c, c)
	fmt.Fprintln(os.Stderr, n, err)
	c.Close()
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "check" {
		check()
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "talk" {
		talk()
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "fake" {
		log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
	}
	l, err := findListener()
	if err != nil {
		log.Fatal(err)
	}
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	if mode == "busy" {
		l = stubborn{l}
	}
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})
	http.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		fmt.Fprint(w, r.URL.RawQuery)
	})
	http.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 1<<16)
		for i := range block {
			block[i] = byte(i * 7 >> 3)
		}
		for i := 0; i < 128; i++ {
			w.Write(block)
		}
	})
	http.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile("/data/hello")
		fmt.Fprint(w, string(text), err)
	})
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
			fmt.Fprintf(w, "%s=%s\n", name, os.Getenv(name))
		}
	})
	log.SetFlags(0)
	log.Fatal(http.Serve(l, nil))
}
