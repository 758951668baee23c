package jobs

import "time"

// ConsoleSession is somebody who is signed in to the console in a browser.
type ConsoleSession struct {
	ID     string
	Caller        // as in the token, or less
	Locale string // empty: the tenant's, else the browser's
	Path   string // where to go after signing in
	Opened time.Time
	Ends   time.Time // at the latest
}

// ConsoleRequest asks for a link that signs somebody in.
type ConsoleRequest struct {
	Caller
	Locale string
	Path   string
	Until  time.Time // of the token
}

// Lives of sessions of the console.
const (
	ConsoleCodeLife = time.Minute      // of the code in a link, which is good once
	ConsoleIdle     = 15 * time.Minute // without a request
	ConsoleLife     = 8 * time.Hour    // in all, or as long as the token
	ConsoleFresh    = time.Hour        // before something is erased, a session must be younger
)
