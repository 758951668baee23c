// Package app is the program around the parts: it reads the configuration,
// builds what a command needs, starts and stops it, and speaks with the person
// at the terminal. It is the one package that knows all others.
package app
