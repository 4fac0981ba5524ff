package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox/graph"
	"github.com/mailferry/mailferry/internal/sandbox/imap"
)

// controlUser and the password in the file secrets/control open the desk below /sandbox/ on the Microsoft port, where
// whoever practises does what an administrator does elsewhere, and makes things go wrong:
//
//	GET    /sandbox/state             how far the world is
//	GET    /sandbox/ledger            every message that the world has put somewhere
//	GET    /sandbox/mishaps           what goes wrong in an organisation by plan
//	GET    /sandbox/deeds             what its people mean to do with their mail, and what they have done
//	POST   /sandbox/grant/{address}   run the access script for a mailbox (DELETE takes the access back)
//	POST   /sandbox/faults/{server}   switch a fault on: microsoft ([graph.Fault]), source-imap or target-imap ([imap.Fault])
//	DELETE /sandbox/faults            switch all faults off
//
// Bodies are JSON with the fields' names; waits are written like 2s.
const controlUser = "sandbox"

// maxControl bounds a body.
const maxControl = 64 << 10

// State is how far the world is.
type State struct {
	// MovedMX: every domain's MX record points at the tenant.
	MovedMX bool `json:"movedMX"`
	// ArrivalsLeft is how many planned mails have not been delivered yet.
	ArrivalsLeft int `json:"arrivalsLeft"`
	// Made are the mailboxes that the tenant has.
	Made []string `json:"made"`
}

// State tells how far the world is.
func (w *World) State() (State, error) {
	left, err := w.ArrivalsLeft()
	return State{w.movedMX(), left, append([]string{}, w.target.Mailboxes()...)}, err
}

// handler is what answers on the Microsoft port: the tenant, and the desk.
func (w *World) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", w.tenant)
	desk := func(pattern string, do func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			if user != controlUser || !same(password, w.secrets.password("control")) {
				rw.Header().Set("WWW-Authenticate", `Basic realm="sandbox"`)
				http.Error(rw, "the user is "+controlUser+", the password in the file secrets/control", http.StatusUnauthorized)
				return
			}
			r.Body = http.MaxBytesReader(rw, r.Body, maxControl)
			answer, err := do(r)
			if err != nil {
				http.Error(rw, err.Error(), http.StatusBadRequest)
				return
			}
			rw.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(rw).Encode(answer)
		})
	}
	desk("GET /sandbox/state", func(*http.Request) (any, error) { return w.State() })
	desk("GET /sandbox/ledger", func(*http.Request) (any, error) { return w.Expected() })
	desk("GET /sandbox/mishaps", func(*http.Request) (any, error) { return w.Mishaps(), nil })
	desk("GET /sandbox/deeds", func(*http.Request) (any, error) { return w.Deeds() })
	desk("POST /sandbox/grant/{address}", func(r *http.Request) (any, error) {
		return map[string]string{"granted": r.PathValue("address")}, w.tenant.Grant(r.PathValue("address"))
	})
	desk("DELETE /sandbox/grant/{address}", func(r *http.Request) (any, error) {
		return map[string]string{"revoked": r.PathValue("address")}, w.tenant.Revoke(r.PathValue("address"))
	})
	desk("POST /sandbox/faults/"+portMicrosoft, w.injectMicrosoft)
	desk("POST /sandbox/faults/"+portSourceIMAP, func(r *http.Request) (any, error) { return w.injectIMAP(w.sourceIMAP, r) })
	desk("POST /sandbox/faults/"+portTargetIMAP, func(r *http.Request) (any, error) { return w.injectIMAP(w.targetIMAP, r) })
	desk("DELETE /sandbox/faults", func(*http.Request) (any, error) {
		w.clearFaults()
		return map[string]int{"faults": 0}, nil
	})
	return mux
}

func strict(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func (w *World) injectMicrosoft(r *http.Request) (any, error) {
	var body struct {
		graph.Fault
		RetryAfter migration.Duration
	}
	if err := strict(r, &body); err != nil {
		return nil, err
	}
	fault := body.Fault
	fault.RetryAfter = body.RetryAfter.D()
	w.tenant.Inject(fault)
	w.log.Info("a fault was switched on", "server", portMicrosoft, "path", fault.Path)
	return body, nil
}

func (w *World) injectIMAP(server *imap.Server, r *http.Request) (any, error) {
	var body struct {
		imap.Fault
		Delay migration.Duration
	}
	if err := strict(r, &body); err != nil {
		return nil, err
	}
	fault := body.Fault
	fault.Delay = body.Delay.D()
	fault.Mailbox = strings.ToLower(fault.Mailbox)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, server.Inject(fault))
	w.log.Info("a fault was switched on", "command", fault.Command, "mailbox", fault.Mailbox)
	return body, nil
}

func (w *World) clearFaults() {
	w.tenant.ClearFaults()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, remove := range w.faults {
		remove()
	}
	w.faults = nil
}
