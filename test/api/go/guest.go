// guest is what the tests of the embedding API run: one small thing per first argument.
package main

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	mode := "hello"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "hello":
		fmt.Println("hello from", os.Args[0])
	case "args":
		fmt.Printf("%q\n", os.Args)
	case "env":
		for _, v := range os.Environ() {
			fmt.Println(v)
		}
	case "cat":
		for _, name := range os.Args[2:] {
			data, err := os.ReadFile(name)
			if err != nil {
				fmt.Println(err)
				continue
			}
			os.Stdout.Write(data)
		}
	case "write":
		if err := os.WriteFile(os.Args[2], []byte(os.Args[3]), 0o644); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "echo":
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			fmt.Println("got", in.Text())
		}
		fmt.Println("end", in.Err())
	case "sleep":
		d, _ := time.ParseDuration(os.Args[2])
		time.Sleep(d)
		fmt.Println("slept")
	case "now":
		fmt.Println(time.Now().UTC().Format(time.RFC3339))
	case "rand":
		b := make([]byte, 4)
		if _, err := rand.Read(b); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("%x\n", b)
	case "exit":
		n, _ := strconv.Atoi(os.Args[2])
		os.Exit(n)
	case "panic":
		panic("on purpose")
	case "spin":
		for {
		}
	}
}
