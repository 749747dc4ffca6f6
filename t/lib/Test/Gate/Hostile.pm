package Test::Gate::Hostile;

# Somebody in Redis' place who answers commands with whatever a test likes, in a
# process of his own.
#
#   my $fake = Test::Gate::Hostile->new(
#       test => $t, name => 'fake', listen => IO::Socket::UNIX->new(...),
#       answer => sub { my ($peer, @words) = @_; syswrite $peer, "+OK\r\n" },
#       now_and_then => sub { ... });
#   $t->is($fake->end, '');
#
# What answers returns false if the connection is to be closed.

use strict;
use warnings;

use IO::Select;

sub new {
    my ($class, %o) = @_;

    my $parent = $$;
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        eval { serve($parent, \%o) };
        $o{test}->write_file("$o{name}.error", $@);
        kill KILL => $$;
    }

    close $o{listen};

    return bless { pid => $pid, test => $o{test}, name => $o{name} }, $class;
}

# What went wrong with it, nothing if it did what it should.

sub end {
    my ($self) = @_;

    kill KILL => $self->{pid};
    waitpid $self->{pid}, 0;

    return $self->{test}->read_file("$self->{name}.error");
}

sub serve {
    my ($parent, $o) = @_;

    my $select = IO::Select->new($o->{listen});
    my %heard;

    while (getppid == $parent) {
        for my $peer ($select->can_read($o->{now_and_then} ? 0.01 : 1)) {
            if ($peer == $o->{listen}) {
                my $new = $o->{listen}->accept or next;
                $select->add($new);
                $heard{$new} = '';
                next;
            }

            my $goes_on = sysread $peer, $heard{$peer}, 65536,
                                  length $heard{$peer};

            while ($goes_on && (my @words = words(\$heard{$peer}))) {
                $goes_on = $o->{answer}->($peer, @words);
            }

            next if $goes_on;
            delete $heard{$peer};
            $select->remove($peer);
            close $peer;
        }

        $o->{now_and_then}->() if $o->{now_and_then};
    }
}

# Takes a command off what was heard; nothing if it is not whole.

sub words {
    my ($heard) = @_;

    my ($n) = $$heard =~ /^\*(\d+)\r\n/ or return;
    my $at = length $&;
    my @words;

    for (1 .. $n) {
        substr($$heard, $at) =~ /^\$(\d+)\r\n/ or return;
        my $end = $at + length($&) + $1 + 2;
        length $$heard >= $end or return;
        push @words, substr $$heard, $at + length $&, $1;
        $at = $end;
    }

    substr $$heard, 0, $at, '';

    return @words;
}

1;
