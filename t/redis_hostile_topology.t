#!/usr/bin/perl

# Whatever is said in answer to ROLE, by a Sentinel, or of the slots of a cluster:
# nobody is let in for it, no worker ends or grows, the error log says once that
# Redis is lost, and who speaks sense afterwards is believed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::Gate;
use Test::Gate::Hostile;
use Test::More;

my $mib = 1024 * 1024;
my $long = 'h' x 4096;

sub text { return '$' . length($_[0]) . "\r\n$_[0]\r\n" }
sub number { return ":$_[0]\r\n" }
sub list { return '*' . @_ . "\r\n" . join '', @_ }

# what is no reply at all, or none to such a question

my @anything = (
    [ 'garbage', "HTTP/1.1 400 Bad Request\r\n\r\n" ],
    [ 'bytes of any kind', join '', map { chr } 0 .. 255 ],
    [ 'an error', "-ERR unknown command\r\n" ],
    [ 'no permission', "-NOPERM this user has no permissions\r\n" ],
    [ 'a status', "+OK\r\n" ],
    [ 'a number', number(1) ],
    [ 'a text', text('master') ],
    [ 'no text', "\$-1\r\n" ],
    [ 'no list', "*-1\r\n" ],
    [ 'an empty list', list() ],
    [ 'a list of nothing', list(("\$-1\r\n") x 3) ],
    [ 'a list of numbers', list(map { number($_) } 0 .. 2) ],
    [ 'a list of empty texts', list((text('')) x 3) ],
    [ 'lists in a list', list((list()) x 3) ],
    [ 'deep lists', "*1\r\n" x 3 . list() ],
    [ 'deeper lists', "*1\r\n" x 100_000 ],
    [ 'a list of 2^31 - 1', "*2147483647\r\n" ],
    [ 'a list of 32,768 numbers', list((number(1)) x 32768) ],
    [ 'a list of 32,769 numbers', list((number(1)) x 32769) ],
    [ 'a text of 1 MiB', list(text('x' x $mib), text(6379)) ],
    [ 'texts of 1 MiB', list((text('x' x 60_000)) x 18) ],
    [ 'half a list', "*2\r\n" . text('127.0.0.1'), 1 ],
    [ 'nothing', '' ],
    [ 'the end', '', 1 ],
);

my @roles = (
    [ 'no role', list(text('')) ],
    [ 'a role that is a number', list(number(1), number(2), list()) ],
    [ 'a role that is a status', list("+master\r\n", number(2), list()) ],
    [ 'a role that goes on', list(text('master2'), number(1), list()) ],
    [ 'a role with a NUL', list(text("master\0x"), number(1), list()) ],
    [ 'a role of 4 KiB', list(text($long), number(1), list()) ],
    [ 'a replica', list(text('slave'), text('127.0.0.1'), number(-1),
                        text('connected'), number(-5)) ],
    [ 'a Sentinel', list(text('sentinel'), list(text($long))) ],
);

# addresses, as texts, and ports: of Sentinels, of nodes

my @hosts = (
    [ 'with a NUL', "127.0.0.1\0.example" ],
    [ 'with a line end', "127.0.0.1\n" ],
    [ 'with CRLF and a command', "127.0.0.1\r\nFLUSHALL\r\n" ],
    [ 'of 4 KiB', $long ],
    [ 'that is a name', 'redis.example' ],
    [ 'that is a path', 'unix:/tmp/redis.sock' ],
    [ 'with a blank', ' 127.0.0.1' ],
    [ 'of three numbers', '127.0.1' ],
    [ 'with a zone', 'fe80::1%lo' ],
);

my @ports = (-1, 0, 65536, 4294967296 + 6379, '9223372036854775807');

my @primaries = (
    (map { [ "an address $_->[0]", list(text($_->[1]), text(6379)) ] } @hosts),
    (map { [ "the port $_", list(text('127.0.0.1'), text($_)) ] }
         @ports, '', '6379x', '9' x 1000, "1\0"),
    [ 'a port that is a number', list(text('127.0.0.1'), number(6379)) ],
    [ 'an address too few', list(text('127.0.0.1')) ],
    [ 'one too many', list(text('127.0.0.1'), text(6379), text(1)) ],
);

sub node { return list(text($_[0]), number($_[1]), text('f' x 40), list()) }
sub range { my ($from, $to) = splice @_, 0, 2;
            return list(number($from), number($to), @_) }
sub name { return sprintf '127.0.%d.%d', $_[0] >> 8, $_[0] & 255 }

my $node = node('127.0.0.9', 1);

