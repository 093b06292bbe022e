package main

func (b benchmark) svg() string { return "" }
