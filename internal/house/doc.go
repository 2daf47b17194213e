// Package house holds the rules of the house as a test: who may import whom, how
// large a file may be and what it may not be called. docs/design.md has the
// reasons.
package house
