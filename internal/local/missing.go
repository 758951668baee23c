package local

// Program is something that Install can install.
type Program string

// What local servers need from the machine.
const (
	PostgreSQL  Program = "PostgreSQL 14 or newer (server)"
	RedisServer Program = "redis-server"
)

// MissingError says that a program is not installed.
type MissingError struct {
	What Program
}

// Error names the program and the line that installs it here.
func (e *MissingError) Error() string {
	return string(e.What) + " is not installed"
}
