//go:build unix

package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/oubli/oubli/internal/chaos/wire"
)

// process runs oubli: whenever the program ends, it is started again, as by a
// service manager.
type process struct {
	name  string
	args  []string
	lab   *lab
	env   []string
	db    link
	redis link
	mail  link
	watch func(line string)  // is called with every line of the log
	odd   func(what string)  // is called when the program ends although the driver did not end it
	dies  func(at time.Time) // is called at every end except an orderly one

	mu      sync.Mutex
	tuning  wire.Tuning
	cmd     *exec.Cmd
	orders  *os.File
	up      chan struct{} // closed once the program says that it is up
	ended   chan struct{} // closed once the program has ended
	isUp    bool
	ordered bool // the driver has ordered the program to end
	retired bool // and not to be started again
	ops     string
	holds   map[string]int // tasks that were claimed, with the attempt
	hits    chan string    // failpoints that were reached
	code    int            // of the last end
	tail    []string       // of the log
	done    chan struct{}  // closed once the process is retired
}

// place makes the links of a process and starts it.
func (r *round) place(name string, t wire.Tuning, args ...string) (*process, error) {
	p := &process{name: name, args: args, lab: r.lab, tuning: t, holds: map[string]int{}, hits: make(chan string, 100),
		watch: r.readLog, odd: func(what string) { r.violated("%s %s", name, what) }, done: make(chan struct{}),
		dies: func(at time.Time) { r.trouble("a killed process", at.Add(-recordDelay), at.Add(time.Second)) }}
	worker, api, err := r.roles()
	if err != nil {
		return nil, err
	}
	database := worker
	if name == "api" {
		database = api
	}
	through := func(what, raw string, into *link) (string, error) {
		u, err := url.Parse(raw)
		if err != nil {
			return "", err
		}
		if *into, err = r.lab.link(fmt.Sprintf("%s-%s-%d", name, what, time.Now().UnixNano()), u.Host); err != nil {
			return "", err
		}
		u.Host = into.Listen
		return u.String(), nil
	}
	if database, err = through("postgres", database, &p.db); err != nil {
		return nil, err
	}
	keys, err := through("redis", r.lab.redis.URL(0), &p.redis)
	if err != nil {
		return nil, err
	}
	mail, err := through("smtp", "smtp://"+r.lab.mails.addr+"?tls=none", &p.mail)
	if err != nil {
		return nil, err
	}
	p.env = append(r.environ(), "OUBLI_DATABASE_URL="+database, "OUBLI_REDIS_URL="+keys, "OUBLI_SMTP_URL="+mail)
	go p.keep()
	return p, nil
}

// keep starts the program again and again until the process is retired.
func (p *process) keep() {
	defer close(p.done)
	for {
		p.mu.Lock()
		retired := p.retired
		p.mu.Unlock()
		if retired {
			return
		}
		if err := p.run(); err != nil {
			p.odd("cannot be started: " + err.Error())
			return
		}
		time.Sleep(100 * time.Millisecond) // as a service manager does
	}
}

// run starts the program and waits for its end.
func (p *process) run() error {
	orders, give, err := os.Pipe()
	if err != nil {
		return err
	}
	take, reports, err := os.Pipe()
	if err != nil {
		return err
	}
	logs, log, err := os.Pipe()
	if err != nil {
		return err
	}
	p.mu.Lock()
	tuning, err := json.Marshal(p.tuning)
	if err != nil {
		return err
	}
	p.cmd = exec.Command(p.lab.program, p.args...)
	p.cmd.Env = append(p.env, wire.TuningKey+"="+string(tuning))
	p.cmd.Stderr = log
	p.cmd.ExtraFiles = []*os.File{wire.OrdersFD - 3: orders, wire.ReportsFD - 3: reports}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to handle
	p.up, p.ended, p.isUp, p.ordered, p.orders, p.ops = make(chan struct{}), make(chan struct{}), false, false, give, ""
	clear(p.holds)
	err = p.cmd.Start()
	p.mu.Unlock()
	_ = orders.Close()
	_ = reports.Close()
	_ = log.Close()
	if err != nil {
		return err
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.readLog(logs) })
	readers.Go(func() { p.readReports(take) })
	if err = p.cmd.Wait(); err != nil {
		p.dies(time.Now())
	}
	readers.Wait()
	_ = give.Close()
	p.mu.Lock()
	p.code = p.cmd.ProcessState.ExitCode()
	unwanted := p.isUp && !p.ordered && !p.retired
	close(p.ended)
	p.mu.Unlock()
	if unwanted {
		p.odd(fmt.Sprintf("ended by itself: %v", err))
	}
	return nil
}

const tailLines = 400

func (p *process) readLog(logs *os.File) {
	defer logs.Close()
	lines := bufio.NewScanner(logs)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		line := lines.Text()
		p.watch(line)
		p.mu.Lock()
		if strings.Contains(line, "oubli is up") && !p.isUp {
			var said struct{ Ops string }
			_ = json.Unmarshal([]byte(line), &said)
			p.ops, p.isUp = said.Ops, true
			close(p.up)
		}
		if p.tail = append(p.tail, line); len(p.tail) > 2*tailLines {
			p.tail = append([]string(nil), p.tail[tailLines:]...)
		}
		p.mu.Unlock()
	}
}

func (p *process) readReports(reports *os.File) {
	defer reports.Close()
	for dec := json.NewDecoder(reports); ; {
		var r wire.Report
		if dec.Decode(&r) != nil {
			return
		}
		p.mu.Lock()
		switch {
		case r.Task != "":
			p.holds[r.Task] = r.Attempt
		case r.At != "":
			p.ordered = true
			select {
			case p.hits <- r.At:
			default:
			}
		}
		p.mu.Unlock()
	}
}

// order arms or disarms a failpoint.
func (p *process) order(at string, deed wire.Deed) {
	b, _ := json.Marshal(wire.Order{At: at, Deed: deed})
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.orders.Write(append(b, '\n'))
}

// held is what the process has claimed since it was started.
func (p *process) held() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]int{}
	for task, attempt := range p.holds {
		all[task] = attempt
	}
	return all
}

func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sig == syscall.SIGKILL || sig == syscall.SIGTERM {
		p.ordered = true
	}
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Signal(sig)
	}
}

// stopLimit is how long a stop may take: the service's own limit, and more for a
// busy machine.
const stopLimit = time.Minute

// terminate ends the program by SIGTERM and waits for it. If it does not end in
// time, terminate kills it and records a violation.
func (p *process) terminate() {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(stopLimit):
		p.odd("does not end when it is told to")
		p.signal(syscall.SIGKILL)
		<-ended
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isUp && p.code != 0 {
		p.odd(fmt.Sprintf("exits %d when it is told to end", p.code))
	}
}

// retire ends the process for good.
func (p *process) retire(sig syscall.Signal) {
	p.mu.Lock()
	p.retired = true
	p.mu.Unlock()
	p.signal(syscall.SIGCONT)
	p.signal(sig)
	<-p.done
	for _, l := range []link{p.db, p.redis, p.mail} {
		l.Stop()
	}
}

// awaitUp waits until the program is up.
func (p *process) awaitUp(ctx context.Context, patience time.Duration) error {
	ok := eventually(ctx, patience, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.isUp
	})
	if !ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Errorf("%s does not come up:\n%s", p.name, strings.Join(p.tail[max(0, len(p.tail)-10):], "\n"))
	}
	return nil
}
