# Runs one server and guarantees that it does not outlive the process that started it.
#
# The parent holds the other end of stdin. When the parent ends, for whatever reason (SIGKILL included), the kernel
# closes the pipe, the watcher below sees the end of file and kills the whole process group. The group is our own (the
# parent sees to that), so that a Ctrl-C on the terminal does not reach the watcher.
#
# $1: folder to delete when the parent vanished without saying "keep"; the rest is the command.
# Speaks on stdout: "pid <n>" once the server was started and is watched, "exit <status>" when it ended.
scrap=$1
shift

exec 3<&0
"$@" </dev/null >&2 3<&- &
server=$!

# When the parent dies while the server is frozen, the kernel sends SIGHUP to the orphaned group. The watcher has to
# survive that. Only now, because the server would inherit that the signals are ignored.
trap '' HUP INT TERM QUIT

(
    # The end of our output tells the parent that everybody is gone; the watcher must not hold it open.
    exec >/dev/null
    keep=no
    while read -r word <&3; do keep=$word; done
    # The shell that waits goes first: it would kill us before we have tidied up. The server stands still while its
    # children are killed, which may have groups of their own.
    kill -KILL $$ 2>/dev/null
    kill -STOP "$server" 2>/dev/null
    for child in $(cat /proc/"$server"/task/*/children 2>/dev/null); do kill -KILL "$child" 2>/dev/null; done
    kill -KILL "$server" 2>/dev/null
    if [ "$keep" = no ] && [ -n "$scrap" ]; then
        rm -rf -- "$scrap"
    fi
    kill -KILL 0
) &

echo "pid $server"
wait "$server"
echo "exit $?"
# Leftover children of the server and the watcher, and ourselves.
kill -KILL 0
