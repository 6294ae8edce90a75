# Runs a server for as long as somebody holds the other end of our standard input, so that it cannot outlive xtask, not
# even when xtask is killed with SIGKILL. usage: supervise.sh DIRECTORY PROGRAM [ARGUMENT...]
directory=$1
shift
"$@" </dev/null >"$directory/log" 2>&1 &
server=$!
while read -r ignored; do :; done
kill -KILL "$server" 2>/dev/null
rm -rf "$directory"
# What the server started, and ourselves.
kill -KILL 0
