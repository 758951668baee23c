package cli

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/oubli/oubli/internal/terminal"
	"github.com/oubli/oubli/jobs"
)

// maxIDFile is the largest file of ids that is read: the longest request, with
// room for comments.
const maxIDFile = 4 * jobs.MaxClients * (jobs.MaxKeyLength + 2)

// readIDs reads one id per line; blank lines and lines that begin with # do
// not count. The name - stands for standard input.
func (c *cli) readIDs(name string) ([]string, error) {
	var b []byte
	var err error
	if name == "-" {
		b, err = io.ReadAll(io.LimitReader(c.stdin, maxIDFile+1))
	} else {
		b, err = c.readFile(name)
	}
	if err != nil {
		return nil, usage("--client-file: %w", err)
	}
	if len(b) > maxIDFile {
		return nil, usage("--client-file: want at most %s clients; split the file", terminal.Thousands(jobs.MaxClients))
	}
	// Spreadsheets put a byte order mark before the first id.
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	var ids []string
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, len(b)+1)
	for lines.Scan() {
		if id := strings.TrimSpace(lines.Text()); id != "" && id[0] != '#' {
			ids = append(ids, id)
		}
	}
	return ids, lines.Err()
}

// distinctIDs drops repeated ids, so that the number to confirm is the number of
// clients, and refuses what the API would refuse.
func distinctIDs(ids []string, what string, most int) ([]string, error) {
	seen := make(map[string]bool, len(ids))
	var distinct []string
	for i, id := range ids {
		if id == "" || len(id) > jobs.MaxKeyLength {
			return nil, usage("client id %d: want 1..%d bytes, got %d", i+1, jobs.MaxKeyLength, len(id))
		}
		if !seen[id] {
			seen[id] = true
			distinct = append(distinct, id)
		}
	}
	switch {
	case len(distinct) == 0:
		return nil, usage("want clients to %s: --client ID… or --client-file FILE", what)
	case len(distinct) > most:
		return nil, usage("want at most %s clients in one request, got %s; split them",
			terminal.Thousands(int64(most)), terminal.Thousands(int64(len(distinct))))
	}
	return distinct, nil
}
