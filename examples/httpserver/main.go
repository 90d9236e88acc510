// httpserver answers HTTP on the socket that it was given: plain net/http, nothing of glovebox's.
//
//	GOOS=wasip1 GOARCH=wasm go build -o server.wasm .
//	glovebox --listen 127.0.0.1:8080 server.wasm
//
// Built natively it is what systemd starts with a socket: the listener is descriptor 3 there too.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

func main() {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		log.Fatal("no socket was granted: ", err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s\n", r.URL.Path[1:])
	})
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "one moment")
		w.(http.Flusher).Flush()
		time.Sleep(500 * time.Millisecond)
		fmt.Fprintln(w, "at last")
	})

	server := &http.Server{}
	err = server.Serve(listener)
	// SIGINT or SIGTERM: nothing is accepted any more. Answer what was asked, then end.
	if errors.Is(err, syscall.ECANCELED) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = server.Shutdown(ctx)
	}
	if err != nil {
		log.Fatal(err)
	}
}
