// Package relay carries connections from a listening socket of the machine into the node's network namespace.
//
// Nothing joins the two networks: the socket was opened outside and came in as an inherited file, and what it
// accepts is dialed again from here. So one process does it, and it dies with the node.
package relay

import (
	"flag"
	"io"
	"log"
	"net"
	"os"
	"time"
)

// Main relays until the process is ended.
func Main(arguments []string) {
	flags := flag.NewFlagSet("relay", flag.ExitOnError)
	descriptor := flags.Uint("listen-fd", 3, "inherited file descriptor of the listening socket")
	target := flags.String("to", "127.0.0.1:6443", "address to connect to, in this network namespace")
	_ = flags.Parse(arguments)

	listener, err := net.FileListener(os.NewFile(uintptr(*descriptor), "listening socket"))
	if err != nil {
		log.Fatalf("file descriptor %d is no listening socket: %v", *descriptor, err)
	}
	for {
		outside, err := listener.Accept()
		if err != nil {
			log.Printf("accept: %v", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		go carry(outside.(*net.TCPConn), *target)
	}
}

func carry(outside *net.TCPConn, target string) {
	defer outside.Close()
	dialed, err := net.DialTimeout("tcp", target, 10*time.Second)
	if err != nil {
		return // the API server is not up yet: the caller sees its connection closed and tries again
	}
	inside := dialed.(*net.TCPConn)
	defer inside.Close()
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(inside, outside)
		_ = inside.CloseWrite()
		close(done)
	}()
	_, _ = io.Copy(outside, inside)
	_ = outside.CloseWrite()
	<-done
}
