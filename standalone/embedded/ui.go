package embedded

import (
	"context"
	"fmt"
	"net/http"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
)

// webUI is the Temporal Web UI. What would break a migration behind Mailferry's back is switched off in it: an
// operator aborts by the signal or by Cancel, which cleans up.
type webUI struct {
	server *uiserver.Server
}

func startUI(ctx context.Context, o Options) (*webUI, error) {
	ui := &webUI{uiserver.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		Host: loopback, Port: o.UIPort, TemporalGRPCAddress: address(o.Port), EnableUI: true, DefaultNamespace: o.Namespace,
		CORS: uiconfig.CORS{CookieInsecure: true}, HideLogs: true, DisableNewsFetch: true,
		WorkflowTerminateDisabled: true, WorkflowResetDisabled: true, WorkflowPauseDisabled: true,
		BatchActionsDisabled: true, ActivityCommandsDisabled: true, StartWorkflowDisabled: true,
	}))}
	go func() { _ = ui.server.Start() }()
	if err := answers(ctx, "http://"+address(o.UIPort)+"/healthz"); err != nil {
		ui.Stop()
		return nil, fmt.Errorf("start the Web UI: %w", err)
	}
	return ui, nil
}

func (u *webUI) Stop() { u.server.Stop() }

// answers waits until the URL answers; the server itself has no way to tell.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			return response.Body.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
