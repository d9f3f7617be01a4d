package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// How a lost admin is looked for again.
const (
	attachTimeout = 5 * time.Second
	retryFirst    = 250 * time.Millisecond
	retryLongest  = 5 * time.Second
)

// attachment is the reader of one admin's /tap.
type attachment struct {
	address string
	url     string
	token   string
	client  *http.Client
}

func newAttachment(address, expr, token string) *attachment {
	q := url.Values{"events": {"true"}}
	if expr != "" {
		q.Set("filter", expr)
	}
	return &attachment{
		address: address,
		url:     (&url.URL{Scheme: "http", Host: address, Path: "/tap", RawQuery: q.Encode()}).String(),
		token:   token,
		client: &http.Client{Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: attachTimeout}).DialContext,
			ResponseHeaderTimeout: attachTimeout,
			DisableKeepAlives:     true,
		}},
	}
}

// open begins a tap. The error says what to do about it.
func (a *attachment) open(ctx context.Context) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return nil, usagef("--admin %s: %w", a.address, err)
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, a.unreachable(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, a.refused(resp)
	}
	return resp.Body, nil
}

func (a *attachment) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no pitot answers at %s; start one with 'pitot proxy', or name its admin address with --admin", a.address)
	}
	return fmt.Errorf("admin %s: %w; name the admin address of a running pitot with --admin", a.address, err)
}

func (a *attachment) refused(resp *http.Response) error {
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // what came is what can be told
	text := strings.Join(strings.Fields(string(said)), " ")
	if resp.StatusCode == http.StatusUnauthorized {
		return fmt.Errorf("admin %s asks for a token; put it in %s", a.address, tokenVariable)
	}
	if strings.HasPrefix(text, "<") { // a page for browsers
		text = ""
	}
	return fmt.Errorf("admin %s: %s; is it the admin address of a pitot?", a.address, strings.TrimSuffix(resp.Status+": "+text, ": "))
}

// follow reads taps, one after the other as they are lost, until ctx is done.
func (a *attachment) follow(ctx context.Context, body io.ReadCloser, f *feed) error {
	for ctx.Err() == nil {
		err := f.lines(ctx, body, a.address, false)
		body.Close()
		if body = a.again(ctx, f, err); body == nil {
			return nil
		}
	}
	body.Close()
	return nil
}

// again tries until there is a tap, or ctx is done.
func (a *attachment) again(ctx context.Context, f *feed, why error) io.ReadCloser {
	if why == nil {
		why = errors.New("it ended the stream")
	}
	for wait := retryFirst; ; wait = min(2*wait, retryLongest) {
		if ctx.Err() != nil {
			return nil
		}
		f.say(fmt.Sprintf("lost contact with %s: %v; trying again", a.address, why))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		body, err := a.open(ctx)
		if err == nil {
			f.say("")
			return body
		}
		why = err
	}
}