my @slots = (
    (map { [ "an address $_->[0]", list(range(0, 16383, node($_->[1], 6379))) ] }
         @hosts),
    (map { [ "the port $_", list(range(0, 16383, node('127.0.0.1', $_))) ] }
         @ports),
    [ 'a slot below 0', list(range(-1, 16383, $node)) ],
    [ 'a slot beyond the last', list(range(0, 16384, $node)) ],
    [ 'slots beyond 2^63', list(range(0, '9223372036854775807', $node)) ],
    [ 'slots from far below', list(range('-9223372036854775808', 5, $node)) ],
    [ 'a range that goes back', list(range(5, 4, $node)) ],
    [ 'slots that two have', list(range(0, 9000, $node),
                                  range(9000, 16383, node('127.0.0.8', 1))) ],
    [ 'slots twice', list((range(0, 16383, $node)) x 2) ],
    [ 'a slot that is a text', list(list(text(0), text(16383), $node)) ],
    [ 'a range without a primary', list(range(0, 16383)) ],
    [ 'a primary that is a text', list(range(0, 16383, text('127.0.0.1'))) ],
    [ 'a primary that is empty', list(range(0, 16383, list())) ],
    [ 'a primary without a port', list(range(0, 16383,
                                             list(text('127.0.0.1')))) ],
    [ 'a port that is a text', list(range(0, 16383, list(text('127.0.0.1'),
                                                         text(6379)))) ],
    [ 'half of it sense', list(range(0, 100, $node), number(1)) ],
    [ '129 primaries', list(map { range($_, $_, node(name($_ + 9), 1)) }
                                1 .. 129) ],
    [ '4,000 primaries', list(map { range($_, $_, node(name($_ + 9), 1)) }
                                  1 .. 4000) ],
    [ 'a primary with 33,000 replicas',
      list(range(0, 16383, $node, (list()) x 33_000)) ],
);

# what a Sentinel tells on its channel without being asked

sub message { return list(text('message'), text('+switch-master'), text($_[0])) }

my @messages = (
    (map { [ "an address $_->[0]",
             message("main 127.0.0.1 1 $_->[1] 6379") ] }
         grep { $_->[0] ne 'with a blank' } @hosts),
    (map { [ "the port $_", message("main 127.0.0.1 1 127.0.0.1 $_") ] }
         @ports, '', '6379x'),
    [ 'the name alone', message('main') ],
    [ 'the name and a blank', message('main ') ],
    [ 'the name and blanks', message('main' . ' ' x 60_000) ],
    [ 'a port alone', message('main 6379') ],
    [ 'an empty text', message('') ],
    [ 'no text', list(text('message'), text('+switch-master'), "\$-1\r\n") ],
    [ 'four texts', list((text('main 1 2 3 4')) x 4) ],
    [ 'a list', list(text('message'), text('+switch-master'), list()) ],
    [ 'a status', "+OK\r\n" ],
    [ 'another primary', message('main2 127.0.0.1 1 127.0.0.1 2') ],
    [ 'the same for a thousand times',
      message('other 127.0.0.1 1 127.0.0.1 2') x 1000 ],
);

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);
my $redis_port = $t->port;
my $cluster_port = $t->port;
my $fake_port = $t->port;

roles();
primaries();
slots();

$t->done;

# Two servers, of which neither is the primary; then a real one is there.

sub roles {
    my @said = (@anything, @roles);
    my $fake = fake('role', 'ROLE', \@said);
    my $nginx = start('roles', <<'END');
        server  unix:%%DIR%%/role.sock;
        server  unix:%%DIR%%/nobody.sock;
END

    refused($nginx, 'role', 'ROLE', \@said);

    stop($fake, 'role');

    my $redis = $t->redis(socket => $t->dir . '/nobody.sock');

    believed($nginx, 'role');
    $redis->stop;
    $nginx->stop;
}

# One Sentinel, which names a real primary at last.

sub primaries {
    my $redis = $t->redis(port => $redis_port);
    my @said = (@anything, @primaries);
    my $fake = fake('sentinel', 'SENTINEL', \@said,
                    list(text('127.0.0.1'), text($redis_port)), \@messages);
    my $nginx = start('sentinel', <<'END2', '2s');
        server    unix:%%DIR%%/sentinel.sock;
        sentinel  main;
END2

    refused($nginx, 'sentinel', 'SENTINEL', \@said);

    $t->write_file('says', -1);
    believed($nginx, 'sentinel');

    # who has a primary is told nonsense, and keeps it

    my %status;

    for my $n (0 .. $#messages) {
        $t->write_file('tells', $n);

        ok($t->wait_for(sub {
               $status{ status('nobody' . $n) }++;
               return -e $t->dir . "/told.$n";
           }), "a Sentinel tells $messages[$n][0]: heard");
    }

    is(join(' ', sort keys %status), 200, 'nobody notices');
    is($nginx->said(qr/the primary has moved/), 0, 'no primary has moved');
    is($nginx->said(qr/redis is lost/), 2, 'and none was lost');

    stop($fake, 'sentinel');
    $nginx->stop;
    $redis->stop;
}

# One node, which tells of a real cluster at last.

