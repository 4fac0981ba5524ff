package linetest

import (
	"bufio"
	"io"
	"time"
)

// gate writes once the line flows.
type gate struct {
	to   io.Writer
	line *Line
}

func (g gate) Write(p []byte) (int, error) {
	g.line.mu.Lock()
	flows := g.line.flows
	g.line.mu.Unlock()
	<-flows
	return g.to.Write(p)
}

// paced copies at most so many octets a second, 0 being as fast as it goes.
func paced(to io.Writer, from io.Reader, pace int) {
	if pace == 0 {
		io.Copy(to, from)
		return
	}
	const tick = 5 * time.Millisecond
	for {
		if _, err := io.CopyN(to, from, int64(pace)*int64(tick)/int64(time.Second)); err != nil {
			return
		}
		time.Sleep(tick)
	}
}

// spoil copies line by line, each as answers makes it.
func spoil(to io.Writer, from io.Reader, answers func([]byte) []byte) {
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadBytes('\n')
		if _, werr := to.Write(answers(line)); err != nil || werr != nil {
			return
		}
	}
}
