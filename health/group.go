package health

// The groups that orchestrators ask for. A check may be in any of them, and in
// groups of the program's own.
const (
	// Live: is the process itself beyond repair, so that a restart is what helps?
	// What is outside of the process has no place here: when a database dies, a
	// restart of everything that uses it makes it worse.
	Live = "live"
	// Ready: should requests be sent here now? Only what no request can do without.
	Ready = "ready"
	// Startup: has the program begun its work? A check counts here until it was UP
	// for the first time, and never again.
	Startup = "startup"
)

// reserved reports whether a name is that of a group.
func reserved(name string) bool { return name == Live || name == Ready || name == Startup }
