package Test::Gate::Killed;

# For t/proof/coverage: before kill() sends a SIGKILL to an nginx that has
# t/lib/coverage-killed.c in it, that signal.  Loaded before anything that says
# "kill".

use strict;
use warnings;

use POSIX qw(SIGRTMIN);
use Time::HiRes qw(sleep);

my $signal;

BEGIN {
    $signal = SIGRTMIN + 5;

    *CORE::GLOBAL::kill = sub {
        my ($name, @pids) = @_;

        if ($name =~ /^(?:SIG)?KILL$|^9$/) {

            # one after the other: a master that comes first sees no worker die

            for my $pid (grep { catches($_) } @pids) {
                CORE::kill $signal, $pid;
                CORE::kill 'CONT', $pid;

                for (1 .. 200) {
                    catches($pid) or last;
                    sleep 0.01;
                }
            }
        }

        return CORE::kill $name, @pids;
    };
}

sub catches {
    my ($pid) = @_;

    open my $fh, '<', "/proc/$pid/status" or return 0;
    my ($mask) = map { /^SigCgt:\s*([0-9a-f]+)/ } <$fh>;

    no warnings 'portable';
    return (hex($mask // 0) >> ($signal - 1)) & 1;
}

1;
