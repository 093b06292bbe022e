// Command exporter is not written yet.
package main

func main() {}
