// guest does one thing with its standard streams; built natively, it says what is right.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "yes": // as most programs do: never asks whether the write went well
		for {
			fmt.Println("y")
		}
	case "yes-stderr":
		for {
			fmt.Fprintln(os.Stderr, "y")
		}
	case "panic":
		panic("nobody reads this")
	case "lines":
		for i := 0; i < 10; i++ {
			fmt.Println("line", i)
		}
	case "careful":
		_, err := fmt.Println("y")
		if err == nil {
			os.Exit(0)
		}
		fmt.Fprintln(os.Stderr, errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ENOSPC))
		os.Exit(5)
	case "cat":
		n, err := io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stderr, n, err)
	case "echo": // every line as it comes, beside a goroutine that must not stand still
		ticks := 0
		go func() {
			for ; ; ticks++ {
				time.Sleep(time.Millisecond)
			}
		}()
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			fmt.Println("<" + in.Text() + ">")
		}
		fmt.Fprintln(os.Stderr, ticks > 5)
	case "stdio": // opens a file while streams are closed, and uses all
		f, err := os.Create(os.Args[2])
		if err != nil {
			os.Exit(6)
		}
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
		got, _ := io.ReadAll(os.Stdin)
		fmt.Fprintf(f, "mine %d\n", len(got))
		f.Close()
	case "print":
		fmt.Print(strings.NewReplacer(`\e`, "\x1b", `\n`, "\n").Replace(os.Args[2]))
	case "open": // a terminal that is opened, not inherited
		f, err := os.OpenFile(os.Args[2], os.O_WRONLY, 0)
		if err != nil {
			fmt.Println(err)
			os.Exit(8)
		}
		f.WriteString("\x1b]0;title\x1b[1mbold")
	case "large":
		block := []byte(strings.Repeat("0123456789abcde\n", 1<<12))
		for i := 0; i < 64; i++ {
			if _, err := os.Stdout.Write(block); err != nil {
				os.Exit(7)
			}
		}
	}
}
