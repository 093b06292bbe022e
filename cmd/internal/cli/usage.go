package cli

// Usage is what the help of both commands ends with: the options of a watch that
// both have, the verbs, and the exit codes.
const Usage = `      --same-disk           fail when another file system is behind the target than at the start (warn)
  -i, --interval SECONDS    from the start of one probe to the next, 1 to 10000 (30)
  -c, --retry COUNT         retries that must fail after the first failure, 1 to 10000 (5)
  -r, --timeout SECONDS     deadline of a whole probe, 1 to 10000 (60)
      --retry-interval SECONDS
                            from the start of a failed probe to the next, 1 to 10000 (the interval)
      --tolerate CLASSES    announce failures of these classes, but do not count them: account, access,
                            path, kdc (none)
      --witness ADDRESS     also ask here after a failed probe, to say whose fault it is; up to 4, with
                            commas (none)
      --start-wait SECONDS  until the first success, failures do not count for 1 to 604800 seconds (none)
      --log-file FILE       log here (root: /var/log/fsmon/ID/watch.log)
      --metrics-file FILE   keep metrics here, in the text format of Prometheus
      --evidence-dir DIR    at the verdict, save what may explain it below here (root:
                            /var/log/fsmon/evidence)
      --no-evidence         save none

Verbs:
  -stop [SECONDS]           end the watch, waiting up to 1 to 10000 seconds (60)
  -pause [SECONDS]          stop probing until -continue, or for 1 to 604800 seconds
  -continue                 probe again
  -disp                     show what the watch is doing; --pid: its process ID alone in the first line;
                            --json
  -drill                    end the watch as if the server had failed, to try the cluster (code 1, evidence
                            marked as a drill)
  -del                      remove what a killed watch left behind

Without an ID:
  -check                    probe once now and say what each step found and what to look at; takes the
                            options of a watch
      --json                one object in one line
      --exit-style STYLE    nagios: exit codes 0, 1, 2, 3 and one line for a monitoring system; ocf: those of
                            Pacemaker's agents
  -list                     show your watches and root's; --json
      --watch SECONDS       again every 1 to 3600 seconds, until Ctrl-C

Exit codes: 0 ended on request, healthy, or the verb did its work; 1 the server was judged failed, or the
verb could not do its work; 2 wrong usage or configuration; 3 the ID is in use; 4 this machine could not run
the watch.
`