sub slots {
    my $redis = $t->redis(port => $cluster_port, fresh => 1, options => [
        '--cluster-enabled', 'yes', '--cluster-port', $t->port,
        '--cluster-config-file', 'nodes.conf',
    ]);

    $redis->command('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
    $t->wait_for(sub { $redis->command('CLUSTER', 'INFO')
                       =~ /cluster_state:ok/ });

    my @said = (@anything, @slots);
    my $fake = fake('cluster', 'CLUSTER', \@said,
                    list(range(0, 16383, node('127.0.0.1', $cluster_port))));
    my $nginx = start('cluster', <<"END");
        server   127.0.0.1:$fake_port;
        cluster  on;
END

    refused($nginx, 'cluster', 'CLUSTER', \@said);

    $t->write_file('says', -1);
    believed($nginx, 'cluster');
    is($nginx->said(qr/redis cluster of 1 primaries/), 2,
       'a cluster of one, and nothing of what was said before');
    stop($fake, 'cluster');
    $nginx->stop;
    $redis->stop;
}

sub refused {
    my ($nginx, $who, $what, $said) = @_;

    my @workers = sort $nginx->workers;
    my $memory = memory($nginx);
    my %status;

    for my $n (0 .. $#$said) {
        $t->write_file('says', $n);

        my $was_said = $t->wait_for(sub {
            $status{ status('alice') }++;
            return -e $t->dir . "/$who.said.$n";
        });

        ok($was_said, "$what: $said->[$n][0]: was said");
    }

    is(join(' ', sort keys %status), 503, "$what: nobody is let in");
    like($t->logged(1), qr/^503 "DENIED" "unavailable" "counted" "alice"/,
         "$what: the log says why");
    is(join(' ', sort $nginx->workers), "@workers", "$what: no worker crashed");
    cmp_ok(memory($nginx) - $memory, '<', 50 * $mib,
           "$what: nor took much memory")
        unless $ENV{TEST_SANITIZE};
    is($nginx->said(qr/\[error\].* redis is lost/), 2,
       "$what: each worker says once that Redis is lost");
}

sub believed {
    my ($nginx, $what) = @_;

    is($t->wait_for(sub { status('bob') == 200 }), 1,
       "$what: who speaks sense is believed");

    $t->wait_for(sub {
        status('bob');
        return 2 == $nginx->said(qr/ again after /);
    });
    is($nginx->said(qr/ again after /), 2,
       "$what: each worker says once that it is back");
}

sub status {
    my ($user) = @_;

    return $t->as('1.1', $user, '/document')->{status};
}

sub start {
    my ($what, $servers, $timeout) = @_;

    $timeout //= '200ms';
    unlink $t->dir . '/access.log';
    $t->write_file('says', 0);

    return $t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis {
$servers
        timeout          $timeout;
        connect_timeout  300ms;
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=100000 per=1h;
    }
END
        gate  counted;
END2
}

sub memory {
    my ($nginx) = @_;
    my $sum = 0;

    for ($nginx->workers) {
        my ($kib) = $t->read_file("/proc/$_/status") =~ /^VmRSS:\s+(\d+)/m;
        $sum += $kib * 1024;
    }

    return $sum;
}

sub stop {
    my ($fake, $name) = @_;

    is($fake->end, '', "$name: the hostile server did what it should");
    unlink $t->dir . "/$name.sock";
}

# Answers a command with what the file "says" has the number of, or with sense
# if that is -1; and who listens with what "tells" has the number of, once.

sub fake {
    my ($name, $command, $said, $sense, $messages) = @_;

    my $socket = $t->dir . "/$name.sock";
    my $listen = $name eq 'cluster'
                 ? IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                         LocalPort => $fake_port, Listen => 16)
                 : IO::Socket::UNIX->new(Local => $socket, Listen => 16);
    die "$name: $!" unless $listen;

    my @listening;

    return Test::Gate::Hostile->new(
        test => $t, name => $name, listen => $listen,
        answer => sub {
            my ($peer, $word) = @_;

            push @listening, $peer if $word eq 'SUBSCRIBE';
            return answer($peer, $name, $word, $command, $said, $sense);
        },
        now_and_then => $messages && sub {
            @listening = grep { $_->opened } @listening;
            say_once($messages, @listening) if @listening;
        });
}

# Once to those who listen.

sub say_once {
    my ($messages, @listening) = @_;

    my $n = $t->read_file('tells');

    return if $n eq '' || -e $t->dir . "/told.$n";

    syswrite $_, $messages->[$n][1] for @listening;
    $t->write_file("told.$n", '');
}

# False: the connection is to be closed.

sub answer {
    my ($peer, $name, $word, $command, $said, $sense) = @_;

    my $n = $t->read_file('says');

    if ($word eq 'SUBSCRIBE') {
        return syswrite $peer, list(text('subscribe'), text('+switch-master'),
                                    number(1));
    }

    if ($word ne $command) {
        return syswrite $peer, $word =~ /^EVAL/ ? "-ERR no\r\n" : "+OK\r\n";
    }

    return syswrite $peer, $sense if $n < 0;

    my ($what, $say, $close) = @{ $said->[$n] };

    syswrite $peer, $say if length $say;
    $t->write_file("$name.said.$n", '');

    return !$close;
}
