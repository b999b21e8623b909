package demo_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"renkei.dev/internal/attack"
)

// front listens where the nodes are looked for and hands every connection to the
// node whose turn it is.
func (f *fleet) front() {
	f.t.Helper()
	for port := range f.nodes[0].ways {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				from, err := l.Accept()
				if err != nil {
					return
				}
				go passOn(from, f.next().ways[port])
			}
		}()
	}
}

func passOn(from net.Conn, address string) {
	defer from.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		io.Copy(to, from)
		to.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(from, to)
}

// What is good once is good once at all nodes together: the attacks on whatever is
// remembered, over three of them.
func TestAttacksOverThreeNodes(t *testing.T) {
	private.Need(t)
	f := newFleet(t, private.Create(t), 3)
	f.front()
	for _, n := range f.nodes[1:] {
		f.target.Nodes = append(f.target.Nodes, n.ways[portOf(strings.TrimPrefix(f.target.Issuer, "https://"))])
	}
	results, err := attack.Run(t.Context(), attack.Options{
		Target: f.target, Only: []string{"P03", "P06", "P09", "P11", "P12", "P13", "P17", "P22", "P31", "P32", "P36", "P38"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Outcome != attack.Held {
			t.Errorf("%s %s is %s: %+v %+v", r.Row, r.Name, r.Outcome, r.Through(), r.Missing)
		}
	}
}
