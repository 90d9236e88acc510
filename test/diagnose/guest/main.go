// A guest that commits the mistakes of DIAGNOSTICS.md's table, one a word, as programs do: it reports an
// error and exits with 1, or goes on where the word says so.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

var mistakes = map[string]func(args []string){
	"cat": func(args []string) {
		for _, name := range args {
			data, err := os.ReadFile(name)
			check(err)
			os.Stdout.Write(data)
		}
	},
	"ignore": func(args []string) { // a classic: the error is dropped, and nothing is printed
		data, _ := os.ReadFile(args[0])
		fmt.Println(len(data))
	},
	"above": func(args []string) { // settings, looked for in a directory and all above it
		for dir := args[0]; ; dir = filepath.Dir(dir) {
			if _, err := os.ReadFile(filepath.Join(dir, args[1])); err == nil {
				fmt.Println("found in", dir)
				os.Exit(1) // for a reason of its own
			}
			if dir == "/" {
				check(fmt.Errorf("%s is nowhere", args[1]))
			}
		}
	},
	"beside": func([]string) { // what lies where the program lies
		data, err := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), "config.json"))
		check(err)
		os.Stdout.Write(data)
	},
	"self": func([]string) {
		data, err := os.ReadFile(os.Args[0])
		check(err)
		fmt.Println(len(data) > 1000)
	},
	"env": func(args []string) {
		for _, name := range args {
			if os.Getenv(name) == "" {
				check(fmt.Errorf("%s is not set", name))
			}
		}
		fmt.Println("all set")
	},
	"environ": func([]string) { fmt.Println(len(os.Environ())) },
	"many-env": func([]string) {
		for i := 0; i < 5000; i++ {
			os.Getenv(fmt.Sprintf("NAME_%d", i%10))
		}
		os.Exit(1)
	},
	"serve": func([]string) {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
		if os.Getenv("LISTEN_FDS") == "" {
			check(http.ListenAndServe("127.0.0.1:8080", handler))
		}
		l, err := net.FileListener(os.NewFile(3, ""))
		check(err)
		fmt.Println(l.Addr().Network())
	},
	"socket": func([]string) {
		l, err := net.FileListener(os.NewFile(3, ""))
		check(err)
		fmt.Println(l.Addr().Network())
	},
	"mkdir": func(args []string) { check(os.MkdirAll(args[0], 0o755)) },
	"temp": func([]string) {
		f, err := os.CreateTemp("", "x")
		check(err)
		fmt.Println(filepath.Dir(f.Name()))
	},
	"unix": func([]string) {
		_, err := os.Stat(os.TempDir())
		check(err)
	},
	"rename": func(args []string) { check(os.Rename(args[0], args[1])) },
	"remove": func(args []string) { check(os.RemoveAll(args[0])) },
	"link":   func(args []string) { check(os.Symlink(args[0], args[1])) },
	"home": func([]string) {
		dir, err := os.UserHomeDir()
		check(err)
		fmt.Println(dir)
	},
	"chdir": func(args []string) {
		check(os.Chdir(args[0]))
		fmt.Println("there")
	},
	"deep": func([]string) {
		debug.SetMaxStack(1 << 20) // of 1 GB, so that it comes soon
		deep(0)
	},
	"fetch": func([]string) {
		_, err := http.Get("http://example.com/")
		check(err)
	},
	"full": func([]string) {
		var all [][]byte
		for {
			all = append(all, make([]byte, 8<<20))
		}
	},
	"exit3": func([]string) { os.Exit(3) },
	"listen": func([]string) {
		l, err := net.Listen("tcp", "127.0.0.1:8080")
		check(err)
		l.Accept()
	},
	"dial": func(args []string) {
		_, err := net.Dial("tcp", args[0])
		check(err)
	},
	"exec": func([]string) { check(exec.Command("ls").Run()) },
	"exec-pipe": func([]string) {
		_, err := exec.Command("cat").StdinPipe()
		check(err)
	},
	"cores": func([]string) {
		runtime.GOMAXPROCS(4)
		var wait sync.WaitGroup
		for range 4 {
			wait.Add(1)
			go func() {
				for n := uint64(1); n != 0; n++ {
				}
				wait.Done()
			}()
		}
		wait.Wait()
	},
	"spin": func([]string) {
		_ = fmt.Sprint(1) // sync.Pool asks for the number of processors
		for {
		}
	},
	"secrets": func(args []string) {
		key := make([]byte, 16)
		_, err := rand.Read(key)
		check(err)
		fmt.Printf("%x\n", key)
	},
	"zone": func(args []string) {
		zone, err := time.LoadLocation(args[0])
		check(err)
		fmt.Println(time.Unix(0, 0).In(zone).Format(time.RFC3339))
	},
	"roots": func(args []string) { // is the first certificate of the file signed by somebody known?
		pool, err := x509.SystemCertPool()
		check(err)
		if pool.Equal(x509.NewCertPool()) {
			check(fmt.Errorf("x509: certificate signed by unknown authority"))
		}
		_, _ = tls.VersionTLS12, pem.Decode
		fmt.Println("trusted")
	},
	"panic":    func([]string) { panic("on request") },
	"deadlock": func([]string) { select {} },
	"exit2":    func([]string) { os.Exit(2) },
	"write": func(args []string) {
		check(os.WriteFile(args[0], []byte("written\n"), 0o644))
	},
	"chatty": func([]string) {
		for range 20000 {
			fmt.Println("ab")
		}
	},
	"bufio": func([]string) {
		w := bufio.NewWriter(os.Stdout)
		defer w.Flush()
		for range 20000 {
			fmt.Fprintln(w, "ab")
		}
	},
	"copy": func([]string) { io.Copy(os.Stdout, os.Stdin) },
}

func deep(n int) int { return deep(n+1) + 1 }

func main() {
	mistake := mistakes[os.Args[1]]
	if mistake == nil {
		check(fmt.Errorf("no such word: %q", os.Args[1]))
	}
	mistake(os.Args[2:])
}
