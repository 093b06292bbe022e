package alert

// Catalogue is the messages of FSM manual chapter 8 that both commands have,
// each in its own words.
type Catalogue struct {
	Started   Entry // 1
	Watching  Entry // 2; verb: the target's name
	Stopping  Entry // 3; verb: the target's name, unless the text has none
	Terminate Entry // 6
	Paused    Entry // 7
	Continued Entry // 8
	Invalid   Entry // 11
	Missing   Entry // 12
	NoID      Entry // 13
	InUse     Entry // 14
	NotEnded  Entry // 15
	System    Entry // 42; verbs: function name, error number
	NoName    Entry // 61; verb: error number
}
