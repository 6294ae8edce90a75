# Runs one program that must not outlive whoever started it.
#
# Whoever started us holds the other end of our standard input. When it ends, however it ends, that pipe closes, and the
# whole process group is killed. The group is ours alone, so that a Ctrl-C at the terminal reaches only the one who waits
# for us and decides in which order everybody stops.
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
# Only now: the program would inherit that these are ignored, and it is stopped by them.
trap '' HUP INT TERM
{
    read -r _ <&3
    kill -KILL 0
} &
wait "$program"
kill -KILL 0
