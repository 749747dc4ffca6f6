package Test::Gate::Redis;

# A real redis-server on a unix socket (and a port, if asked for).

use strict;
use warnings;

use IO::Socket::UNIX;
use Time::HiRes qw(sleep time);

sub new {
    my ($class, %o) = @_;

    my $self = bless { options => [], %o, owner => $$ }, $class;
    $self->{socket} //= "$self->{dir}/$self->{name}.sock";
    $self->start;

    return $self;
}

# Options are redis.conf's, as on its command line; ahead => by how many
# seconds its clock is wrong; under => a command that runs it.

sub start {
    my ($self, @more) = @_;

    my $log = "$self->{dir}/$self->{name}.log";
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>>', $log;

        %ENV = (%ENV, $self->{test}->clock($self->{ahead}))
            if $self->{ahead};

        exec @{ $self->{under} // [] }, 'redis-server',
             $self->{sentinel} ? ($self->{sentinel}, '--sentinel') : (),
             '--port', $self->{port} // 0, '--bind', $self->{bind} // '127.0.0.1',
             '--unixsocket', $self->{socket}, '--dir', $self->{dir},
             '--dbfilename', "$self->{name}.rdb", '--save', '',
             @{ $self->{options} }, @more;
        exit 127;
    }

    $self->{pid} = $pid;

    my $deadline = time + 15;

    until (eval { $self->command('PING') }
           || ($@ && $@ =~ /NOAUTH|DENIED|LOADING/)) {
        die "redis-server does not start" if time > $deadline
                                             || waitpid($pid, 1) > 0;
        sleep 0.01;
    }
}

# As one that has run for long: the gate need not wait for nodes that might
# know more (epoch.lua tells).

sub open {
    my ($self) = @_;

    my ($run) = eval { $self->command('INFO', 'server') =~ /^run_id:(\w+)/m };

    $self->command('HSET', 'gate:epoch', id => 1, run => $run, open => 1)
        if $run;
}

sub stop {
    my ($self, $signal) = @_;

    my $pid = delete $self->{pid} or return;
    return unless $$ == $self->{owner};

    delete $self->{connection};
    kill CONT => $pid;
    kill $signal // 'TERM', $pid;
    waitpid $pid, 0;
    unlink $self->{socket};
}

sub kill { $_[0]->stop('KILL') }
sub halt { CORE::kill(STOP => $_[0]{pid}) }
sub go_on { CORE::kill(CONT => $_[0]{pid}) }

# A command's reply; dies of an error.

sub command {
    my ($self, @args) = @_;

    $self->{connection} //= IO::Socket::UNIX->new(Peer => $self->{socket})
        or die "no connection";

    my $socket = $self->{connection};

    print $socket join '', '*' . @args . "\r\n",
                           map { '$' . length($_) . "\r\n$_\r\n" } @args;
    $socket->flush;

    my $reply = eval { reply($socket) };
    my $error = $@;

    if ($error) {
        delete $self->{connection} unless $error =~ /^redis: /;
        die $error;
    }

    return $reply;
}

sub reply {
    my ($socket) = @_;

    my $line = readline $socket;
    die "redis closed the connection\n" unless defined $line;
    $line =~ s/\r\n$//;

    my ($type, $rest) = $line =~ /^(.)(.*)$/s;

    die "redis: $rest\n" if $type eq '-';
    return $rest if $type eq '+' || $type eq ':';
    return undef if $rest < 0;
    return [ map { scalar reply($socket) } 1 .. $rest ] if $type eq '*';

    my $data = '';
    read $socket, $data, $rest + 2, length $data;
    return substr $data, 0, $rest;
}

# How often clients sent a command: calls that scripts make are not in it.

sub calls {
    my ($self, @names) = @_;

    my $info = $self->command('INFO', 'commandstats');
    my $calls = 0;

    for my $name (@names) {
        $calls += $1 if $info =~ /^cmdstat_\Q$name\E:calls=(\d+)/m;
    }

    return $calls;
}

# From now on each command is kept, and how many of them named a word since.

sub listen {
    my ($self) = @_;

    $self->command('CONFIG', 'SET', 'slowlog-max-len', 100_000);
    $self->command('CONFIG', 'SET', 'slowlog-log-slower-than', 0);
    $self->command('SLOWLOG', 'RESET');
}

sub heard {
    my ($self, $word) = @_;

    return scalar grep { join(' ', @{ $_->[3] }) =~ /\Q$word\E/ }
                       @{ $self->command('SLOWLOG', 'GET', -1) };
}

1;
