package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// link is a proxy to the server with a round trip of one millisecond, as between
// two zones of a data centre.
type link struct {
	proxy *toxiproxy.Proxy
}

func openLink(upstream string) (*link, error) {
	u, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := toxiproxy.NewProxy(server, "postgres", "127.0.0.1:0", u.Host)
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start the slow link: %w", err)
	}
	// Only the answers wait, because the proxy takes whole milliseconds.
	const slow = `{"name": "millisecond", "type": "latency", "stream": "downstream", "attributes": {"latency": 1}}`
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(slow)); err != nil {
		p.Stop()
		return nil, fmt.Errorf("add latency to the link: %w", err)
	}
	return &link{p}, nil
}

// through returns a URL of the same database through the link.
func (l *link) through(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	u.Host = l.proxy.Listen
	return u.String()
}

func (l *link) close() { l.proxy.Stop() }
