package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// Why an activity ends before its work is done.
var (
	errWorkerStopping = errors.New("the worker is going down")
	errLeaseLost      = errors.New("no heartbeat was taken for half the heartbeat timeout: another worker may take over")
	errNotOurs        = errors.New("the server has given this activity up: another worker may have taken over")
)

// stopGrace is how long work that was asked to end may take to do so in order before its context is cancelled. It
// leaves the rest of the 30 seconds that a worker is given to stop for the result to be delivered.
const stopGrace = 10 * time.Second

// pulse keeps the heartbeat of one activity. It sends the latest details every eighth of the heartbeat timeout, and at
// once where they must be known before the activity acts. The SDK's own heartbeat is not used because it throttles and
// doesn't say whether the server took one.
//
// It is also a lease: when no heartbeat was taken for half the timeout, counted from when the last good one was sent,
// the work's context is cancelled, so that what writes has stopped before another worker begins.
type pulse struct {
	heartbeat Heartbeater
	token     []byte
	timeout   time.Duration
	cancel    context.CancelCauseFunc
	lease     *time.Timer

	sending sync.Mutex // one heartbeat at a time, so that an older one never arrives after a newer

	mu      sync.Mutex
	details json.RawMessage
	reason  error

	done chan struct{}
	wait sync.WaitGroup
}

// begin sends the first heartbeat and starts the pulse. The returned context ends when the work must; end must be
// called. It fails if the first heartbeat isn't taken.
func (a *Activities) begin(ctx context.Context, timeout time.Duration, details any) (context.Context, *pulse, error) {
	base := context.WithoutCancel(ctx)
	workerStop := activity.GetWorkerStopChannel(ctx)
	p := &pulse{
		heartbeat: a.Heartbeat,
		token:     activity.GetInfo(ctx).TaskToken,
		timeout:   timeout,
		done:      make(chan struct{}),
	}
	ctx, p.cancel = context.WithCancelCause(ctx)
	if timeout > 0 {
		p.lease = time.AfterFunc(timeout/2, func() { p.abandon(errLeaseLost) })
	}
	if err := p.now(base, details); err != nil && p.asked() == nil {
		p.end()
		return ctx, p, fmt.Errorf("the first heartbeat was not taken: %w", err)
	}
	p.wait.Go(func() { p.run(base, workerStop) })
	return ctx, p, nil
}

// run sends until the pulse ends.
func (p *pulse) run(ctx context.Context, workerStop <-chan struct{}) {
	var tick <-chan time.Time
	if p.timeout > 0 {
		ticker := time.NewTicker(max(p.timeout/8, time.Millisecond))
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-p.done:
			return
		case <-workerStop:
			p.ask(errWorkerStopping)
			workerStop = nil
		case <-tick:
			_ = p.send(ctx) // a lost one is made good by the next, or by the lease
		}
	}
}

// set gives the details that the next heartbeat sends.
func (p *pulse) set(details any) error {
	encoded, err := json.Marshal(details)
	if err != nil {
		return fmt.Errorf("encoding the heartbeat: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.details = encoded
	return nil
}

// now sends the details before it returns. After an error the server may not know them.
func (p *pulse) now(ctx context.Context, details any) error {
	if err := p.set(details); err != nil {
		return err
	}
	return p.send(context.WithoutCancel(ctx))
}

func (p *pulse) send(ctx context.Context) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	p.mu.Lock()
	details := p.details
	p.mu.Unlock()

	limit := 10 * time.Second
	if p.timeout > 0 {
		limit = min(limit, p.timeout/4)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	sent := time.Now()
	err := p.heartbeat.RecordActivityHeartbeat(ctx, p.token, details)
	var canceled *temporal.CanceledError
	var notFound *serviceerror.NotFound
	switch {
	case err == nil:
		p.renew(sent)
	case errors.As(err, &canceled), errors.Is(err, activity.ErrActivityPaused), errors.Is(err, activity.ErrActivityReset):
		// The server took it and tells us to end.
		p.renew(sent)
		p.ask(err)
	case errors.As(err, &notFound):
		p.abandon(errNotOurs)
	}
	return err
}

// renew extends the lease to half the timeout after a good heartbeat was sent.
func (p *pulse) renew(sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease != nil && !errors.Is(p.reason, errLeaseLost) {
		p.lease.Reset(p.timeout/2 - time.Since(sent))
	}
}

// ask has the work end in order, and cancels it if that takes too long.
func (p *pulse) ask(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reason != nil {
		return
	}
	p.reason = reason
	p.wait.Go(func() {
		select {
		case <-p.done:
		case <-time.After(stopGrace):
			p.cancel(reason)
		}
	})
}

// abandon ends the work at once.
func (p *pulse) abandon(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reason = reason
	p.cancel(reason)
}

// asked is why the work shall end, or nil.
func (p *pulse) asked() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}

// end stops the pulse and waits until nothing of it is left.
func (p *pulse) end() {
	close(p.done)
	if p.lease != nil {
		p.lease.Stop()
	}
	p.wait.Wait()
	p.cancel(nil)
}

// ended is what an activity returns that was asked to end: err is its own error, which is handed on where nobody
// asked.
func (p *pulse) ended(err error) error {
	reason := p.asked()
	var canceled *temporal.CanceledError
	switch {
	case reason == nil:
		return failure(err)
	case errors.As(reason, &canceled):
		return temporal.NewCanceledError()
	case errors.Is(reason, errWorkerStopping):
		return temporal.NewApplicationErrorWithOptions(reason.Error(), StoppingType, temporal.ApplicationErrorOptions{
			NextRetryDelay: time.Second,
			Category:       temporal.ApplicationErrorCategoryBenign,
		})
	default:
		return reason
	}
}

// single runs an activity that is one call, heartbeating while it lasts where it has a heartbeat timeout.
func single[T any](ctx context.Context, a *Activities, call func(context.Context) (T, error)) (T, error) {
	timeout := activity.GetInfo(ctx).HeartbeatTimeout
	if timeout == 0 {
		result, err := call(ctx)
		return result, failure(err)
	}
	var none T
	ctx, p, err := a.begin(ctx, timeout, nil)
	if err != nil {
		return none, err
	}
	defer p.end()
	result, err := call(ctx)
	if err != nil {
		return none, p.ended(err)
	}
	return result, nil
}

// alone is single for calls that return nothing.
func alone(ctx context.Context, a *Activities, call func(context.Context) error) error {
	_, err := single(ctx, a, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}
