package Test::Gate::Backend;

# A server on a unix socket that answers as a test wants it to, also what no
# honest server would say: each connection is a process of its own.

use strict;
use warnings;

use IO::Socket::UNIX;

# dir, name, answer => sub { my ($socket, $head, $body) = @_; ... }
#   raw => 1: nothing is read before, it is called with the socket alone

sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, owner => $$ }, $class;
    $self->{socket} = "$self->{dir}/$self->{name}.sock";

    my $listen = IO::Socket::UNIX->new(Local => $self->{socket},
                                       Listen => 128)
        or die "$self->{socket}: $!";

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        $SIG{CHLD} = 'IGNORE';
        setpgrp;
        $self->serve($listen);
    }

    $self->{pid} = $pid;

    return $self;
}

sub serve {
    my ($self, $listen) = @_;

    while (1) {
        my $socket = $listen->accept or next;
        my $pid = fork // next;
        next if $pid;

        close $listen;
        $socket->autoflush(1);
        my ($head, $body) = $self->{raw} ? '' : request($socket);
        $self->{answer}->($socket, $head, $body) if defined $head;
        close $socket;
        kill KILL => $$;
    }
}

sub request {
    my ($socket) = @_;

    my $data = '';

    while ($data !~ /\r\n\r\n/) {
        sysread $socket, $data, 65536, length $data or return;
    }

    my ($head, $body) = split /\r\n\r\n/, $data, 2;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;

    while (length $body < ($length // 0)) {
        sysread $socket, $body, 65536, length $body or last;
    }

    return ($head, $body);
}

# Ends it, its connections too.

sub stop {
    my ($self) = @_;

    my $pid = $self->{pid} or return;
    return unless $$ == $self->{owner};

    delete $self->{pid};
    CORE::kill(KILL => -$pid, $pid);
    waitpid $pid, 0;
    unlink $self->{socket};
}

1;
