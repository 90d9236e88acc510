// What the tests of audit and policy look at: it reads, writes, asks for variables, and links packages
// that cannot work without processes and connections.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

func do(word string) error {
	name, rest, _ := strings.Cut(word, "=")
	switch name {
	case "read":
		b, err := os.ReadFile(rest)
		fmt.Printf("%s", b)
		return err
	case "write":
		return os.WriteFile(rest, []byte("written\n"), 0o666)
	case "list":
		entries, err := os.ReadDir(rest)
		for _, e := range entries {
			fmt.Println(e.Name())
		}
		return err
	case "mkdir":
		return os.MkdirAll(rest, 0o777)
	case "rename":
		from, to, _ := strings.Cut(rest, ",")
		return os.Rename(from, to)
	case "env":
		v, ok := os.LookupEnv(rest)
		fmt.Println(v, ok)
		return nil
	case "pwd":
		dir, err := os.Getwd()
		fmt.Println(dir)
		return err
	case "run":
		return exec.Command(rest).Start()
	case "serve":
		_, err := net.Listen("tcp", rest)
		return err
	case "temp":
		f, err := os.CreateTemp("", "x")
		if err == nil {
			_, err = f.WriteString("x")
		}
		return err
	case "accept":
		listener, err := net.FileListener(os.NewFile(3, ""))
		if err == nil {
			fmt.Println("ready")
			_, err = listener.Accept()
		}
		return err
	case "sleep":
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "spin":
		fmt.Println("ready")
		for {
		}
	case "panic":
		panic(rest)
	case "json":
		return json.NewEncoder(os.Stdout).Encode(rest)
	}
	return fmt.Errorf("unknown word %q", word)
}

func main() {
	failed := 0
	for _, word := range os.Args[1:] {
		if err := do(word); err != nil {
			fmt.Println("error:", err)
			failed = 1
		}
	}
	os.Exit(failed)
}
